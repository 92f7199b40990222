package ratchet

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/key"
)

// The peer in these tests has all keys of the session and keeps to no rule.

const (
	// maxChains and maxState are what the limits come to together.
	maxChains = MaxSkipped + MaxRetired + 1
	maxState  = 400 + maxChains*(2*key.Size+4+2) + MaxSkipped*(4+key.Size+8)
)

// checkBounds fails if a state has more than its limits allow, or cannot be stored.
func checkBounds(t fatal, s *State) {
	t.Helper()
	chains := 0
	for c := range s.receivingChains() {
		chains++
		if len(c.skipped) > MaxSkippedChain {
			t.Fatalf("%d skipped keys in one chain", len(c.skipped))
		}
	}
	b, err := s.MarshalBinary()
	switch {
	case err != nil:
		t.Fatalf("a state that cannot be stored: %v", err)
	case chains > maxChains || s.countSkipped() > MaxSkipped || len(b) > maxState:
		t.Fatalf("%d chains, %d skipped keys, %d bytes", chains, s.countSkipped(), len(b))
	}
}

// fatal is what testing.TB and rapid.T have in common here.
type fatal interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// One message is left out of each chain, for more chains than there may be skipped
// keys. All but the last of them are put in by hand, as they would be after a month.
func TestManyChainsWithGaps(t *testing.T) {
	alice, bob := newPair(t)
	first := send(t, alice, 2)
	receive(t, bob, first, 1)
	receive(t, alice, send(t, bob, 1), 0)
	receive(t, bob, send(t, alice, 1), 0)
	for range MaxSkipped - 1 {
		bob.retired = append(bob.retired, receivingChain{
			header: secret(key.NewMessage().Bytes()), next: 2, skipped: []skippedKey{{n: 0, key: key.NewMessage(), since: start.Unix()}},
		})
	}
	checkBounds(t, bob)
	receive(t, bob.Clone(), first, 0)
	for range 2 * MaxRetired {
		receive(t, alice, send(t, bob, 1), 0)
		receive(t, bob, send(t, alice, 2), 1)
		checkBounds(t, bob)
	}
	if got := bob.countSkipped(); got != MaxSkipped {
		t.Errorf("%d keys are kept, want %d", got, MaxSkipped)
	}
	wantErr(t, "the oldest gap, given up", bob, first[0], start, ErrDecrypt)
	b, err := bob.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if bob, err = UnmarshalState(b); err != nil {
		t.Fatal(err)
	}
	receive(t, bob, send(t, alice, 1), 0)
}

// Genuine headers claim any numbers, in bodies that are genuine or not: the state stays
// within its limits, an error leaves it as it was, and the session goes on.
func TestClaimedNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alice, bob := newHostilePair(t)
		numbers := rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32Range(0, 2*MaxSkippedChain),
			rapid.SampledFrom([]uint32{MaxForward, MaxForward + 1, math.MaxUint32 - 1, math.MaxUint32}), rapid.Uint32())
		for range rapid.IntRange(1, 6).Draw(t, "messages") {
			if rapid.Bool().Draw(t, "answer first") {
				if m, err := bob.Encrypt(nil, nil); err == nil {
					if _, err := alice.Decrypt(nil, m, start); err != nil {
						t.Fatal(err)
					}
				}
			}
			liar := alice.Clone()
			if err := liar.Prepare(); err != nil {
				t.Fatal(err)
			}
			ahead := numbers.Draw(t, "ahead")
			genuine := ahead <= 2*MaxSkippedChain && rapid.Bool().Draw(t, "genuine")
			if genuine {
				lose(liar, int(ahead))
			} else {
				liar.sending.n += ahead
				liar.previous += numbers.Draw(t, "previous")
			}
			m, err := liar.Encrypt(nil, []byte("x"))
			if err != nil {
				continue // even a liar cannot number it
			}
			before, err := bob.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			_, err = bob.Decrypt(nil, m, start)
			if err != nil {
				if after, _ := bob.MarshalBinary(); !bytes.Equal(before, after) {
					t.Fatalf("the state changed on %v", err)
				}
				if genuine {
					t.Fatalf("%d lost, and the session is over: %v", ahead, err)
				}
			} else {
				alice = liar // what it said has come true
			}
			checkBounds(t, bob)
		}
	})
}

