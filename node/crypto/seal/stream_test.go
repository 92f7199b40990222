package seal_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

func sealChunk(tb testing.TB, s *seal.Stream, index uint64, last bool, chunk []byte) []byte {
	tb.Helper()
	sealed, err := s.SealChunk(index, last, chunk)
	if err != nil {
		tb.Fatal(err)
	}
	return sealed
}

func TestStreamRoundTrip(t *testing.T) {
	k, ad := key.NewFile(), []byte("transfer")
	sender, receiver := seal.NewStream(k, ad), seal.NewStream(k, ad)
	for _, test := range []struct {
		index uint64
		last  bool
		n     int
	}{
		{0, true, 0}, {0, true, 1}, {0, true, seal.ChunkSize}, {0, false, seal.ChunkSize},
		{1, false, seal.ChunkSize}, {1, true, 1}, {1 << 40, true, 1000}, {^uint64(0), true, seal.ChunkSize},
	} {
		chunk := make([]byte, test.n)
		rand.Read(chunk)
		sealed := sealChunk(t, sender, test.index, test.last, chunk)
		if len(sealed) != test.n+seal.ChunkOverhead {
			t.Errorf("%+v: sealed to %d bytes", test, len(sealed))
		}
		if !bytes.Equal(sealed, sealChunk(t, seal.NewStream(k, ad), test.index, test.last, chunk)) {
			t.Errorf("%+v: sealing is not deterministic", test)
		}
		if got, err := receiver.OpenChunk(test.index, test.last, sealed); err != nil || !bytes.Equal(got, chunk) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestStreamRefusesLengths(t *testing.T) {
	s := seal.NewStream(key.NewFile(), nil)
	for _, test := range []struct {
		index uint64
		last  bool
		n     int
	}{
		{0, false, 0}, {0, false, seal.ChunkSize - 1}, {0, false, seal.ChunkSize + 1}, {0, true, seal.ChunkSize + 1},
		{1, true, 0}, {1, true, seal.ChunkSize + 1}, {1, false, 1},
	} {
		if _, err := s.SealChunk(test.index, test.last, make([]byte, test.n)); !errors.Is(err, seal.ErrChunk) {
			t.Errorf("seal %+v: error %v, want ErrChunk", test, err)
		}
		if _, err := s.OpenChunk(test.index, test.last, make([]byte, test.n+seal.ChunkOverhead)); err != seal.ErrOpen {
			t.Errorf("open %+v: error %v, want ErrOpen", test, err)
		}
	}
	for n := range seal.ChunkOverhead {
		if _, err := s.OpenChunk(0, true, make([]byte, n)); err != seal.ErrOpen {
			t.Errorf("open %d bytes: error %v, want ErrOpen", n, err)
		}
	}
}

// A chunk opens at its own place only, and unchanged only.
func TestStreamTampering(t *testing.T) {
	k, ad := key.NewFile(), []byte("transfer")
	s := seal.NewStream(k, ad)
	chunk := make([]byte, seal.ChunkSize)
	sealed := sealChunk(t, s, 3, false, chunk)
	refuse := func(what string, s *seal.Stream, index uint64, last bool, sealed []byte) {
		t.Helper()
		if got, err := s.OpenChunk(index, last, sealed); err != seal.ErrOpen || got != nil {
			t.Errorf("%s: %d bytes, %v", what, len(got), err)
		}
	}
	refuse("as the last", s, 3, true, sealed)
	refuse("earlier", s, 2, false, sealed)
	refuse("later", s, 4, false, sealed)
	refuse("256 later", s, 3+256, false, sealed)
	refuse("other file key", seal.NewStream(key.NewFile(), ad), 3, false, sealed)
	refuse("other ad", seal.NewStream(k, []byte("transfes")), 3, false, sealed)
	refuse("no ad", seal.NewStream(k, nil), 3, false, sealed)

	short := sealChunk(t, s, 0, true, []byte("last"))
	for i := range short {
		bad := bytes.Clone(short)
		bad[i] ^= 0x10
		refuse(fmt.Sprintf("byte %d flipped", i), s, 0, true, bad)
		refuse(fmt.Sprintf("cut to %d", i), s, 0, true, short[:i])
	}
	// Chunks of one file share no keystream: these are sealed zeros.
	if other := sealChunk(t, s, 4, false, chunk); bytes.Equal(sealed[:64], other[:64]) {
		t.Error("two chunks have one keystream")
	}
}

func TestStreamKeepsItsAD(t *testing.T) {
	k, ad := key.NewFile(), []byte("transfer")
	s := seal.NewStream(k, ad)
	ad[0] = 'T'
	if _, err := seal.NewStream(k, []byte("transfer")).OpenChunk(0, true, sealChunk(t, s, 0, true, nil)); err != nil {
		t.Error("the stream shares the caller's ad")
	}
	if text := fmt.Sprintf("%v %+v %#v", s, *s, s); bytes.Contains([]byte(text), k.Bytes()) || text != "(secret) (secret) (secret)" {
		t.Errorf("a stream prints as %q", text)
	}
}

func FuzzOpenChunk(f *testing.F) {
	k, err := key.ParseFile(make([]byte, key.Size)) // fixed: each fuzzing process seals the chunk anew
	if err != nil {
		f.Fatal(err)
	}
	s := seal.NewStream(k, nil)
	sealed := sealChunk(f, s, 0, true, []byte("chunk"))
	f.Add(uint64(0), true, sealed)
	f.Add(uint64(1), false, make([]byte, seal.ChunkOverhead))
	f.Fuzz(func(t *testing.T, index uint64, last bool, b []byte) {
		got, err := s.OpenChunk(index, last, b)
		if err == nil && !(bytes.Equal(b, sealed) && index == 0 && last) {
			t.Errorf("forged: %x", got)
		}
	})
}
