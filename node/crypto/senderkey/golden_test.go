package senderkey_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
)

var update = flag.Bool("update", false, "write testdata anew; only to add cases")

const goldenFile = "testdata/chain.json"

// golden is a chain in the middle: a distribution, both ends as stored, and
// messages that the stored receiver and one made of the distribution must read.
// Bytes are hexadecimal.
type golden struct {
	Distribution, Sender, Receiver string
	Messages                       []goldenMessage // in the order in which they come
}

type goldenMessage struct {
	Iteration              uint32
	AD, Message, Plaintext string
}

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
	s := newSender(t)
	encrypt(t, s, "before the distribution")
	g := golden{Distribution: hex.EncodeToString(s.Distribution())}
	r := newReceiver(t, s)
	sealed := func(text string) goldenMessage {
		m, with, err := s.Encrypt([]byte("ad"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return goldenMessage{with.Iteration, hex.EncodeToString([]byte("ad")), hex.EncodeToString(m), hex.EncodeToString([]byte(text))}
	}
	overtaken := sealed("overtaken")
	decrypt(t, r, encrypt(t, s, "overtaking"), "overtaking")
	g.Receiver = hex.EncodeToString(marshal(t, r))
	first, second := sealed("first"), sealed("second")
	g.Messages = []goldenMessage{second, overtaken, first}
	g.Sender = hex.EncodeToString(marshal(t, s))

	b, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readGolden(tb testing.TB) (g golden) {
	tb.Helper()
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		tb.Fatal(err)
	}
	if len(g.Messages) == 0 {
		tb.Fatal("no messages")
	}
	return g
}

// A chain that was stored once goes on for ever.
func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	g := readGolden(t)
	s, err := senderkey.ParseSender(unhex(t, g.Sender))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := senderkey.ParseReceiver(unhex(t, g.Receiver))
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := senderkey.NewReceiver(unhex(t, g.Distribution))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(marshal(t, s)); got != g.Sender {
		t.Error("the sender encodes to other bytes")
	}
	if got := hex.EncodeToString(marshal(t, stored)); got != g.Receiver {
		t.Error("the receiver encodes to other bytes")
	}
	for name, r := range map[string]*senderkey.Receiver{"stored": stored, "fresh": fresh} {
		for i, m := range g.Messages {
			got, with, err := r.Decrypt(unhex(t, m.AD), unhex(t, m.Message))
			if err != nil || with.Iteration != m.Iteration || !bytes.Equal(got, unhex(t, m.Plaintext)) {
				t.Errorf("%s receiver, message %d: %q, iteration %d, %v", name, i, got, with.Iteration, err)
			}
		}
		decrypt(t, r, encrypt(t, s.Clone(), "and on"), "and on")
	}
}

func TestParsersRefuse(t *testing.T) {
	g := readGolden(t)
	for name, test := range map[string]struct {
		encoded []byte
		parse   func([]byte) error
		want    error
	}{
		"distribution": {unhex(t, g.Distribution), func(b []byte) error { _, err := senderkey.NewReceiver(b); return err }, senderkey.ErrDistribution},
		"sender":       {unhex(t, g.Sender), func(b []byte) error { _, err := senderkey.ParseSender(b); return err }, senderkey.ErrState},
		"receiver":     {unhex(t, g.Receiver), func(b []byte) error { _, err := senderkey.ParseReceiver(b); return err }, senderkey.ErrState},
	} {
		for n := range test.encoded {
			if err := test.parse(test.encoded[:n]); !errors.Is(err, test.want) {
				t.Errorf("%s cut to %d: error %v, want %v", name, n, err, test.want)
			}
		}
		if err := test.parse(append(bytes.Clone(test.encoded), 0)); !errors.Is(err, test.want) {
			t.Errorf("%s longer: error %v, want %v", name, err, test.want)
		}
		if err := test.parse(append([]byte{2}, test.encoded[1:]...)); !errors.Is(err, test.want) {
			t.Errorf("%s of version 2: error %v, want %v", name, err, test.want)
		}
	}
}

