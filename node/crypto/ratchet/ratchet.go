package ratchet

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// Encrypt pads and seals plaintext, at most MaxPlaintext bytes, as the next
// message of the session, bound to ad. The state must be stored before the
// message leaves the device. It returns ErrNotReady for a responder that has
// received nothing, and on any error changes nothing that matters.
func (s *State) Encrypt(ad, plaintext []byte) ([]byte, error) {
	switch {
	case len(plaintext) > MaxPlaintext:
		return nil, fmt.Errorf("ratchet: %w", seal.ErrTooLong)
	case s.peer.IsZero():
		return nil, ErrNotReady
	}
	if s.pending {
		if err := s.stepSending(); err != nil {
			return nil, err
		}
	}
	if s.sending.n == math.MaxUint32 {
		return nil, ErrExhausted
	}
	h := header{ratchet: s.own.Public(), previous: s.previous, n: s.sending.n}
	sealedHeader, err := h.seal(s.sending.header)
	if err != nil {
		return nil, fmt.Errorf("ratchet: header: %w", err)
	}
	body, err := seal.Seal(s.sending.chain.Message(), seal.Message, ad, sealedHeader, seal.Pad(plaintext))
	if err != nil {
		return nil, fmt.Errorf("ratchet: body: %w", err)
	}
	s.sending.chain = s.sending.chain.Next()
	s.sending.n++
	return append(sealedHeader, body...), nil
}

// Decrypt opens a message of the session, in whatever order messages come. now
// dates the keys of messages that were overtaken. The state must be stored
// together with the plaintext. On any error (ErrDecrypt, ErrDuplicate,
// ErrTooFar) the state is as it was.
func (s *State) Decrypt(ad, message []byte, now time.Time) ([]byte, error) {
	next := s.Clone()
	plaintext, err := next.decrypt(ad, message, now)
	if err != nil {
		return nil, err
	}
	*s = *next
	return plaintext, nil
}

// decrypt is Decrypt but for changing s on an error.
func (s *State) decrypt(ad, message []byte, now time.Time) ([]byte, error) {
	if len(message) < sealedHeaderSize {
		return nil, ErrDecrypt
	}
	sealedHeader, body := message[:sealedHeaderSize], message[sealedHeaderSize:]
	s.expire(now)
	k, err := s.findKey(sealedHeader, now)
	if err != nil {
		return nil, err
	}
	padded, err := seal.Open(k, seal.Message, ad, sealedHeader, body)
	if err != nil {
		return nil, ErrDecrypt
	}
	plaintext, err := seal.Unpad(padded)
	if err != nil {
		return nil, ErrDecrypt
	}
	s.trim()
	return plaintext, nil
}

// findKey returns the key of the message with this header, and steps the
// ratchet as far as needed. It tries the header keys in the order of their
// likelihood: the current chain's, the next one's, retired ones' from the
// latest on. Each costs about 4 µs.
func (s *State) findKey(sealedHeader []byte, now time.Time) (key.Message, error) {
	if s.receiving != nil {
		if h, ok := openHeader(s.receiving.header, sealedHeader); ok {
			if h.n < s.receiving.next {
				return s.receiving.takeSkipped(h.n)
			}
			return s.receiving.advance(h.n, now)
		}
	}
	if h, ok := openHeader(s.nextReceiveHeader, sealedHeader); ok {
		if err := s.stepReceiving(h, now); err != nil {
			return key.Message{}, err
		}
		return s.receiving.advance(h.n, now)
	}
	for i := len(s.retired) - 1; i >= 0; i-- {
		c := &s.retired[i]
		if h, ok := openHeader(c.header, sealedHeader); ok {
			if h.n >= c.next {
				return key.Message{}, ErrDecrypt // the peer said that the chain ended before
			}
			return c.takeSkipped(h.n)
		}
	}
	return key.Message{}, ErrDecrypt
}

// stepReceiving is the receiving half of a DH step: the peer has a new ratchet
// key and with it a new chain.
func (s *State) stepReceiving(h header, now time.Time) error {
	if s.missing(h) > MaxForward {
		return ErrTooFar // before any work is done for it
	}
	if s.pending {
		// The peer steps twice without having heard from us in between. Ours never
		// does; with the sending half made up for, the step is as specified.
		if err := s.stepSending(); err != nil {
			return err
		}
	}
	shared, err := s.own.Shared(h.ratchet)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDecrypt, err)
	}
	root, chain, nextHeader, err := stepRoot(s.root, shared)
	if err != nil {
		return err
	}
	if s.receiving != nil {
		if err := s.receiving.retire(h.previous, now); err != nil {
			return err
		}
		s.retired = append(s.retired, *s.receiving)
	}
	s.previous = s.sending.n
	s.sending = sendingChain{header: s.nextSendHeader}
	s.nextSendHeader = secret{}
	s.receiving = &receivingChain{header: s.nextReceiveHeader, chain: chain}
	s.root, s.peer, s.nextReceiveHeader = root, h.ratchet, nextHeader
	s.pending = true
	return nil
}

// missing returns how many messages a header that begins a chain says are missing:
// at the end of the chain before, and at the beginning of its own.
func (s *State) missing(h header) uint64 {
	n := uint64(h.n)
	if s.receiving != nil && h.previous > s.receiving.next {
		n += uint64(h.previous - s.receiving.next)
	}
	return n
}

// stepSending is the sending half of a DH step: a new ratchet key of our own
// against the peer's latest. On an error s is as it was.
func (s *State) stepSending() error {
	own := s.prepared
	if own.IsZero() {
		own = key.NewDH()
	}
	shared, err := own.Shared(s.peer)
	if err != nil {
		return fmt.Errorf("ratchet: %w", err)
	}
	root, chain, nextHeader, err := stepRoot(s.root, shared)
	if err != nil {
		return err
	}
	s.root, s.sending.chain, s.nextSendHeader = root, chain, nextHeader
	s.own, s.prepared, s.pending = own, key.DH{}, false
	return nil
}

// expire gives up the keys of messages that have not come within
// SkippedLifetime.
func (s *State) expire(now time.Time) {
	deadline := now.Add(-SkippedLifetime).Unix()
	for c := range s.receivingChains() {
		c.expire(deadline)
	}
}

// trim gives up the oldest skipped keys beyond MaxSkipped, and those retired
// chains that are neither recent nor awaited.
func (s *State) trim() {
	excess := -MaxSkipped
	for c := range s.receivingChains() {
		excess += len(c.skipped)
	}
	for c := range s.receivingChains() {
		excess -= c.dropOldest(excess)
	}
	recent := len(s.retired) - MaxRetired
	kept := s.retired[:0]
	for i, c := range s.retired {
		if i >= recent || len(c.skipped) > 0 {
			kept = append(kept, c)
		}
	}
	s.retired = slices.Clip(kept)
}

// receivingChains goes over the peer's chains, oldest first.
func (s *State) receivingChains() iter.Seq[*receivingChain] {
	return func(yield func(*receivingChain) bool) {
		for i := range s.retired {
			if !yield(&s.retired[i]) {
				return
			}
		}
		if s.receiving != nil {
			yield(s.receiving)
		}
	}
}
