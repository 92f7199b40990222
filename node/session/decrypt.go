package session

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/crypto/ratchet"
	"github.com/tryst-chat/tryst/node/key"
)

// Opened is what Decrypt returns. The caller stores the record, forgets the
// one-time prekey and keeps the plaintext, all in one transaction.
type Opened struct {
	Record      Record
	Plaintext   []byte
	UsedOneTime uint32 // the one-time prekey to forget; 0: none
	New         bool   // a session began
}

// Decrypt opens an envelope from peer in whichever session it belongs to, and
// makes that one active. now dates the keys of messages that were overtaken.
// It returns ErrDuplicate; ErrOpen or ErrNoPrekey, after which the peer should
// begin anew; or ErrIdentity.
func (r Record) Decrypt(self Local, peer Identity, keys Prekeys, sealed []byte, now time.Time) (Opened, error) {
	env, err := parseEnvelope(sealed)
	if err != nil {
		return Opened{}, err
	}
	if peer, err = r.pinned(peer); err != nil {
		return Opened{}, err
	}
	if env.initial == nil {
		return r.decryptAny(self, peer, env, now)
	}
	if i := r.find(env.began); i >= 0 {
		return r.decryptIn(i, self, peer, env, now)
	}
	if slices.Contains(r.ended, env.began) {
		return Opened{}, ErrOpen // of a session that is over; it must not begin again
	}
	return r.respond(self, peer, keys, env, now)
}

// decryptAny tries the sessions from the most recently used on. A session that
// does not fit costs a few header keys, 3 µs each.
func (r Record) decryptAny(self Local, peer Identity, env envelope, now time.Time) (Opened, error) {
	for i := range r.sessions {
		opened, err := r.decryptIn(i, self, peer, env, now)
		if err == nil || errors.Is(err, ErrDuplicate) {
			return opened, err
		}
	}
	return Opened{}, ErrOpen
}

// decryptIn opens the message in session i.
func (r Record) decryptIn(i int, self Local, peer Identity, env envelope, now time.Time) (Opened, error) {
	s := r.sessions[i]
	state := *s.state // enough of a copy: Decrypt changes no more than the struct
	plaintext, err := state.Decrypt(s.associatedData(self, peer, env.head), env.message, now)
	if err != nil {
		return Opened{}, openError(err)
	}
	s.state = &state
	s.initial = nil // they have the session: no need to tell them how it began
	return Opened{Record: r.replaced(i, s), Plaintext: plaintext}, nil
}

// respond begins the session of a prekey message, if that opens in it.
func (r Record) respond(self Local, peer Identity, keys Prekeys, env envelope, now time.Time) (Opened, error) {
	in := *env.initial
	if peer.DH.IsZero() {
		peer.DH = in.IdentityDH
	}
	if !peer.DH.Equal(in.IdentityDH) {
		return Opened{}, ErrIdentity
	}
	state, err := respondState(self, peer, keys, in)
	if err != nil {
		return Opened{}, err
	}
	s := session{began: env.began, state: state}
	plaintext, err := state.Decrypt(s.associatedData(self, peer, env.head), env.message, now)
	if err != nil {
		return Opened{}, openError(err)
	}
	next := r.added(s)
	next.peer = peer.DH
	return Opened{Record: next, Plaintext: plaintext, UsedOneTime: in.OneTimeID, New: true}, nil
}

// respondState is the responder's half of PQXDH with the keys that in names.
func respondState(self Local, peer Identity, keys Prekeys, in pqxdh.Initial) (*ratchet.State, error) {
	signed, ok := keys.SignedPrekey(in.SignedPrekeyID)
	if !ok {
		return nil, ErrNoPrekey
	}
	var kem key.KEM
	var oneTime *key.DH
	if in.OneTimeID != 0 {
		oneTime = new(key.DH)
		*oneTime, kem, ok = keys.OneTime(in.OneTimeID)
	} else {
		kem, ok = keys.LastResort(in.LastResortID)
	}
	if !ok {
		return nil, ErrNoPrekey
	}
	secret, err := pqxdh.Respond(self.DH, signed, kem, oneTime, in, associatedData(peer, self.end()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	state, err := ratchet.NewResponder(secret, signed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	return state, nil
}

// openError turns the ratchet's errors into this package's.
func openError(err error) error {
	if errors.Is(err, ratchet.ErrDuplicate) {
		return ErrDuplicate
	}
	return fmt.Errorf("%w: %w", ErrOpen, err)
}
