package transfer

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/tryst-chat/tryst/node/crypto/seal"
)

// Receiver takes a file's frames in order and says what may be written. It is
// owned by one goroutine.
type Receiver struct {
	m      Manifest
	chunks *seal.Stream
	list   *seal.Stream
	frames uint64 // of the list of hashes, received
	hashes []byte
	next   uint64 // chunk
	whole  hash.Hash
}

// NewReceiver returns a receiver that has nothing yet.
func NewReceiver(m Manifest) (*Receiver, error) {
	list, err := m.hashStream()
	if err != nil {
		return nil, err
	}
	return &Receiver{m: m, chunks: m.stream(), list: list, whole: sha256.New()}, nil
}

// NeedHashes reports whether frames of the list of hashes are still to come.
func (r *Receiver) NeedHashes() bool { return r.frames < r.m.HashFrames() }

// Hashes takes the next sealed frame of the list of hashes. It returns
// ErrCorrupt when it does not open, or when the whole list does not give the
// manifest's root.
func (r *Receiver) Hashes(sealed []byte) error {
	if !r.NeedHashes() {
		return fmt.Errorf("%w: more hashes than chunks", ErrCorrupt)
	}
	part, err := r.list.OpenChunk(r.frames, r.frames+1 == r.m.HashFrames(), sealed)
	if err != nil {
		return fmt.Errorf("%w: hashes: %w", ErrCorrupt, err)
	}
	r.hashes = append(r.hashes, part...)
	r.frames++
	if r.NeedHashes() {
		return nil
	}
	root := sha256.Sum256(r.hashes)
	if uint64(len(r.hashes)) != Chunks(r.m.Size)*HashSize || !bytes.Equal(root[:], r.m.Root[:]) {
		return fmt.Errorf("%w: the hashes do not give the root", ErrCorrupt)
	}
	return nil
}

// Next returns the index of the next chunk, which is the number of chunks
// taken so far.
func (r *Receiver) Next() uint64 { return r.next }

// Complete reports whether every chunk was taken.
func (r *Receiver) Complete() bool { return r.next == Chunks(r.m.Size) }

// Have takes the next chunk from what an earlier run wrote to disk. It reports
// false, and takes nothing, when the bytes are not that chunk; the transfer
// goes on from there.
func (r *Receiver) Have(plain []byte) bool {
	if r.NeedHashes() || r.Complete() || len(plain) != r.m.ChunkLen(r.next) || !sameHash(r.hashes, r.next, plain) {
		return false
	}
	r.whole.Write(plain)
	r.next++
	return true
}

// Chunk takes the next sealed chunk and returns its plaintext, to be written
// at Next's old place. It returns ErrCorrupt for anything but that chunk, and
// is then unchanged.
func (r *Receiver) Chunk(sealed []byte) ([]byte, error) {
	if r.NeedHashes() || r.Complete() {
		return nil, fmt.Errorf("%w: a chunk out of place", ErrCorrupt)
	}
	plain, err := r.chunks.OpenChunk(r.next, r.m.last(r.next), sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: chunk %d: %w", ErrCorrupt, r.next, err)
	}
	if !r.Have(plain) {
		return nil, fmt.Errorf("%w: chunk %d is another", ErrCorrupt, r.next)
	}
	return plain, nil
}

// Verify reports ErrCorrupt unless the file is complete and its SHA-256 is the
// manifest's.
func (r *Receiver) Verify() error {
	if !r.Complete() || !bytes.Equal(r.whole.Sum(nil), r.m.SHA256[:]) {
		return fmt.Errorf("%w: SHA-256 differs", ErrCorrupt)
	}
	return nil
}
