package senderkey_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/crypto/senderkey"
)

var group = [senderkey.GroupIDSize]byte{0: 1, 15: 2}

const epoch = 3

// fatal is what testing.TB and rapid.T have in common here.
type fatal interface {
	Helper()
	Fatal(...any)
}

func newSender(t fatal) *senderkey.Sender {
	t.Helper()
	s, err := senderkey.NewSender(group, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newReceiver(t fatal, s *senderkey.Sender) *senderkey.Receiver {
	t.Helper()
	r, err := senderkey.NewReceiver(s.Distribution())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func encrypt(t fatal, s *senderkey.Sender, text string) []byte {
	t.Helper()
	m, _, err := s.Encrypt(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func decrypt(t fatal, r *senderkey.Receiver, m []byte, want string) {
	t.Helper()
	if got, _, err := r.Decrypt(nil, m); err != nil || string(got) != want {
		t.Fatal(fmt.Sprintf("decrypted %q, %v; want %q", got, err, want))
	}
}

type marshaler interface{ MarshalBinary() ([]byte, error) }

func marshal(t fatal, v marshaler) []byte {
	t.Helper()
	b, err := v.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refuse checks that r returns exactly want for m and is as before.
func refuse(t *testing.T, what string, r *senderkey.Receiver, ad, m []byte, want error) {
	t.Helper()
	before := marshal(t, r)
	if got, _, err := r.Decrypt(ad, m); !errors.Is(err, want) || got != nil {
		t.Errorf("%s: decrypted %q, %v; want %v", what, got, err, want)
	}
	if !bytes.Equal(marshal(t, r), before) {
		t.Errorf("%s: the receiver changed on an error", what)
	}
}

func TestSenderAndReceiverAgree(t *testing.T) {
	s := newSender(t)
	r := newReceiver(t, s)
	if r.GroupID() != group || r.Epoch() != epoch || s.GroupID() != group || s.Epoch() != epoch {
		t.Error("group or epoch is lost")
	}
	if !bytes.Equal(r.SigningKey(), s.SigningKey()) || len(r.SigningKey()) != 32 {
		t.Error("the signing keys differ")
	}
	for want := range uint32(3) {
		text := fmt.Sprint("message ", want)
		m, with, err := s.Encrypt(nil, []byte(text))
		if err != nil || with.Iteration != want {
			t.Fatalf("iteration %d, %v; want %d", with.Iteration, err, want)
		}
		if chain, err := senderkey.ChainOf(m); err != nil || chain != r.ChainID() {
			t.Errorf("chain %x, %v", chain, err)
		}
		got, used, err := r.Decrypt(nil, m)
		if err != nil || !same(used, with) || string(got) != text {
			t.Errorf("%q, iteration %d, %v", got, used.Iteration, err)
		}
	}
	if len(s.Distribution()) != senderkey.DistributionSize {
		t.Errorf("a distribution has %d bytes", len(s.Distribution()))
	}
}

// Whoever joins during an epoch reads from there on.
func TestLateDistribution(t *testing.T) {
	s := newSender(t)
	before := encrypt(t, s, "before")
	late := newReceiver(t, s)
	after := encrypt(t, s, "after")
	refuse(t, "before", late, nil, before, senderkey.ErrBefore)
	decrypt(t, late, after, "after")
	refuse(t, "after, again", late, nil, after, senderkey.ErrDuplicate)
	refuse(t, "before, still", late, nil, before, senderkey.ErrBefore)
}

// Gossip loses, doubles and reorders, and both sides restart: each message that
// arrives is read once, as it was sent, under its number.
func TestInterleavings(t *testing.T) {
	times := 6 // as many interleavings as rapid does by itself
	if testing.Short() {
		times = 1
	}
	for range times {
		rapid.Check(t, interleave)
	}
}

// flight is a message under way.
type flight struct {
	message, ad, plaintext []byte
	with                   senderkey.Opening
	arrived                bool
}

func interleave(t *rapid.T) {
	s := newSender(t)
	r := newReceiver(t, s)
	var sent []*flight
	for range rapid.IntRange(0, 40).Draw(t, "steps") {
		action := rapid.SampledFrom([]string{"send", "send", "receive", "receive", "receive", "tamper", "restart"}).Draw(t, "action")
		if len(sent) == 0 && action != "restart" {
			action = "send"
		}
		switch action {
		case "send":
			f := &flight{
				ad:        rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "ad"),
				plaintext: rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "plaintext"),
			}
			var err error
			if f.message, f.with, err = s.Encrypt(f.ad, f.plaintext); err != nil {
				t.Fatal(err)
			}
			sent = append(sent, f)
		case "receive":
			f := rapid.SampledFrom(sent).Draw(t, "flight")
			alone, err := senderkey.Open(group, epoch, f.with, f.ad, f.message)
			if err != nil || !bytes.Equal(alone, f.plaintext) {
				t.Fatalf("%q opens alone as %q, %v", f.plaintext, alone, err)
			}
			got, used, err := r.Decrypt(f.ad, f.message)
			switch {
			case f.arrived && !errors.Is(err, senderkey.ErrDuplicate):
				t.Fatalf("the second time: %q, %v; want ErrDuplicate", got, err)
			case !f.arrived && (err != nil || !same(used, f.with) || !bytes.Equal(got, f.plaintext)):
				t.Fatalf("%q came as %q, iteration %d, %v", f.plaintext, got, used.Iteration, err)
			}
			f.arrived = true
		case "tamper":
			f := rapid.SampledFrom(sent).Draw(t, "flight")
			bad := bytes.Clone(f.message)
			bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			if got, _, err := r.Decrypt(f.ad, bad); !errors.Is(err, senderkey.ErrDecrypt) && !errors.Is(err, senderkey.ErrOtherChain) {
				t.Fatalf("a changed message: %q, %v", got, err)
			}
		case "restart":
			storedS, storedR := marshal(t, s), marshal(t, r)
			var err error
			if s, err = senderkey.ParseSender(storedS); err != nil {
				t.Fatal(err)
			}
			if r, err = senderkey.ParseReceiver(storedR); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(marshal(t, s), storedS) || !bytes.Equal(marshal(t, r), storedR) {
				t.Fatal("a state is not what was stored")
			}
		}
	}
}

func TestEveryByteCounts(t *testing.T) {
	s := newSender(t)
	r := newReceiver(t, s)
	ad := []byte("head of the chain")
	m, _, err := s.Encrypt(ad, []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range m {
		bad := bytes.Clone(m)
		bad[i] ^= 0x20
		want := senderkey.ErrDecrypt
		if i < senderkey.ChainIDSize {
			want = senderkey.ErrOtherChain
		}
		refuse(t, fmt.Sprintf("byte %d flipped", i), r, ad, bad, want)
	}
	for _, n := range []int{0, 1, senderkey.ChainIDSize, senderkey.Overhead - 1, senderkey.Overhead, len(m) - 1} {
		refuse(t, fmt.Sprintf("cut to %d", n), r, ad, m[:n], senderkey.ErrDecrypt)
	}
	refuse(t, "longer", r, ad, append(bytes.Clone(m), 0), senderkey.ErrDecrypt)
	refuse(t, "other ad", r, ad[1:], m, senderkey.ErrDecrypt)
	refuse(t, "other sender", newReceiver(t, newSender(t)), ad, m, senderkey.ErrOtherChain)
	if got, _, err := r.Decrypt(ad, m); err != nil || string(got) != "message" {
		t.Errorf("after all that: %q, %v", got, err)
	}
}

// A member who has a chain key, as all have, cannot post under it: the
// signature is the sender's. Nor does a message of one epoch or group pass in
// another that has the same chain.
func TestMembersCannotForge(t *testing.T) {
	s := newSender(t)
	r := newReceiver(t, s)
	stored := marshal(t, s)
	forger := bytes.Clone(stored)
	forger[len(forger)-1] ^= 1 // all of the sender but the signing key
	other, err := senderkey.ParseSender(forger)
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, "other signing key", r, nil, encrypt(t, other, "as if I were you"), senderkey.ErrDecrypt)

	for what, at := range map[string]int{"other group": 1, "other epoch": 1 + senderkey.GroupIDSize + 7} {
		moved := bytes.Clone(stored)
		moved[at] ^= 1
		other, err := senderkey.ParseSender(moved)
		if err != nil {
			t.Fatal(err)
		}
		refuse(t, what, r, nil, encrypt(t, other, "from elsewhere"), senderkey.ErrDecrypt)
	}
}

func TestLengths(t *testing.T) {
	s := newSender(t)
	if a, b := len(encrypt(t, s, "")), len(encrypt(t, s, "a longer text")); a != b || a != senderkey.Overhead+256 {
		t.Errorf("messages of %d and %d bytes", a, b)
	}
	m, _, err := s.Encrypt(nil, make([]byte, senderkey.MaxPlaintext))
	if err != nil || len(m) > seal.MaxSealed {
		t.Errorf("the longest message has %d bytes, %v", len(m), err)
	}
	if _, _, err := s.Encrypt(nil, make([]byte, senderkey.MaxPlaintext+1)); !errors.Is(err, seal.ErrTooLong) {
		t.Errorf("error %v, want ErrTooLong", err)
	}
}

func TestClonesAreApart(t *testing.T) {
	s := newSender(t)
	r := newReceiver(t, s)
	overtaken := encrypt(t, s, "overtaken")
	decrypt(t, r, encrypt(t, s, "overtaking"), "overtaking")
	cloneS, cloneR := s.Clone(), r.Clone()
	beforeS, beforeR := marshal(t, cloneS), marshal(t, cloneR)
	decrypt(t, r, overtaken, "overtaken")
	decrypt(t, r, encrypt(t, s, "next"), "next")
	if !bytes.Equal(marshal(t, cloneS), beforeS) || !bytes.Equal(marshal(t, cloneR), beforeR) {
		t.Error("a clone changed with its original")
	}
	decrypt(t, cloneR, overtaken, "overtaken")
}

func TestStatesDoNotPrint(t *testing.T) {
	s := newSender(t)
	r := newReceiver(t, s)
	if got := fmt.Sprintf("%v %+v %#v %x", s, *s, r, *r); got != "(secret) (secret) (secret) (secret)" {
		t.Errorf("prints as %q", got)
	}
}
