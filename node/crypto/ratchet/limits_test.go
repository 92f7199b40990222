package ratchet

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/key"
)

// These tests reach into the state for what would take a million messages.

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// newPair returns two ends that have the same secret, if not a good one.
func newPair(tb testing.TB) (alice, bob *State) {
	tb.Helper()
	signedPrekey := key.NewDH()
	alice, err := NewInitiator(pqxdh.Secret{}, signedPrekey.Public())
	if err != nil {
		tb.Fatal(err)
	}
	if bob, err = NewResponder(pqxdh.Secret{}, signedPrekey); err != nil {
		tb.Fatal(err)
	}
	return alice, bob
}

// send returns n messages, numbered from 0.
func send(tb testing.TB, s *State, n int) [][]byte {
	tb.Helper()
	messages := make([][]byte, n)
	for i := range messages {
		m, err := s.Encrypt(nil, fmt.Append(nil, i))
		if err != nil {
			tb.Fatal(err)
		}
		messages[i] = m
	}
	return messages
}

// lose has s send n messages that nobody will see. s has sent before.
func lose(s *State, n int) {
	for range n {
		s.sending.chain = s.sending.chain.Next()
	}
	s.sending.n += uint32(n)
}

// receive checks that message number n decrypts.
func receive(tb testing.TB, s *State, messages [][]byte, n int) {
	tb.Helper()
	got, err := s.Decrypt(nil, messages[n], start)
	if err != nil || string(got) != fmt.Sprint(n) {
		tb.Fatalf("message %d: %q, %v", n, got, err)
	}
}

