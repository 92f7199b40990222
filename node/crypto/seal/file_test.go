package seal_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// sealFile cuts content into chunks and seals them.
func sealFile(t *testing.T, s *seal.Stream, content []byte) (sealed [][]byte) {
	t.Helper()
	t.Helper()
	for last := false; !last; {
		n := min(len(content), seal.ChunkSize)
		last = n == len(content)
		sealed = append(sealed, sealChunk(t, s, uint64(len(sealed)), last, content[:n]))
		content = content[n:]
	}
	return sealed
}

// openFile opens chunks as those of a whole file, the final one as the last.
func openFile(s *seal.Stream, sealed [][]byte) ([]byte, error) {
	var content []byte
	for i, chunk := range sealed {
		opened, err := s.OpenChunk(uint64(i), i == len(sealed)-1, chunk)
		if err != nil {
			return nil, err
		}
		content = append(content, opened...)
	}
	return content, nil
}

// A file opens whole, and any chunk of it alone; but not with a chunk less, more,
// doubled, moved, or from another file, wherever.
func TestFile(t *testing.T) {
	for _, size := range []int{0, 1, seal.ChunkSize - 1, seal.ChunkSize, seal.ChunkSize + 1, 2*seal.ChunkSize + 7} {
		content, k := make([]byte, size), key.NewFile()
		rand.Read(content)
		s := seal.NewStream(k, []byte("a file"))
		sealed, other := sealFile(t, s, content), sealFile(t, seal.NewStream(key.NewFile(), []byte("a file")), content)
		if got, err := openFile(s, sealed); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d of %d bytes come back, %v", len(got), size, err)
		}
		for at, chunk := range sealed {
			opened, err := seal.NewStream(k, []byte("a file")).OpenChunk(uint64(at), at == len(sealed)-1, chunk)
			if want := content[at*seal.ChunkSize : min(size, (at+1)*seal.ChunkSize)]; err != nil || !bytes.Equal(opened, want) {
				t.Errorf("%d bytes, chunk %d alone: %v", size, at, err)
			}
			for what, chunks := range changedAt(sealed, at, other) {
				if got, err := openFile(s, chunks); !errors.Is(err, seal.ErrOpen) {
					t.Errorf("%d bytes, chunk %d %s: %d bytes, %v", size, at, what, len(got), err)
				}
			}
		}
	}
}

// changedAt returns what an attacker may make of a file's chunks at one place.
func changedAt(sealed [][]byte, at int, other [][]byte) map[string][][]byte {
	changed := map[string][][]byte{
		"doubled":        slices.Insert(slices.Clone(sealed), at, sealed[at]),
		"of another key": slices.Replace(slices.Clone(sealed), at, at+1, other[at]),
	}
	if len(sealed) > 1 {
		changed["left out"] = slices.Delete(slices.Clone(sealed), at, at+1)
		swapped, to := slices.Clone(sealed), (at+1)%len(sealed)
		swapped[at], swapped[to] = swapped[to], swapped[at]
		changed["swapped"] = swapped
	}
	if at > 0 {
		changed["and the rest cut off"] = sealed[:at]
	}
	return changed
}
