package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/tryst-chat/tryst/node/key"
)

var update = flag.Bool("update", false, "write testdata anew; what was sealed before must go on opening, so only to add cases")

const goldenPath = "testdata/suite1.json"

// golden is what suite 1 must open for ever, and must seal to from the same
// salt. Bytes are hexadecimal.
type golden struct {
	Messages []goldenMessage
	Chunks   []goldenChunk
	Files    []goldenFile
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

// goldenFile is a file of Length bytes 0, 1, ... (modulo 256), too long to keep: its
// sealed chunks in a row have that SHA-256.
type goldenFile struct {
	Key, AD string
	Length  int
	Sealed  string
}

// sealedChunks returns the chunks of a goldenFile, sealed.
func (f goldenFile) sealedChunks(t *testing.T) (chunks [][]byte) {
	t.Helper()
	k, err := key.ParseFile(unhex(t, f.Key))
	if err != nil {
		t.Fatal(err)
	}
	s, content := NewStream(k, unhex(t, f.AD)), counting(0, f.Length)
	for last := false; !last; {
		n := min(len(content), ChunkSize)
		last = n == len(content)
		sealed, err := s.SealChunk(uint64(len(chunks)), last, content[:n])
		if err != nil {
			t.Fatal(err)
		}
		chunks, content = append(chunks, sealed), content[n:]
	}
	return chunks
}

func digest(chunks [][]byte) string {
	sum := sha256.Sum256(bytes.Join(chunks, nil))
	return hex.EncodeToString(sum[:])
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
	for i, n := range []int{0, ChunkSize, 2*ChunkSize + 7} {
		f := goldenFile{Key: hex.EncodeToString(counting(byte(0x40+i), key.Size)), AD: hex.EncodeToString([]byte("file")), Length: n}
		f.Sealed = digest(f.sealedChunks(t))
		g.Files = append(g.Files, f)
	}
	b, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenPath, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	b, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Messages) == 0 || len(g.Chunks) == 0 || len(g.Files) == 0 {
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
		again, err := NewStream(k, unhex(t, c.AD)).SealChunk(c.Index, c.Last, unhex(t, c.Chunk))
		if err != nil || !bytes.Equal(again, unhex(t, c.Sealed)) {
			t.Errorf("chunk %d: sealed to other bytes, %v", i, err)
		}
	}
	for i, f := range g.Files {
		if got := digest(f.sealedChunks(t)); got != f.Sealed {
			t.Errorf("file %d: sealed to other bytes, of SHA-256 %s", i, got)
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
