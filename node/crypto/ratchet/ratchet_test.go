package ratchet_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/crypto/ratchet"
	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// start is a moment to count from; the package reads no clock.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// fatal is what testing.TB and rapid.T have in common here.
type fatal interface {
	Helper()
	Fatal(...any)
}

// newPair returns the two ends of a fresh session, of which alice began it.
func newPair(t fatal) (alice, bob *ratchet.State) {
	t.Helper()
	identityA, identityB, signedPrekey, kem := key.NewDH(), key.NewDH(), key.NewDH(), key.NewKEM()
	secretA, in, err := pqxdh.Initiate(identityA, pqxdh.Bundle{
		IdentityDH: identityB.Public(), SignedPrekey: signedPrekey.Public(), LastResort: kem.Public(),
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	secretB, err := pqxdh.Respond(identityB, signedPrekey, kem, nil, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if alice, err = ratchet.NewInitiator(secretA, signedPrekey.Public()); err != nil {
		t.Fatal(err)
	}
	if bob, err = ratchet.NewResponder(secretB, signedPrekey); err != nil {
		t.Fatal(err)
	}
	return alice, bob
}

func encrypt(t fatal, s *ratchet.State, text string) []byte {
	t.Helper()
	m, err := s.Encrypt(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func decrypt(t fatal, s *ratchet.State, m []byte, want string) {
	t.Helper()
	got, err := s.Decrypt(nil, m, start)
	if err != nil || string(got) != want {
		t.Fatal(fmt.Sprintf("decrypted %q, %v; want %q", got, err, want))
	}
}

// refuse checks that s returns exactly want for m and is as before.
func refuse(t *testing.T, what string, s *ratchet.State, ad, m []byte, now time.Time, want error) {
	t.Helper()
	before := marshal(t, s)
	if got, err := s.Decrypt(ad, m, now); !errors.Is(err, want) || got != nil {
		t.Errorf("%s: decrypted %q, %v; want %v", what, got, err, want)
	}
	if !bytes.Equal(marshal(t, s), before) {
		t.Errorf("%s: the state changed on an error", what)
	}
}

func marshal(t fatal, s *ratchet.State) []byte {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// talk sends one message and receives it.
func talk(t fatal, from, to *ratchet.State, text string) {
	t.Helper()
	decrypt(t, to, encrypt(t, from, text), text)
}

func TestConversation(t *testing.T) {
	alice, bob := newPair(t)
	for i := range 5 {
		talk(t, alice, bob, fmt.Sprint("to bob ", i))
		talk(t, alice, bob, fmt.Sprint("again to bob ", i))
		talk(t, bob, alice, fmt.Sprint("to alice ", i))
	}
	talk(t, alice, bob, "")
	talk(t, bob, alice, strings.Repeat("x", ratchet.MaxPlaintext))
}

// flight is a message under way.
type flight struct {
	message, ad, plaintext []byte
	arrived                bool
}

// Messages may be lost, doubled, reordered, changed, late by weeks and sent both ways
// at once, and either side may restart: each message that is let through is read
// once, as it was sent, and nothing else is.
func TestInterleavings(t *testing.T) {
	times := 6 // as many interleavings as rapid does by itself
	if testing.Short() {
		times = 1
	}
	for range times {
		rapid.Check(t, interleave)
	}
}

func interleave(t *rapid.T) {
	var sides [2]*ratchet.State
	sides[0], sides[1] = newPair(t)
	var toward [2][]*flight // by receiver
	heard := [2]bool{true, false}
	now := start

	// Fewer turns than MaxRetired: duplicates are always told as such.
	for range rapid.IntRange(0, ratchet.MaxRetired).Draw(t, "steps") {
		me := rapid.IntRange(0, 1).Draw(t, "side")
		s := sides[me]
		switch rapid.SampledFrom([]string{"send", "send", "receive", "receive", "receive", "tamper", "restart", "prepare"}).Draw(t, "action") {
		case "send":
			f := &flight{
				ad:        rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "ad"),
				plaintext: rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "plaintext"),
			}
			var err error
			if f.message, err = s.Encrypt(f.ad, f.plaintext); !heard[me] {
				if !errors.Is(err, ratchet.ErrNotReady) {
					t.Fatalf("error %v, want ErrNotReady", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			toward[1-me] = append(toward[1-me], f)
		case "receive":
			if len(toward[me]) == 0 {
				continue
			}
			f := rapid.SampledFrom(toward[me]).Draw(t, "flight")
			got, err := s.Decrypt(f.ad, f.message, now)
			switch {
			case f.arrived && !errors.Is(err, ratchet.ErrDuplicate):
				t.Fatalf("the second time: %q, %v; want ErrDuplicate", got, err)
			case !f.arrived && (err != nil || !bytes.Equal(got, f.plaintext)):
				t.Fatalf("%q came as %q, %v", f.plaintext, got, err)
			}
			f.arrived, heard[me] = true, true
		case "tamper":
			if len(toward[me]) == 0 {
				continue
			}
			f := rapid.SampledFrom(toward[me]).Draw(t, "flight")
			bad := bytes.Clone(f.message)
			bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			before := marshal(t, s)
			if got, err := s.Decrypt(f.ad, bad, now); err == nil {
				t.Fatalf("a changed message came as %q", got)
			}
			if !bytes.Equal(marshal(t, s), before) {
				t.Fatal("the state changed on an error")
			}
		case "restart":
			stored := marshal(t, s)
			restored, err := ratchet.UnmarshalState(stored)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(marshal(t, restored), stored) {
				t.Fatal("a state is not what was stored")
			}
			sides[me] = restored
		case "prepare":
			if err := s.Prepare(); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "hours")) * time.Hour) // a month in all
	}
}

// A message at the end of a chain comes after the next chain has begun, which
// said how long the last one was.
func TestLateMessageOfRetiredChain(t *testing.T) {
	alice, bob := newPair(t)
	talk(t, alice, bob, "first")
	late := encrypt(t, alice, "late")
	talk(t, bob, alice, "turn")
	talk(t, alice, bob, "new chain")
	decrypt(t, bob, late, "late")
	refuse(t, "again", bob, nil, late, start, ratchet.ErrDuplicate)
}

func TestEveryByteCounts(t *testing.T) {
	alice, bob := newPair(t)
	talk(t, alice, bob, "first")
	ad := []byte("alice, bob")
	m, err := alice.Encrypt(ad, []byte("second"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range m {
		bad := bytes.Clone(m)
		bad[i] ^= 0x20
		refuse(t, fmt.Sprintf("byte %d flipped", i), bob, ad, bad, start, ratchet.ErrDecrypt)
		refuse(t, fmt.Sprintf("cut to %d", i), bob, ad, m[:i], start, ratchet.ErrDecrypt)
	}
	refuse(t, "longer", bob, ad, append(bytes.Clone(m), 0), start, ratchet.ErrDecrypt)
	refuse(t, "other ad", bob, ad[1:], m, start, ratchet.ErrDecrypt)
	refuse(t, "sent back", alice, ad, m, start, ratchet.ErrDecrypt)
	_, stranger := newPair(t)
	refuse(t, "other session", stranger, ad, m, start, ratchet.ErrDecrypt)
	if got, err := bob.Decrypt(ad, m, start); err != nil || string(got) != "second" {
		t.Errorf("after all that: %q, %v", got, err)
	}
}

// A header on another body neither opens nor costs the message its key.
func TestSplicedBody(t *testing.T) {
	alice, bob := newPair(t)
	first, second := encrypt(t, alice, "first"), encrypt(t, alice, "second")
	spliced := append(bytes.Clone(first[:88]), second[88:]...)
	refuse(t, "spliced", bob, nil, spliced, start, ratchet.ErrDecrypt)
	decrypt(t, bob, second, "second")
	decrypt(t, bob, first, "first")
}

func TestLengthsArePadded(t *testing.T) {
	alice, _ := newPair(t)
	want := len(encrypt(t, alice, ""))
	for _, text := range []string{"a", strings.Repeat("b", 200), strings.Repeat("c", 255)} {
		if got := len(encrypt(t, alice, text)); got != want || got != 88+48+256 {
			t.Errorf("%d bytes make a message of %d, others of %d", len(text), got, want)
		}
	}
	longest := encrypt(t, alice, strings.Repeat("x", ratchet.MaxPlaintext))
	if len(longest) > seal.MaxSealed {
		t.Errorf("the longest message has %d bytes", len(longest))
	}
	if _, err := alice.Encrypt(nil, make([]byte, ratchet.MaxPlaintext+1)); !errors.Is(err, seal.ErrTooLong) {
		t.Errorf("error %v, want ErrTooLong", err)
	}
}

// Who copied a state reads on until both sides have answered, and then no more.
func TestHealsAfterBreakIn(t *testing.T) {
	alice, bob := newPair(t)
	talk(t, alice, bob, "hello")
	talk(t, bob, alice, "hello")
	if err := bob.Prepare(); err != nil {
		t.Fatal(err)
	}
	stored, err := ratchet.UnmarshalState(marshal(t, bob)) // a thief sees the disk
	if err != nil {
		t.Fatal(err)
	}
	thief := stored.Clone()

	m := encrypt(t, alice, "still read")
	decrypt(t, thief, m, "still read")
	decrypt(t, bob, m, "still read")
	talk(t, bob, alice, "a new key of bob's")
	m = encrypt(t, alice, "read no more")
	refuse(t, "thief", thief, nil, m, start, ratchet.ErrDecrypt)
	decrypt(t, bob, m, "read no more")
}

func TestCloneIsApart(t *testing.T) {
	alice, bob := newPair(t)
	lost := encrypt(t, alice, "overtaken")
	talk(t, alice, bob, "overtaking")
	talk(t, bob, alice, "turn")
	talk(t, alice, bob, "new chain") // the overtaken one's chain is retired
	clone := bob.Clone()
	before := marshal(t, clone)
	decrypt(t, bob, lost, "overtaken")
	talk(t, bob, alice, "on")
	if !bytes.Equal(marshal(t, clone), before) {
		t.Error("the clone changed with its original")
	}
	decrypt(t, clone, lost, "overtaken")
}

func TestStateDoesNotPrint(t *testing.T) {
	alice, _ := newPair(t)
	if got := fmt.Sprintf("%v %+v %#v %x", alice, *alice, alice, *alice); got != "(secret) (secret) (secret) (secret)" {
		t.Errorf("prints as %q", got)
	}
}

func TestConstructorsRefuseUnsetKeys(t *testing.T) {
	if _, err := ratchet.NewInitiator(pqxdh.Secret{}, key.DHPublic{}); !errors.Is(err, key.ErrLowOrder) {
		t.Errorf("initiator: %v", err)
	}
	if _, err := ratchet.NewResponder(pqxdh.Secret{}, key.DH{}); !errors.Is(err, key.ErrUnset) {
		t.Errorf("responder: %v", err)
	}
	lowOrder, err := key.ParseDHPublic(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ratchet.NewInitiator(pqxdh.Secret{}, lowOrder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Encrypt(nil, nil); !errors.Is(err, key.ErrLowOrder) {
		t.Errorf("encrypt to a low-order key: %v", err)
	}
}
