package seal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/tryst-chat/tryst/node/key"
)

var update = flag.Bool("update", false, "write testdata anew; what was sealed before must go on opening, so only to add cases")

const goldenFile = "testdata/suite1.json"

// golden is what suite 1 must open for ever, and must seal to from the same
// salt. Bytes are hexadecimal.
type golden struct {
	Messages []goldenMessage
	Chunks   []goldenChunk
}

type goldenMessage struct {
	Key                           string
	Role                          Role
	AD, Header, Plaintext, Sealed string
}

type goldenChunk struct {
	Key           string
	Index         uint64
	Last          bool
	AD            string
	Chunk, Sealed string
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// counting returns n bytes from, from+1, ...
func counting(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func writeGolden(t *testing.T) {
	t.Helper()
	var g golden
	for role := Message; role <= Sync; role++ {
		k, salt := key.MessageFrom([key.Size]byte(counting(byte(role), key.Size))), [SaltSize]byte(counting(0xf0, SaltSize))
		ad, header, plaintext := []byte("ad"), counting(0x80, int(role)), counting(0, 13*int(role-1))
		sealed, err := sealSalted(k, role, salt, ad, header, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		g.Messages = append(g.Messages, goldenMessage{
			Key: hex.EncodeToString(k.Bytes()), Role: role, AD: hex.EncodeToString(ad), Header: hex.EncodeToString(header),
			Plaintext: hex.EncodeToString(plaintext), Sealed: hex.EncodeToString(sealed),
		})
	}
	for i, n := range []int{0, 1, 64} {
		secret, ad := counting(byte(i), key.Size), []byte("file")
		k, err := key.ParseFile(secret)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := NewStream(k, ad).SealChunk(uint64(i)<<33, true, counting(0, n))
		if err != nil {
			t.Fatal(err)
		}
		g.Chunks = append(g.Chunks, goldenChunk{
			Key: hex.EncodeToString(secret), Index: uint64(i) << 33, Last: true, AD: hex.EncodeToString(ad),
			Chunk: hex.EncodeToString(counting(0, n)), Sealed: hex.EncodeToString(sealed),
		})
	}
	b, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Messages) == 0 || len(g.Chunks) == 0 {
		t.Fatal("no cases")
	}
	for i, m := range g.Messages {
		k, err := key.ParseMessage(unhex(t, m.Key))
		if err != nil {
			t.Fatal(err)
		}
		sealed, plaintext := unhex(t, m.Sealed), unhex(t, m.Plaintext)
		got, err := Open(k, m.Role, unhex(t, m.AD), unhex(t, m.Header), sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("message %d: opened %x, %v", i, got, err)
		}
		again, err := sealSalted(k, m.Role, [SaltSize]byte(sealed), unhex(t, m.AD), unhex(t, m.Header), plaintext)
		if err != nil || !bytes.Equal(again, sealed) {
			t.Errorf("message %d: sealed to other bytes, %v", i, err)
		}
	}
	for i, c := range g.Chunks {
		k, err := key.ParseFile(unhex(t, c.Key))
		if err != nil {
			t.Fatal(err)
		}
		got, err := NewStream(k, unhex(t, c.AD)).OpenChunk(c.Index, c.Last, unhex(t, c.Sealed))
		if err != nil || !bytes.Equal(got, unhex(t, c.Chunk)) {
			t.Errorf("chunk %d: opened %x, %v", i, got, err)
		}
	}
}

// FuzzOpen looks for a forgery. Its one genuine message has a fixed salt, since
// each fuzzing process seals it anew.
func FuzzOpen(f *testing.F) {
	k, salt := key.MessageFrom([key.Size]byte{1}), [SaltSize]byte{2}
	sealed, err := sealSalted(k, Message, salt, []byte("ad"), nil, []byte("plaintext"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("ad"), sealed)
	f.Add([]byte(nil), make([]byte, Overhead))
	f.Fuzz(func(t *testing.T, ad, b []byte) {
		got, err := Open(k, Message, ad, nil, b)
		switch {
		case err == nil && !(bytes.Equal(b, sealed) && string(ad) == "ad"):
			t.Errorf("forged: %x opens to %x", b, got)
		case err != nil && err != ErrOpen:
			t.Errorf("error %v, want ErrOpen", err)
		}
	})
}
