package store

import (
	"encoding/binary"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/store/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Early is what a group message says, until it is its turn to be shown.
type Early struct {
	From    record.Account
	Device  peer.ID
	Content []byte
}

// PutEarly keeps what the message at a place in its sender's chain says.
func (t *Tx) PutEarly(id record.GroupID, chain [16]byte, iteration uint32, h Early) {
	t.putMessage(earlyKey(id, chain, iteration), &pb.Early{From: string(h.From), Device: []byte(h.Device), Content: h.Content})
}

// TakeEarly returns what PutEarly kept, and forgets it.
func (t *Tx) TakeEarly(id record.GroupID, chain [16]byte, iteration uint32) (Early, bool) {
	var m pb.Early
	k := earlyKey(id, chain, iteration)
	if !t.getMessage(k, &m) {
		return Early{}, false
	}
	t.remove(k)
	return Early{From: record.Account(m.GetFrom()), Device: peer.ID(m.GetDevice()), Content: m.GetContent()}, true
}

// DropEarly forgets everything that is kept for a group.
func (t *Tx) DropEarly(id record.GroupID) {
	for _, r := range t.keys(append([]byte{rowEarly}, id[:]...), 0) {
		t.remove(r.key)
	}
}

func earlyKey(id record.GroupID, chain [16]byte, iteration uint32) []byte {
	k := append(append([]byte{rowEarly}, id[:]...), chain[:]...)
	return binary.BigEndian.AppendUint32(k, iteration)
}
