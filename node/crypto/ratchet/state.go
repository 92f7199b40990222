package ratchet

import (
	"errors"
	"slices"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/key"
)

var (
	// ErrDecrypt means that a message is not of this session, or was changed.
	ErrDecrypt = errors.New("ratchet: message does not decrypt")
	// ErrDuplicate means that a message's header is genuine and its key is gone:
	// it has been decrypted before (or was given up, see MaxSkipped and
	// SkippedLifetime). There is nothing to do about it.
	ErrDuplicate = errors.New("ratchet: message key already used")
	// ErrTooFar means that a message is more than MaxForward ahead.
	ErrTooFar = errors.New("ratchet: too many messages missing")
	// ErrNotReady means that a responder has not received its first message and
	// so cannot send.
	ErrNotReady = errors.New("ratchet: nothing received yet")
	// ErrExhausted means that a chain's 2^32 - 1 messages are used up. An answer
	// of the peer's begins a new chain.
	ErrExhausted = errors.New("ratchet: sending chain exhausted")
	// ErrState means bytes that are not an encoded State.
	ErrState = errors.New("ratchet: malformed state")
)

// State is one side of a session. It is a value without a lock: one goroutine
// owns it. Names in comments are the specification's.
type State struct {
	key.Redacted

	root secret       // RK
	own  key.DH       // DHs; unset for an initiator that has not sent
	peer key.DHPublic // DHr; zero for a responder that has not received

	sending        sendingChain
	pending        bool   // the sending half of a DH step is still to be done
	previous       uint32 // PN
	nextSendHeader secret // NHKs; stale while pending

	receiving         *receivingChain // nil until the first message comes
	nextReceiveHeader secret          // NHKr
	retired           []receivingChain

	prepared key.DH // made ahead for the next step; never stored
}

// sendingChain is the own current chain.
type sendingChain struct {
	header secret    // HKs
	chain  key.Chain // CKs; stale while State.pending
	n      uint32    // Ns
}

// NewInitiator returns the state of the side that called pqxdh.Initiate.
// peerSignedPrekey is the bundle's signed prekey, the peer's first ratchet key.
func NewInitiator(s pqxdh.Secret, peerSignedPrekey key.DHPublic) (*State, error) {
	if peerSignedPrekey.IsZero() {
		return nil, key.ErrLowOrder
	}
	root, initiatorHeader, responderHeader := s.Keys()
	return &State{
		root:              root,
		peer:              peerSignedPrekey,
		sending:           sendingChain{header: initiatorHeader},
		pending:           true,
		nextReceiveHeader: responderHeader,
	}, nil
}

// NewResponder returns the state of the side that called pqxdh.Respond.
// signedPrekey is the key pair that the initial message names.
func NewResponder(s pqxdh.Secret, signedPrekey key.DH) (*State, error) {
	if signedPrekey.IsZero() {
		return nil, key.ErrUnset
	}
	root, initiatorHeader, responderHeader := s.Keys()
	return &State{
		root:              root,
		own:               signedPrekey,
		nextSendHeader:    responderHeader,
		nextReceiveHeader: initiatorHeader,
	}, nil
}

// Clone returns a state that shares nothing with s that either may change.
// Only one of the two may go on to encrypt.
func (s *State) Clone() *State {
	c := *s
	if s.receiving != nil {
		receiving := s.receiving.clone()
		c.receiving = &receiving
	}
	c.retired = slices.Clone(s.retired)
	for i := range c.retired {
		c.retired[i] = c.retired[i].clone()
	}
	return &c
}

// Prepare does ahead of time the Diffie-Hellman work that the next Encrypt and
// the next change of direction need (about 180 µs), so that a node may call it
// when it has nothing else to do. The state need not be stored for it: what is
// lost is done again. A key pair made ahead is in memory for longer, so that a
// break-in there heals one step later; none is ever stored.
func (s *State) Prepare() error {
	if s.pending {
		if err := s.stepSending(); err != nil {
			return err
		}
	}
	if s.prepared.IsZero() {
		s.prepared = key.NewDH()
	}
	return nil
}
