package session

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/crypto/ratchet"
	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Begin returns the record with a new active session, made by PQXDH from the
// peer's verified bundle and the one-time prekey that came with it, if any. Its
// messages carry the Initial until one of the peer's comes back. It returns
// ErrIdentity for keys of anybody but peer, and ErrSuite.
func Begin(r Record, self Local, peer Identity, b record.Bundle, ot *record.OneTimePrekey) (Record, error) {
	bundle, oneTime, err := agreementKeys(b, ot)
	if err != nil {
		return r, err
	}
	if peer.DH.IsZero() {
		peer.DH = bundle.IdentityDH
	}
	if peer, err = r.pinned(peer); err != nil {
		return r, err
	}
	switch {
	case b.Account != peer.Account, b.Device != peer.Device, !bundle.IdentityDH.Equal(peer.DH),
		ot != nil && ot.Device != peer.Device:
		return r, ErrIdentity
	case b.Suite < seal.Suite:
		return r, ErrSuite
	}

	secret, initial, err := pqxdh.Initiate(self.DH, bundle, oneTime, associatedData(self.end(), peer))
	if err != nil {
		return r, fmt.Errorf("begin session: %w", err)
	}
	state, err := ratchet.NewInitiator(secret, bundle.SignedPrekey)
	if err != nil {
		return r, fmt.Errorf("begin session: %w", err)
	}
	raw, err := initial.MarshalBinary()
	if err != nil {
		return r, fmt.Errorf("begin session: %w", err)
	}
	next := r.added(session{initiator: true, began: sha256.Sum256(raw), initial: raw, state: state})
	next.peer = peer.DH
	return next, nil
}

// agreementKeys turns the signed form of public prekeys into the agreement's.
func agreementKeys(b record.Bundle, ot *record.OneTimePrekey) (pqxdh.Bundle, *pqxdh.OneTime, error) {
	bundle := pqxdh.Bundle{SignedPrekeyID: b.SignedPrekeyID, LastResortID: b.LastResortID}
	var errs [5]error
	bundle.IdentityDH, errs[0] = key.ParseDHPublic(b.IdentityDH[:])
	bundle.SignedPrekey, errs[1] = key.ParseDHPublic(b.SignedPrekey[:])
	bundle.LastResort, errs[2] = key.ParseKEMPublic(b.LastResort[:])
	var oneTime *pqxdh.OneTime
	if ot != nil {
		oneTime = &pqxdh.OneTime{ID: ot.ID}
		oneTime.DH, errs[3] = key.ParseDHPublic(ot.DH[:])
		oneTime.KEM, errs[4] = key.ParseKEMPublic(ot.KEM[:])
	}
	if err := errors.Join(errs[:]...); err != nil {
		return pqxdh.Bundle{}, nil, fmt.Errorf("begin session: %w", err)
	}
	return bundle, oneTime, nil
}

// Encrypt seals plaintext, at most ratchet.MaxPlaintext bytes, in the active
// session. The record that it returns must be stored before the envelope
// leaves the device. It returns ErrNoSession, ErrIdentity or ErrTooLong.
func (r Record) Encrypt(self Local, peer Identity, plaintext []byte) (Record, []byte, error) {
	if !r.Ready() {
		return r, nil, ErrNoSession
	}
	if len(plaintext) > ratchet.MaxPlaintext {
		return r, nil, ErrTooLong
	}
	peer, err := r.pinned(peer)
	if err != nil {
		return r, nil, err
	}
	s := r.sessions[0]
	s.state = s.state.Clone()
	out := head(s.initial)
	message, err := s.state.Encrypt(s.associatedData(self, peer, out), plaintext)
	if err != nil {
		return r, nil, fmt.Errorf("encrypt: %w", err)
	}
	if out = append(out, message...); len(out) > wire.MaxEnvelope {
		return r, nil, ErrTooLong
	}
	return r.replaced(0, s), out, nil
}

// associatedData is what a message of the session binds: both ends by role,
// and the envelope's head.
func (s session) associatedData(self Local, peer Identity, head []byte) []byte {
	initiator, responder := self.end(), peer
	if !s.initiator {
		initiator, responder = responder, initiator
	}
	return append(associatedData(initiator, responder), head...)
}