func wantErr(tb testing.TB, what string, s *State, m []byte, now time.Time, want error) {
	tb.Helper()
	if _, err := s.Decrypt(nil, m, now); !errors.Is(err, want) {
		tb.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func (s *State) countSkipped() (n int) {
	for c := range s.receivingChains() {
		n += len(c.skipped)
	}
	return n
}

func TestSkippedKeysOfOneChain(t *testing.T) {
	alice, bob := newPair(t)
	const over = 5
	messages := send(t, alice, MaxSkippedChain+over+1)
	receive(t, bob, messages, MaxSkippedChain+over)
	if got := bob.countSkipped(); got != MaxSkippedChain {
		t.Errorf("%d keys are kept, want %d", got, MaxSkippedChain)
	}
	wantErr(t, "the last one given up", bob, messages[over-1], start, ErrDuplicate)
	receive(t, bob, messages, over)
	receive(t, bob, messages, MaxSkippedChain)
	wantErr(t, "received twice", bob, messages[over], start, ErrDuplicate)

	// Two gaps together count as one.
	lose(alice, MaxSkippedChain/2)
	receive(t, bob, send(t, alice, 1), 0)
	if got := bob.countSkipped(); got != MaxSkippedChain {
		t.Errorf("after another gap %d keys are kept, want %d", got, MaxSkippedChain)
	}
}

func TestSkippedKeysOfAllChains(t *testing.T) {
	alice, bob := newPair(t)
	var first [][]byte
	for range 3 {
		first = append(first, send(t, alice, 1)...)
		lose(alice, MaxSkippedChain-1)
		receive(t, bob, send(t, alice, 1), 0)
		receive(t, alice, send(t, bob, 1), 0)
	}
	if got := bob.countSkipped(); got != MaxSkipped {
		t.Errorf("%d keys are kept, want %d", got, MaxSkipped)
	}
	wantErr(t, "oldest chain", bob, first[0], start, ErrDuplicate)
	receive(t, bob, first[1:], 0)
	receive(t, bob, first[2:], 0)
}

func TestSkippedKeysExpire(t *testing.T) {
	for _, retired := range []bool{false, true} {
		alice, bob := newPair(t)
		messages := send(t, alice, 3)
		receive(t, bob, messages, 2)
		if retired {
			receive(t, alice, send(t, bob, 1), 0)
			receive(t, bob, send(t, alice, 1), 0)
		}
		if _, err := bob.Decrypt(nil, messages[1], start.Add(SkippedLifetime)); err != nil {
			t.Errorf("at the end of its life: %v", err)
		}
		wantErr(t, "expired", bob, messages[0], start.Add(SkippedLifetime+time.Second), ErrDuplicate)
	}
}

func TestForwardJump(t *testing.T) {
	alice, bob := newPair(t)
	receive(t, bob, send(t, alice, 1), 0)
	lose(alice, MaxForward)
	near, far := alice.Clone(), alice.Clone()
	far.sending.n++ // its key does not matter: the number is refused
	wantErr(t, "too far", bob, send(t, far, 1)[0], start, ErrTooFar)
	far.sending.n = math.MaxUint32 - 1
	wantErr(t, "as far as can be", bob, send(t, far, 1)[0], start, ErrTooFar)
	receive(t, bob, send(t, near, 1), 0)
	if got := bob.countSkipped(); got != MaxSkippedChain {
		t.Errorf("%d keys are kept", got)
	}

	// The same for the end of a chain that was never seen.
	receive(t, alice, send(t, bob, 1), 0)
	alice.previous = bob.receiving.next + MaxForward + 1
	wantErr(t, "previous chain too long", bob, send(t, alice, 1)[0], start, ErrTooFar)
}

// A session goes on after more messages were lost than keys are kept.
func TestGoesOnAfterManyLost(t *testing.T) {
	alice, bob := newPair(t)
	receive(t, bob, send(t, alice, 1), 0)
	lose(alice, 3*MaxSkippedChain)
	receive(t, alice, send(t, bob, 1), 0)
	receive(t, bob, send(t, alice, 1), 0)
	receive(t, alice, send(t, bob, 1), 0)
}

func TestSendingChainEnds(t *testing.T) {
	alice, _ := newPair(t)
	send(t, alice, 1)
	alice.sending.n = math.MaxUint32
	if _, err := alice.Encrypt(nil, nil); !errors.Is(err, ErrExhausted) {
		t.Errorf("error %v, want ErrExhausted", err)
	}
}

// Duplicates are known as such for MaxRetired turns, and the state stays small.
func TestRetiredChains(t *testing.T) {
	alice, bob := newPair(t)
	var sent [][]byte
	for range MaxRetired + 10 {
		m := send(t, alice, 1)
		sent = append(sent, m[0])
		receive(t, bob, m, 0)
		receive(t, alice, send(t, bob, 1), 0)
	}
	if len(bob.retired) != MaxRetired {
		t.Errorf("%d retired chains are kept, want %d", len(bob.retired), MaxRetired)
	}
	newest := len(sent) - 1
	wantErr(t, "current chain", bob, sent[newest], start, ErrDuplicate)
	wantErr(t, "last retired chain", bob, sent[newest-MaxRetired], start, ErrDuplicate)
	wantErr(t, "forgotten chain", bob, sent[newest-MaxRetired-1], start, ErrDecrypt)
	if b, err := bob.MarshalBinary(); err != nil || len(b) > 6<<10 {
		t.Errorf("the state has %d bytes, %v", len(b), err)
	}
}

// A retired chain in which messages are missing stays, however old.
func TestRetiredChainStaysWhileAwaited(t *testing.T) {
	alice, bob := newPair(t)
	first := send(t, alice, 2)
	receive(t, bob, first, 1)
	for range MaxRetired + 10 {
		receive(t, alice, send(t, bob, 1), 0)
		receive(t, bob, send(t, alice, 1), 0)
	}
	receive(t, bob, first, 0)
	if len(bob.retired) != MaxRetired {
		t.Errorf("%d retired chains are kept, want %d", len(bob.retired), MaxRetired)
	}
}

// A peer who knows the header keys but does not keep to the protocol gets an
// error and changes nothing.
func TestMaliciousHeaders(t *testing.T) {
	alice, bob := newPair(t)
	receive(t, bob, send(t, alice, 2), 0)
	forge := func(k secret, h header) []byte {
		sealed, err := h.seal(k)
		if err != nil {
			t.Fatal(err)
		}
		return append(sealed, make([]byte, 400)...)
	}
	lowOrder, err := key.ParseDHPublic(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		t.Fatal(err)
	}
	current, next := bob.receiving.header, bob.nextReceiveHeader
	for what, m := range map[string][]byte{
		"low-order ratchet key": forge(next, header{ratchet: lowOrder}),
		"step before an answer": forge(next, header{ratchet: key.NewDH().Public()}),
		"no body":               forge(current, header{n: 1})[:sealedHeaderSize],
		"garbage body":          forge(current, header{n: 1}),
		"shortened past":        forge(next, header{ratchet: key.NewDH().Public(), previous: 0}),
	} {
		before, err := bob.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, what, bob, m, start, ErrDecrypt)
		after, err := bob.MarshalBinary()
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the state changed, %v", what, err)
		}
	}
}