// Whatever bit of a stored state or a distribution has changed: it is refused, or it is
// another one, with the changed bytes as its one encoding.
func TestChangedStates(t *testing.T) {
	g := readGolden(t)
	for name, test := range map[string]struct {
		encoded string
		again   func([]byte) ([]byte, error)
	}{
		"sender": {g.Sender, func(b []byte) ([]byte, error) {
			s, err := senderkey.ParseSender(b)
			if err != nil {
				return nil, err
			}
			return s.MarshalBinary()
		}},
		"receiver": {g.Receiver, func(b []byte) ([]byte, error) {
			r, err := senderkey.ParseReceiver(b)
			if err != nil {
				return nil, err
			}
			return r.MarshalBinary()
		}},
	} {
		encoded := unhex(t, test.encoded)
		for i := range encoded {
			changed := bytes.Clone(encoded)
			changed[i] ^= 1 << (i % 8)
			again, err := test.again(changed)
			if err == nil && !bytes.Equal(again, changed) || err != nil && !errors.Is(err, senderkey.ErrState) {
				t.Errorf("%s, byte %d changed: encodes to %x, %v", name, i, again, err)
			}
		}
	}
	message := unhex(t, g.Messages[0].Message)
	distribution := unhex(t, g.Distribution)
	for i := range distribution {
		changed := bytes.Clone(distribution)
		changed[i] ^= 1 << (i % 8)
		if r, err := senderkey.NewReceiver(changed); err == nil {
			got, _, err := r.Decrypt([]byte("ad"), message)
			at := 1 + senderkey.GroupIDSize + 8 + senderkey.ChainIDSize // of the iteration
			if err == nil && (i < at || i >= at+4) {
				t.Errorf("distribution byte %d changed, and it opens %q", i, got)
			}
		}
	}
}

// FuzzParse feeds all three decoders and uses what they accept.
func FuzzParse(f *testing.F) {
	g := readGolden(f)
	for _, s := range []string{g.Distribution, g.Sender, g.Receiver} {
		f.Add(unhex(f, s))
	}
	message := unhex(f, g.Messages[0].Message)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := senderkey.NewReceiver(b); err == nil {
			_, _, _ = r.Decrypt([]byte("ad"), message)
		}
		if r, err := senderkey.ParseReceiver(b); err == nil {
			if !bytes.Equal(marshal(t, r), b) {
				t.Errorf("receiver %x encodes to other bytes", b)
			}
			_, _, _ = r.Decrypt([]byte("ad"), message)
		}
		if s, err := senderkey.ParseSender(b); err == nil {
			if !bytes.Equal(marshal(t, s), b) {
				t.Errorf("sender %x encodes to other bytes", b)
			}
			if _, err := senderkey.NewReceiver(s.Distribution()); err != nil {
				t.Errorf("sender %x: distribution: %v", b, err)
			}
		}
	})
}

func FuzzDecrypt(f *testing.F) {
	g := readGolden(f)
	r, err := senderkey.ParseReceiver(unhex(f, g.Receiver))
	if err != nil {
		f.Fatal(err)
	}
	genuine := map[string]bool{}
	for _, m := range g.Messages {
		f.Add(unhex(f, m.Message))
		genuine[string(unhex(f, m.Message))] = true
	}
	f.Fuzz(func(t *testing.T, m []byte) {
		if got, _, err := r.Clone().Decrypt([]byte("ad"), m); err == nil && !genuine[string(m)] {
			t.Errorf("forged: %q", got)
		}
	})
}

func BenchmarkEncrypt(b *testing.B) {
	s, text := newSender(b), make([]byte, 128)
	for b.Loop() {
		if _, _, err := s.Encrypt(nil, text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecrypt(b *testing.B) {
	s := newSender(b)
	r := newReceiver(b, s)
	m := encrypt(b, s, string(make([]byte, 128)))
	for b.Loop() {
		decrypt(b, r.Clone(), m, string(make([]byte, 128)))
	}
}
