package senderkey

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"testing"
)

// These tests reach into the state for what would take a million messages.

func newPair(tb testing.TB) (*Sender, *Receiver) {
	tb.Helper()
	s, err := NewSender([GroupIDSize]byte{1}, 2)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := NewReceiver(s.Distribution())
	if err != nil {
		tb.Fatal(err)
	}
	return s, r
}

// at returns the sender's message of that iteration, which must be ahead, and
// leaves the sender there.
func at(tb testing.TB, s *Sender, iteration uint32) []byte {
	tb.Helper()
	for ; s.iteration < iteration; s.iteration++ {
		s.chainKey = s.chainKey.Next()
	}
	m, with, err := s.Encrypt(nil, fmt.Append(nil, iteration))
	if err != nil || with.Iteration != iteration {
		tb.Fatalf("iteration %d, %v; want %d", with.Iteration, err, iteration)
	}
	return m
}

func receive(tb testing.TB, r *Receiver, m []byte, iteration uint32) {
	tb.Helper()
	if got, _, err := r.Decrypt(nil, m); err != nil || string(got) != fmt.Sprint(iteration) {
		tb.Fatalf("iteration %d: %q, %v", iteration, got, err)
	}
}

func wantErr(tb testing.TB, what string, r *Receiver, m []byte, want error) {
	tb.Helper()
	if _, _, err := r.Decrypt(nil, m); !errors.Is(err, want) {
		tb.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func TestSkippedKeysAreBounded(t *testing.T) {
	s, r := newPair(t)
	early := [][]byte{at(t, s, 0), at(t, s, 1), at(t, s, 2)}
	receive(t, r, at(t, s, MaxSkipped+2), MaxSkipped+2)
	if len(r.skipped) != MaxSkipped {
		t.Errorf("%d keys are kept, want %d", len(r.skipped), MaxSkipped)
	}
	wantErr(t, "given up", r, early[1], ErrDuplicate)
	receive(t, r, early[2], 2)
	receive(t, r, at(t, s, MaxSkipped+5), MaxSkipped+5)
	if len(r.skipped) != MaxSkipped {
		t.Errorf("%d keys are kept after another gap, want %d", len(r.skipped), MaxSkipped)
	}
}

func TestForwardJump(t *testing.T) {
	s, r := newPair(t)
	far := s.Clone()
	wantErr(t, "too far", r, at(t, far, MaxForward+1), ErrTooFar)
	far.iteration = math.MaxUint32 - 1
	wantErr(t, "as far as can be", r, at(t, far, math.MaxUint32-1), ErrTooFar)
	receive(t, r, at(t, s, MaxForward), MaxForward)
}

// A sender that signs what does not open costs the receiver nothing.
func TestSignedGarbage(t *testing.T) {
	s, r := newPair(t)
	garbage := append(s.header(3), make([]byte, 300)...)
	garbage = append(garbage, ed25519.Sign(s.signing, signed(s.bind(nil), garbage))...)
	before, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	wantErr(t, "garbage", r, garbage, ErrDecrypt)
	if after, err := r.MarshalBinary(); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the receiver changed on an error, %v", err)
	}
	receive(t, r, at(t, s, 3), 3)
}

func TestParseRefusesImpossibleReceivers(t *testing.T) {
	for what, r := range map[string]*Receiver{
		"ends before it begins": {first: 2, next: 1},
		"skipped, yet to come":  {next: 1, skipped: []skippedKey{{iteration: 1}}},
		"from before it begins": {first: 2, next: 4, skipped: []skippedKey{{iteration: 1}}},
		"twice":                 {next: 3, skipped: []skippedKey{{iteration: 1}, {iteration: 1}}},
		"descending":            {next: 3, skipped: []skippedKey{{iteration: 2}, {iteration: 1}}},
		"more than may be kept": {next: MaxSkipped + 1, skipped: skippedUpTo(MaxSkipped + 1)},
	} {
		b, err := r.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseReceiver(b); !errors.Is(err, ErrState) {
			t.Errorf("%s: error %v, want ErrState", what, err)
		}
	}
	b, err := (&Receiver{next: MaxSkipped, skipped: skippedUpTo(MaxSkipped)}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseReceiver(b); err != nil {
		t.Errorf("as many as may be kept: %v", err)
	}
}

func skippedUpTo(n int) (keys []skippedKey) {
	for i := range n {
		keys = append(keys, skippedKey{iteration: uint32(i)})
	}
	return keys
}

func TestChainEnds(t *testing.T) {
	s, _ := newPair(t)
	s.iteration = math.MaxUint32
	if _, _, err := s.Encrypt(nil, nil); !errors.Is(err, ErrExhausted) {
		t.Errorf("error %v, want ErrExhausted", err)
	}
}

// The last number is refused even where it is next, so that the one after it
// need not be a number.
func TestLastIterationIsRefused(t *testing.T) {
	s, r := newPair(t)
	s.iteration, r.next = math.MaxUint32-1, math.MaxUint32-1
	receive(t, r, at(t, s, math.MaxUint32-1), math.MaxUint32-1)
	if _, err := r.take(math.MaxUint32); !errors.Is(err, ErrTooFar) {
		t.Errorf("error %v, want ErrTooFar", err)
	}
}
