package transfer

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// HashesPerFrame is the number of chunk hashes that are sealed and sent
// together: as many bytes as a chunk.
const HashesPerFrame = seal.ChunkSize / HashSize

// Sender seals a file's chunks as they are asked for. It is immutable and may
// be used by many goroutines at once.
type Sender struct {
	m      Manifest
	hashes []byte
	chunks *seal.Stream
	list   *seal.Stream
}

// NewSender returns the sender of a file with the hashes that Digest made.
func NewSender(m Manifest, hashes []byte) (*Sender, error) {
	list, err := m.hashStream()
	if err != nil {
		return nil, err
	}
	return &Sender{m: m, hashes: hashes, chunks: m.stream(), list: list}, nil
}

// HashFrames returns the number of frames that the sealed list of hashes takes.
func (m Manifest) HashFrames() uint64 {
	return (Chunks(m.Size) + HashesPerFrame - 1) / HashesPerFrame
}

// hashStream seals the list of hashes. Its key is derived from the file key,
// since the file key itself has sealed chunks at the same places.
func (m Manifest) hashStream() (*seal.Stream, error) {
	okm, err := hkdf.Expand(sha256.New, m.Key.Bytes(), "tryst file hashes 1", key.Size)
	if err != nil {
		return nil, fmt.Errorf("transfer: expand: %w", err)
	}
	k, err := key.ParseFile(okm)
	if err != nil {
		return nil, fmt.Errorf("transfer: derive: %w", err)
	}
	return seal.NewStream(k, m.ID[:]), nil
}

// Hashes returns one sealed frame of the list of hashes, frame below
// HashFrames.
func (s *Sender) Hashes(frame uint64) ([]byte, error) {
	from := frame * seal.ChunkSize
	to := min(from+seal.ChunkSize, uint64(len(s.hashes)))
	return s.list.SealChunk(frame, frame+1 == s.m.HashFrames(), s.hashes[from:to])
}

// Chunk seals the chunk at index. It returns ErrChanged, and nothing sealed,
// when the plaintext is not the one that the manifest announced.
func (s *Sender) Chunk(index uint64, plain []byte) ([]byte, error) {
	if index >= Chunks(s.m.Size) || !sameHash(s.hashes, index, plain) {
		return nil, fmt.Errorf("%w (chunk %d)", ErrChanged, index)
	}
	return s.chunks.SealChunk(index, s.m.last(index), plain)
}
