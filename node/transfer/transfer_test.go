package transfer

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/wire"
)

func describe(t testing.TB, content []byte, name string) (Manifest, []byte) {
	t.Helper()
	d := NewDigest()
	if _, err := d.Write(content); err != nil {
		t.Fatal(err)
	}
	return d.Finish(name)
}

func ends(t testing.TB, content []byte) (Manifest, *Sender, *Receiver) {
	t.Helper()
	m, hashes := describe(t, content, "a file")
	s, err := NewSender(m, hashes)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReceiver(m)
	if err != nil {
		t.Fatal(err)
	}
	return m, s, r
}

func chunkOf(m Manifest, content []byte, i uint64) []byte {
	from := i * seal.ChunkSize
	return content[from : from+uint64(m.ChunkLen(i))]
}

func sendHashes(t testing.TB, m Manifest, s *Sender, r *Receiver) {
	t.Helper()
	for i := range m.HashFrames() {
		sealed, err := s.Hashes(i)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Hashes(sealed); err != nil {
			t.Fatal(err)
		}
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestFileArrivesByteForByte(t *testing.T) {
	for _, size := range []int{0, 1, seal.ChunkSize - 1, seal.ChunkSize, seal.ChunkSize + 1, 3*seal.ChunkSize + 17} {
		content := random(size)
		m, s, r := ends(t, content)
		sendHashes(t, m, s, r)
		var got []byte
		for !r.Complete() {
			sealed, err := s.Chunk(r.Next(), chunkOf(m, content, r.Next()))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := r.Chunk(sealed)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, plain...)
		}
		if err := r.Verify(); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(got, content) {
			t.Fatalf("%d bytes: the content differs", size)
		}
	}
}

// A list of hashes longer than one frame: 2,049 chunks, none of them sealed.
func TestHashesOfManyChunks(t *testing.T) {
	content := make([]byte, (HashesPerFrame+1)*seal.ChunkSize)
	m, s, r := ends(t, content)
	if m.HashFrames() != 2 {
		t.Fatalf("%d frames, want 2", m.HashFrames())
	}
	sendHashes(t, m, s, r)
}

func TestTransferGoesOnWhereItStopped(t *testing.T) {
	content := random(5*seal.ChunkSize + 100)
	m, s, r := ends(t, content)
	sendHashes(t, m, s, r)
	for i := range uint64(3) {
		if !r.Have(chunkOf(m, content, i)) {
			t.Fatalf("chunk %d on disk is not taken", i)
		}
	}
	damaged := bytes.Clone(chunkOf(m, content, 3))
	damaged[0] ^= 1
	if r.Have(damaged) {
		t.Fatal("a damaged chunk on disk is taken")
	}
	if r.Have(chunkOf(m, content, 3)[:10]) {
		t.Fatal("half a chunk on disk is taken")
	}
	for !r.Complete() {
		sealed, _ := s.Chunk(r.Next(), chunkOf(m, content, r.Next()))
		if _, err := r.Chunk(sealed); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Verify(); err != nil {
		t.Fatal(err)
	}
}

func TestChangedFileStaysHere(t *testing.T) {
	content := random(2 * seal.ChunkSize)
	m, s, _ := ends(t, content)
	content[seal.ChunkSize+5] ^= 1
	if _, err := s.Chunk(0, chunkOf(m, content, 0)); err != nil {
		t.Fatal(err)
	}
	if sealed, err := s.Chunk(1, chunkOf(m, content, 1)); !errors.Is(err, ErrChanged) || sealed != nil {
		t.Fatalf("a changed chunk was sealed: %v", err)
	}
	again := NewDigest()
	again.Write(content)
	if _, err := again.Check(m); !errors.Is(err, ErrChanged) {
		t.Fatalf("a changed file passes: %v", err)
	}
}

func TestEveryFlippedByteIsNoticed(t *testing.T) {
	content := random(300)
	m, s, _ := ends(t, content)
	hashes, _ := s.Hashes(0)
	sealed, _ := s.Chunk(0, content)
	for i := range hashes {
		r := mustReceiver(t, m)
		bad := bytes.Clone(hashes)
		bad[i] ^= 0x10
		if err := r.Hashes(bad); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("hashes with byte %d flipped: %v", i, err)
		}
	}
	r := mustReceiver(t, m)
	sendHashes(t, m, s, r)
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 0x10
		if _, err := r.Chunk(bad); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("chunk with byte %d flipped: %v", i, err)
		}
	}
	if _, err := r.Chunk(sealed); err != nil {
		t.Fatalf("the right chunk after wrong ones: %v", err)
	}
}

