package transfer

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
)

// Errors of transfers.
var (
	ErrManifest = errors.New("transfer: the manifest is not valid")
	ErrChanged  = errors.New("transfer: the file is no longer what was announced")
	ErrCorrupt  = errors.New("transfer: what came is not what was announced")
	ErrTooLarge = errors.New("transfer: the file is too large")
)

// ID names a file between two devices: 16 random bytes.
type ID [16]byte

// HashSize is the size of a chunk's hash in bytes.
const HashSize = sha256.Size

// Manifest describes one file.
type Manifest struct {
	ID     ID
	Name   string // as the sender has it; see SafeName
	Size   int64  // bytes
	SHA256 [sha256.Size]byte
	Root   [sha256.Size]byte
	Key    key.File
}

// Chunks returns the number of chunks of a file of that many bytes, at least 1.
func Chunks(size int64) uint64 {
	return max(1, (uint64(size)+seal.ChunkSize-1)/seal.ChunkSize)
}

// ChunkLen returns the length of a chunk's plaintext in bytes.
func (m Manifest) ChunkLen(index uint64) int {
	if index+1 < Chunks(m.Size) {
		return seal.ChunkSize
	}
	return int(m.Size - int64(index)*seal.ChunkSize)
}

func (m Manifest) stream() *seal.Stream { return seal.NewStream(m.Key, m.ID[:]) }

func (m Manifest) last(index uint64) bool { return index+1 == Chunks(m.Size) }

// ToWire converts a manifest for the inside of a session or sender chain.
func (m Manifest) ToWire() *pb.File {
	return &pb.File{
		Id: m.ID[:], Name: m.Name, Size: uint64(m.Size),
		Sha256: m.SHA256[:], Root: m.Root[:], Key: m.Key.Bytes(),
	}
}

// FromWire converts and validates a manifest. It returns ErrManifest.
func FromWire(f *pb.File) (Manifest, error) {
	m := Manifest{Name: f.GetName()}
	k, err := key.ParseFile(f.GetKey())
	switch {
	case err != nil:
		return m, fmt.Errorf("%w: key: %w", ErrManifest, err)
	case len(f.GetId()) != len(m.ID), len(f.GetSha256()) != len(m.SHA256), len(f.GetRoot()) != len(m.Root):
		return m, fmt.Errorf("%w: a field has the wrong length", ErrManifest)
	case f.GetSize() > wire.MaxFile:
		return m, fmt.Errorf("%w: %d bytes", ErrManifest, f.GetSize())
	case len(f.GetName()) > wire.MaxFileName:
		return m, fmt.Errorf("%w: the name is too long", ErrManifest)
	}
	m.Size, m.Key = int64(f.GetSize()), k
	copy(m.ID[:], f.GetId())
	copy(m.SHA256[:], f.GetSha256())
	copy(m.Root[:], f.GetRoot())
	return m, nil
}

// Digest reads a file's content through Write and makes its manifest.
type Digest struct {
	whole, chunk hash.Hash
	inChunk      int
	size         int64
	hashes       []byte
}

// NewDigest returns a Digest that has read nothing.
func NewDigest() *Digest { return &Digest{whole: sha256.New(), chunk: sha256.New()} }

// Write takes the next bytes. It returns ErrTooLarge past wire.MaxFile.
func (d *Digest) Write(p []byte) (int, error) {
	n := len(p)
	if d.size+int64(n) > wire.MaxFile {
		return 0, fmt.Errorf("%w: more than %d GiB", ErrTooLarge, wire.MaxFile>>30)
	}
	d.size += int64(n)
	d.whole.Write(p)
	for len(p) > 0 {
		part := p[:min(len(p), seal.ChunkSize-d.inChunk)]
		d.chunk.Write(part)
		d.inChunk += len(part)
		p = p[len(part):]
		if d.inChunk == seal.ChunkSize {
			d.endChunk()
		}
	}
	return n, nil
}

func (d *Digest) endChunk() {
	d.hashes = d.chunk.Sum(d.hashes)
	d.chunk.Reset()
	d.inChunk = 0
}

// Finish ends the file and returns its manifest, with a fresh ID and key, and
// the hashes of its chunks.
func (d *Digest) Finish(name string) (Manifest, []byte) {
	if d.inChunk > 0 || d.size == 0 {
		d.endChunk()
	}
	m := Manifest{Name: name, Size: d.size, Key: key.NewFile(), Root: sha256.Sum256(d.hashes)}
	d.whole.Sum(m.SHA256[:0])
	rand.Read(m.ID[:]) // never fails: crypto/rand aborts the program instead
	return m, d.hashes
}

// Check ends the file and returns the hashes of its chunks if it is still what
// the manifest describes, else ErrChanged.
func (d *Digest) Check(m Manifest) ([]byte, error) {
	now, hashes := d.Finish(m.Name)
	if now.Size != m.Size || now.Root != m.Root {
		return nil, ErrChanged
	}
	return hashes, nil
}

func hashAt(hashes []byte, index uint64) []byte {
	return hashes[index*HashSize : (index+1)*HashSize]
}

func sameHash(hashes []byte, index uint64, chunk []byte) bool {
	sum := sha256.Sum256(chunk)
	return bytes.Equal(sum[:], hashAt(hashes, index))
}
