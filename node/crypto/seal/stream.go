package seal

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/tryst-chat/tryst/node/key"
)

// Stream seals one file in chunks of ChunkSize bytes, each on its own, so that
// any range can be fetched and checked alone: the STREAM construction (Hoang,
// Reyhanitabar, Rogaway, Vizár, 2015) as in age, with a key per chunk from file
// key, index and last-chunk mark in place of a nonce. The mark shows a cut-off
// file; the index shows swapped chunks.
//
// Sealing is deterministic: the same chunk at the same place gives the same
// bytes. A sender keeps no sealed copy of a file; it seals a chunk again from
// the source when it is asked for one. That is safe under two rules, which the
// caller keeps:
//
//   - A file key is drawn afresh for every content.
//   - A chunk sealed again is compared with its leaf in the hash tree of the
//     manifest before it is released. If the source changed in between, the
//     hash differs, and a second content under the same keystream stays here.
//
// A Stream is immutable and may be used by many goroutines at once.
type Stream struct {
	key.Redacted
	secret []byte
	ad     []byte
}

// NewStream returns the Stream of a file key, which binds every chunk to ad.
func NewStream(k key.File, ad []byte) *Stream {
	return &Stream{secret: k.Bytes(), ad: bytes.Clone(ad)}
}

// SealChunk seals the chunk at index, counted from 0. Every chunk but the last
// has ChunkSize bytes; the last has 1 to ChunkSize, or none if it is the only
// one (an empty file); else the error is ErrChunk. The result is ChunkOverhead
// bytes longer.
func (s *Stream) SealChunk(index uint64, last bool, chunk []byte) ([]byte, error) {
	if !validChunkLen(index, last, len(chunk)) {
		return nil, ErrChunk
	}
	position := chunkPosition(index, last)
	ks, err := derive(s.secret, FileChunk, position)
	if err != nil {
		return nil, fmt.Errorf("seal chunk: %w", err)
	}
	out := make([]byte, len(chunk), len(chunk)+ChunkOverhead)
	if err := ks.xor(out, chunk); err != nil {
		return nil, fmt.Errorf("seal chunk: %w", err)
	}
	return ks.appendTag(out, FileChunk, s.ad, nil, position, out), nil
}

// OpenChunk undoes SealChunk. It returns ErrOpen for whatever was not sealed
// by this file key at this place, and then no plaintext.
func (s *Stream) OpenChunk(index uint64, last bool, sealed []byte) ([]byte, error) {
	if !validChunkLen(index, last, len(sealed)-ChunkOverhead) {
		return nil, ErrOpen
	}
	position := chunkPosition(index, last)
	ks, err := derive(s.secret, FileChunk, position)
	if err != nil {
		return nil, fmt.Errorf("open chunk: %w", err)
	}
	return ks.open(FileChunk, s.ad, nil, position, sealed)
}

// validChunkLen tells whether a chunk of n bytes may stand at a place. One
// file then has one division into chunks.
func validChunkLen(index uint64, last bool, n int) bool {
	switch {
	case !last:
		return n == ChunkSize
	case index == 0:
		return 0 <= n && n <= ChunkSize
	default:
		return 0 < n && n <= ChunkSize
	}
}

// chunkPosition is what stands in for the salt: index, last mark, zeros.
func chunkPosition(index uint64, last bool) (p [SaltSize]byte) {
	binary.BigEndian.PutUint64(p[:], index)
	if last {
		p[8] = 1
	}
	return p
}