func newHostilePair(t fatal) (alice, bob *State) {
	t.Helper()
	signedPrekey := key.NewDH()
	alice, errA := NewInitiator(pqxdh.Secret{}, signedPrekey.Public())
	bob, errB := NewResponder(pqxdh.Secret{}, signedPrekey)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	return alice, bob
}

// The work for one message is bounded, and what is refused for its number costs next to
// nothing. Allocations stand for work: each step of a chain makes some.
func TestWorkIsBounded(t *testing.T) {
	alice, bob := newPair(t)
	receive(t, bob, send(t, alice, 1), 0)
	receive(t, alice, send(t, bob, 1), 0)
	receive(t, bob, send(t, alice, 1), 0)
	answer := send(t, bob, 1)
	work := func(what string, m []byte, want error) float64 {
		t.Helper()
		return testing.AllocsPerRun(1, func() { wantErr(t, what, bob.Clone(), m, start, want) })
	}
	claim := func(change func(*State)) []byte {
		t.Helper()
		liar := alice.Clone()
		change(liar)
		return send(t, liar, 1)[0]
	}
	next := func(change func(*State)) []byte { // in a new chain
		t.Helper()
		return claim(func(liar *State) {
			receive(t, liar, answer, 0)
			if err := liar.Prepare(); err != nil {
				t.Fatal(err)
			}
			change(liar)
		})
	}
	ahead := func(n uint32) func(*State) { return func(s *State) { s.sending.n += n } }

	usual := work("usual", send(t, alice.Clone(), 1)[0], nil)
	step := (work("a thousand lost", claim(func(s *State) { lose(s, 1000) }), nil) - usual) / 1000
	if step < 1 {
		t.Fatalf("%v allocations a step: they do not show the work", step)
	}
	most := usual + 100 + 1.2*step*MaxForward
	for what, test := range map[string]struct {
		message []byte
		want    error
		most    float64
	}{
		"as far ahead as may be":              {claim(ahead(MaxForward)), ErrDecrypt, most},
		"one further":                         {claim(ahead(MaxForward + 2)), ErrTooFar, 3 * usual},
		"as far as there are numbers":         {claim(func(s *State) { s.sending.n = math.MaxUint32 - 1 }), ErrTooFar, 3 * usual},
		"a new chain, far ahead":              {next(ahead(MaxForward + 1)), ErrTooFar, 3 * usual},
		"a new chain, as far as can be":       {next(func(s *State) { s.sending.n = math.MaxUint32 - 1 }), ErrTooFar, 3 * usual},
		"the chain before, as long as can be": {next(func(s *State) { s.previous = math.MaxUint32 }), ErrTooFar, 3 * usual},
		"both together as far as may be": {next(func(s *State) {
			s.previous, s.sending.n = bob.receiving.next+MaxForward/2, MaxForward/2
		}), ErrDecrypt, most},
		"both together too far": {next(func(s *State) {
			s.previous, s.sending.n = bob.receiving.next+MaxForward, MaxForward
		}), ErrTooFar, 3 * usual},
		"not the peer's": {make([]byte, 400), ErrDecrypt, 3 * usual},
	} {
		if got := work(what, test.message, test.want); got > test.most {
			t.Errorf("%s: %v allocations, want at most %v", what, got, test.most)
		}
	}
}

// A message may be a month late, in a chain that ended long ago, and still opens once.
func TestVeryLateMessages(t *testing.T) {
	alice, bob := newPair(t)
	const mailbox = 30 * 24 * time.Hour
	late := send(t, alice, 3)
	receive(t, bob, late, 2)
	at := start
	for range 30 {
		at = at.Add(24 * time.Hour)
		receive(t, alice, send(t, bob, 1), 0)
		for _, m := range send(t, alice, 2)[1:] { // more gaps, younger
			if _, err := bob.Decrypt(nil, m, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := bob.Decrypt(nil, late[0], start.Add(mailbox)); err != nil || string(got) != "0" {
		t.Errorf("a month late: %q, %v", got, err)
	}
	wantErr(t, "a month late, again", bob, late[0], start.Add(mailbox), ErrDuplicate)
}
