package ratchet_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/node/crypto/ratchet"
)

var update = flag.Bool("update", false, "write testdata anew; only to add cases")

const goldenFile = "testdata/session.json"

// golden is a session in the middle: the stored states of both sides, and
// messages to each that were under way. Bytes are hexadecimal.
type golden struct {
	Alice, Bob     string
	ToAlice, ToBob []goldenMessage // in the order in which they come
}

type goldenMessage struct{ AD, Message, Plaintext string }

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func writeGolden(t *testing.T) {
	t.Helper()
	alice, bob := newPair(t)
	sealed := func(s *ratchet.State, text string) goldenMessage {
		m, err := s.Encrypt([]byte("ad"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return goldenMessage{AD: hex.EncodeToString([]byte("ad")), Message: hex.EncodeToString(m), Plaintext: hex.EncodeToString([]byte(text))}
	}
	// Bob's state gets a skipped key, a retired chain and a pending step.
	early := sealed(alice, "overtaken")
	talk(t, alice, bob, "overtaking")
	talk(t, bob, alice, "turn")
	talk(t, alice, bob, "turn again")

	inChain := sealed(alice, "next in the chain")
	talk(t, bob, alice, "a reply that bob has sent")
	g := golden{Bob: hex.EncodeToString(marshal(t, bob))}
	newChain := sealed(alice, "in a new chain")
	g.Alice = hex.EncodeToString(marshal(t, alice)) // knows the key that it has sent
	g.ToBob = []goldenMessage{newChain, early, inChain}
	g.ToAlice = []goldenMessage{sealed(bob, "from bob")}

	b, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readGolden(tb testing.TB) (g golden, alice, bob *ratchet.State) {
	tb.Helper()
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		tb.Fatal(err)
	}
	if alice, err = ratchet.UnmarshalState(unhex(tb, g.Alice)); err != nil {
		tb.Fatal(err)
	}
	if bob, err = ratchet.UnmarshalState(unhex(tb, g.Bob)); err != nil {
		tb.Fatal(err)
	}
	if len(g.ToAlice) == 0 || len(g.ToBob) == 0 {
		tb.Fatal("no messages")
	}
	return g, alice, bob
}

// A session that was stored once goes on for ever.
func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	g, alice, bob := readGolden(t)
	if got := hex.EncodeToString(marshal(t, alice)); got != g.Alice {
		t.Error("alice's state encodes to other bytes")
	}
	if got := hex.EncodeToString(marshal(t, bob)); got != g.Bob {
		t.Error("bob's state encodes to other bytes")
	}
	for _, to := range []struct {
		name     string
		state    *ratchet.State
		messages []goldenMessage
	}{{"alice", alice, g.ToAlice}, {"bob", bob, g.ToBob}} {
		for i, m := range to.messages {
			got, err := to.state.Decrypt(unhex(t, m.AD), unhex(t, m.Message), start)
			if err != nil || !bytes.Equal(got, unhex(t, m.Plaintext)) {
				t.Errorf("message %d to %s: %q, %v", i, to.name, got, err)
			}
		}
	}
	talk(t, bob, alice, "and on")
	talk(t, alice, bob, "and on")
}

func TestUnmarshalStateRefuses(t *testing.T) {
	g, _, _ := readGolden(t)
	stored := unhex(t, g.Bob)
	for n := range stored {
		if _, err := ratchet.UnmarshalState(stored[:n]); !errors.Is(err, ratchet.ErrState) {
			t.Fatalf("cut to %d: error %v, want ErrState", n, err)
		}
	}
	for what, b := range map[string][]byte{
		"longer":       append(bytes.Clone(stored), 0),
		"version":      append([]byte{2}, stored[1:]...),
		"unknown flag": append([]byte{1, 0x80 | stored[1]}, stored[2:]...),
	} {
		if _, err := ratchet.UnmarshalState(b); !errors.Is(err, ratchet.ErrState) {
			t.Errorf("%s: error %v, want ErrState", what, err)
		}
	}
}

// Whatever bit of a stored state has changed: it is refused, or it is another state,
// with the changed bytes as its one encoding.
func TestChangedStates(t *testing.T) {
	g, _, _ := readGolden(t)
	for _, stored := range [][]byte{unhex(t, g.Alice), unhex(t, g.Bob)} {
		for i := range stored {
			changed := bytes.Clone(stored)
			changed[i] ^= 1 << (i % 8)
			s, err := ratchet.UnmarshalState(changed)
			if err == nil && !bytes.Equal(marshal(t, s), changed) || err != nil && !errors.Is(err, ratchet.ErrState) {
				t.Errorf("byte %d changed: encodes to other bytes, or %v", i, err)
			}
		}
	}
}

func FuzzUnmarshalState(f *testing.F) {
	g, _, _ := readGolden(f)
	f.Add(unhex(f, g.Alice))
	f.Add(unhex(f, g.Bob))
	message := unhex(f, g.ToBob[0].Message)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ratchet.UnmarshalState(b)
		if err != nil {
			return
		}
		if again, err := s.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x encodes to %x, %v", b, again, err)
		}
		// Whatever state it is, using it does not panic.
		_, _ = s.Decrypt(nil, message, start)
		_ = s.Prepare()
		_, _ = s.Encrypt(nil, nil)
	})
}

func FuzzDecrypt(f *testing.F) {
	g, _, bob := readGolden(f)
	genuine := map[string]bool{}
	for _, m := range g.ToBob {
		f.Add(unhex(f, m.Message))
		genuine[string(unhex(f, m.Message))] = true
	}
	f.Fuzz(func(t *testing.T, m []byte) {
		if got, err := bob.Clone().Decrypt([]byte("ad"), m, start); err == nil && !genuine[string(m)] {
			t.Errorf("forged: %q", got)
		}
	})
}

// BenchmarkMessage is one message of 128 bytes, sealed and opened: along one
// chain, and with a change of direction each time, with and without the keys
// made ahead (which is then not counted).
func BenchmarkMessage(b *testing.B) {
	text := string(make([]byte, 128))
	b.Run("one way", func(b *testing.B) {
		alice, bob := newPair(b)
		for b.Loop() {
			talk(b, alice, bob, text)
		}
		reportRate(b)
	})
	for _, prepare := range []bool{false, true} {
		b.Run(fmt.Sprintf("ping-pong prepared=%v", prepare), func(b *testing.B) {
			alice, bob := newPair(b)
			talk(b, alice, bob, text)
			from, to := bob, alice
			for b.Loop() {
				if prepare {
					b.StopTimer()
					if err := from.Prepare(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				talk(b, from, to, text)
				from, to = to, from
			}
			reportRate(b)
		})
	}
}

func reportRate(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkForged is a message that does not open, against a session that
// remembers as many chains as it may.
func BenchmarkForged(b *testing.B) {
	alice, bob := newPair(b)
	for range ratchet.MaxRetired + 1 {
		talk(b, alice, bob, "")
		talk(b, bob, alice, "")
	}
	forged := make([]byte, 400)
	for b.Loop() {
		if _, err := bob.Decrypt(nil, forged, time.Time{}); err == nil {
			b.Fatal("opened")
		}
	}
}