func mustReceiver(t testing.TB, m Manifest) *Receiver {
	t.Helper()
	r, err := NewReceiver(m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSwappedAndForeignChunksAreNoticed(t *testing.T) {
	content := random(3 * seal.ChunkSize)
	m, s, r := ends(t, content)
	sendHashes(t, m, s, r)
	second, _ := s.Chunk(1, chunkOf(m, content, 1))
	if _, err := r.Chunk(second); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("the second chunk in the first's place: %v", err)
	}
	// Somebody who knows the file key cannot give the file other content.
	forged, err := m.stream().SealChunk(0, false, random(seal.ChunkSize))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Chunk(forged); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a forged chunk under the right key: %v", err)
	}
}

func TestManifestRoundTrip(t *testing.T) {
	m, _ := describe(t, random(1000), "räksmörgås.txt")
	got, err := FromWire(m.ToWire())
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != m.ID || got.Name != m.Name || got.Size != m.Size || got.SHA256 != m.SHA256 || got.Root != m.Root || !got.Key.Equal(m.Key) {
		t.Fatalf("got %+v", got)
	}
	for name, breakIt := range map[string]func(*Manifest){
		"size": func(m *Manifest) { m.Size = wire.MaxFile + 1 },
		"name": func(m *Manifest) { m.Name = strings.Repeat("x", wire.MaxFileName+1) },
	} {
		bad := m
		breakIt(&bad)
		if _, err := FromWire(bad.ToWire()); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	short := m.ToWire()
	short.Root = short.Root[1:]
	if _, err := FromWire(short); !errors.Is(err, ErrManifest) {
		t.Errorf("short root: %v", err)
	}
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"photo.jpg":           "photo.jpg",
		"../../etc/passwd":    "passwd",
		`..\..\windows\x.exe`: "x.exe",
		"/":                   "file",
		"..":                  "file",
		"":                    "file",
		".bashrc":             "bashrc",
		"a\x1b[31mred":        "a_[31mred",
		"right\u202eto left":  "right_to left",
		"con.txt":             "_con.txt",
		"a:b*c?":              "a_b_c_",
		"trailing. . ":        "trailing",
		"naïve café.txt":      "naïve café.txt",
		"bad\xffutf8":         "bad_utf8",
		"new\nline":           "new_line",
		"archive.tar.gz":      "archive.tar.gz",
		"no-break\u00a0space": "no-break space",
		"dir/with/slash/":     "slash",
	} {
		if got := SafeName(in); got != want {
			t.Errorf("SafeName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSafeNameHoldsForAnyName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkSafe(t, rapid.String().Draw(t, "name")) })
}

func FuzzSafeName(f *testing.F) {
	f.Add("../x")
	f.Add(strings.Repeat("é", 300) + ".jpeg")
	f.Fuzz(func(t *testing.T, name string) { checkSafe(t, name) })
}

func checkSafe(t interface{ Fatalf(string, ...any) }, name string) {
	got := SafeName(name)
	if got == "" || !utf8.ValidString(got) || strings.ContainsAny(got, "/\\\x00\n\x1b") || strings.HasPrefix(got, ".") {
		t.Fatalf("SafeName(%q) = %q", name, got)
	}
	if n := Numbered(got, 99999); len(n) > wire.MaxFileName {
		t.Fatalf("Numbered(%q) has %d bytes", got, len(n))
	}
	if SafeName(got) != got {
		t.Fatalf("SafeName(%q) = %q, then %q", name, got, SafeName(got))
	}
}

func TestNumbered(t *testing.T) {
	if a, b := Numbered("p.jpg", 1), Numbered("p.jpg", 2); a != "p.jpg" || b != "p (2).jpg" {
		t.Fatal(a, b)
	}
}

func FuzzFromWire(f *testing.F) {
	m, _ := describe(f, []byte("content"), "name")
	seed, _ := proto.Marshal(m.ToWire())
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) { fuzzManifest(t, b) })
}
