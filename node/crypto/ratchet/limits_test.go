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
}

func TestSkippedKeysOfAllChains(t *testing.T) {
	alice, bob := newPair(t)
	var first [][]byte
	for turn := range 3 {
		messages := send(t, alice, MaxSkippedChain+1)
		if turn == 0 {
			first = messages
		}
		receive(t, bob, messages, MaxSkippedChain)
		receive(t, alice, send(t, bob, 1), 0)
	}
	if got := bob.countSkipped(); got != MaxSkipped {
		t.Errorf("%d keys are kept, want %d", got, MaxSkipped)
	}
	wantErr(t, "oldest chain", bob, first[0], start, ErrDuplicate)
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
	for range MaxForward {
		alice.sending.chain = alice.sending.chain.Next()
		alice.sending.n++
	}
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
	for range 3 * MaxSkippedChain {
		alice.sending.chain = alice.sending.chain.Next()
		alice.sending.n++
	}
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
	for range MaxForward {
		alice.sending.chain = alice.sending.chain.Next()
		alice.sending.n++
	}
	m := send(b, alice, 1)
	for b.Loop() {
		receive(b, bob.Clone(), m, 0)
	}
}