// A peer that steps twice without having heard from us gets what the
// specification gives: our half of the first step, which it cannot know, is
// already part of the second.
func TestDoubleStep(t *testing.T) {
	alice, bob := newPair(t)
	receive(t, bob, send(t, alice, 1), 0)
	alice.sending, alice.previous = sendingChain{header: alice.nextSendHeader}, alice.sending.n
	alice.pending = true
	wantErr(t, "second step", bob, send(t, alice, 1)[0], start, ErrDecrypt)
}

// A retired chain keeps no chain key, and gets no longer than its peer said.
func TestRetiredChainIsClosed(t *testing.T) {
	alice, bob := newPair(t)
	receive(t, bob, send(t, alice, 1), 0)
	goesOn := alice.Clone()
	receive(t, alice, send(t, bob, 1), 0)
	receive(t, bob, send(t, alice, 1), 0)
	if len(bob.retired) != 1 || !bob.retired[0].chain.IsZero() {
		t.Error("the chain key of a retired chain is still there")
	}
	wantErr(t, "one more in a retired chain", bob, send(t, goesOn, 1)[0], start, ErrDecrypt)
}

func TestUnmarshalRefusesImpossibleChains(t *testing.T) {
	for what, c := range map[string]*receivingChain{
		"skipped, yet to come": {next: 1, skipped: []skippedKey{{n: 1}}},
		"twice":                {next: 3, skipped: []skippedKey{{n: 1}, {n: 1}}},
		"descending":           {next: 3, skipped: []skippedKey{{n: 2}, {n: 1}}},
		"too many":             manySkipped(MaxSkippedChain + 1),
	} {
		b, err := (&State{receiving: c}).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := UnmarshalState(b); !errors.Is(err, ErrState) {
			t.Errorf("%s: error %v, want ErrState", what, err)
		}
	}
	b, err := (&State{receiving: manySkipped(MaxSkippedChain)}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := UnmarshalState(b); err != nil {
		t.Errorf("as many as there may be: %v", err)
	}
}

// manySkipped is a chain of which n messages are awaited.
func manySkipped(n int) *receivingChain {
	c := &receivingChain{next: uint32(n)}
	for i := range n {
		c.skipped = append(c.skipped, skippedKey{n: uint32(i)})
	}
	return c
}

// Prepare makes both keys that the next message needs, and stores neither.
func TestPrepare(t *testing.T) {
	alice, bob := newPair(t)
	receive(t, bob, send(t, alice, 1), 0)
	if !bob.pending || !bob.prepared.IsZero() {
		t.Fatal("receiving did the sender's work")
	}
	if err := bob.Prepare(); err != nil {
		t.Fatal(err)
	}
	if bob.pending || bob.prepared.IsZero() {
		t.Error("Prepare left work over")
	}
	prepared := bob.prepared
	b, err := bob.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, prepared.Bytes()) {
		t.Error("the key made ahead is stored")
	}
	receive(t, alice, send(t, bob, 1), 0)
	receive(t, bob, send(t, alice, 1), 0)
	send(t, bob, 1)
	if !bob.own.Equal(prepared) {
		t.Error("the key made ahead was not used")
	}
}

// BenchmarkForwardJump is the most that one message can make a receiver do.
func BenchmarkForwardJump(b *testing.B) {
	alice, bob := newPair(b)
	receive(b, bob, send(b, alice, 1), 0)
	lose(alice, MaxForward)
	m := send(b, alice, 1)
	for b.Loop() {
		receive(b, bob.Clone(), m, 0)
	}
}
