package session

import (
	"encoding/binary"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Identity is one end of a session.
type Identity struct {
	Account record.Account
	Device  peer.ID
	// DH is the device's identity key, as its signed bundle has it. For a peer it
	// may be zero: then the one in the Record holds, and at the first message
	// ever the one that the message names. Leave it zero only for messages that
	// the peer device itself has handed over on an authenticated stream.
	DH key.DHPublic
}

// Local is this device's end. Identity.DH is not read: DH has a public half.
type Local struct {
	Identity
	DH key.DH
}

// end returns the own Identity as the peer sees it.
func (l Local) end() Identity {
	return Identity{Account: l.Account, Device: l.Device, DH: l.DH.Public()}
}

// Prekeys finds this device's private prekeys by ID. False means that there is
// no such key, or no longer.
type Prekeys interface {
	SignedPrekey(id uint32) (key.DH, bool)
	LastResort(id uint32) (key.KEM, bool)
	OneTime(id uint32) (key.DH, key.KEM, bool)
}

const adLabel = "tryst session 1"

// associatedData binds both ends in the order of their roles. It goes into the
// key agreement as it is, and into every message together with the envelope's
// head.
func associatedData(initiator, responder Identity) []byte {
	ad := []byte(adLabel)
	for _, end := range []Identity{initiator, responder} {
		for _, part := range []string{string(end.Account), string(end.Device)} {
			ad = binary.BigEndian.AppendUint32(ad, uint32(len(part)))
			ad = append(ad, part...)
		}
		ad = append(ad, end.DH.Bytes()...)
	}
	return ad
}

// pinned returns the peer with its identity key filled in from the record where
// the caller does not know it. A key that contradicts the record's is refused.
func (r Record) pinned(peer Identity) (Identity, error) {
	switch {
	case r.peer.IsZero():
		return peer, nil
	case peer.DH.IsZero():
		peer.DH = r.peer
	case !peer.DH.Equal(r.peer):
		return peer, ErrIdentity
	}
	return peer, nil
}
