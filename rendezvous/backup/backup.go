// Package backup is the form of a backup file of the directory: who it is of, all keys
// and values of one moment, and a checksum over everything, so that a file that was
// cut short or changed is noticed before anything comes of it.
//
// It is pure, and knows nothing of what the rows mean. Package rendezvous writes
// backups of a running server and puts them back. The file is
//
//	"tryst backup 1\n"
//	uvarint length || Header as JSON
//	for each row: uvarint length (not 0) || key || uvarint length || value
//	0 || uvarint number of rows || SHA-256 of all that precedes it
//
// There is no secret in a file but what the directory holds itself: OPAQUE records and
// sealed vaults, which a thief could test guesses against only with the servers'
// secrets, and letters that only their recipients open. Account names, groups, and
// who wrote to whom are in there in the clear.
package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

const (
	magic = "tryst backup 1\n"
	// maxHeader, maxKey and maxValue bound what a reader takes memory for: values are
	// of one command at most, which is 256 KiB.
	maxHeader = 64 << 10
	maxKey    = 1000
	maxValue  = 1 << 20
)

// Errors of reading.
var (
	// ErrFormat is returned for what is no backup of this version.
	ErrFormat = errors.New("backup: the file is no backup that this version reads")
	// ErrDamaged is returned for a backup that was cut short or changed.
	ErrDamaged = errors.New("backup: the file is damaged or cut short")
)

// Header says what a backup is of.
type Header struct {
	Cluster  string    `json:"cluster"` // the cluster's public key, hexadecimal
	Server   string    `json:"server"`  // the name of the one that wrote it
	Created  time.Time `json:"created"`
	Index    uint64    `json:"index"` // of the last entry of the log that is in it
	Accounts uint64    `json:"accounts"`
	Groups   uint64    `json:"groups"`
	Version  string    `json:"version"` // of the program
}

// Writer writes a backup.
type Writer struct {
	out  *bufio.Writer
	sum  hash.Hash
	rows uint64
}

// NewWriter writes the header.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("backup: header: %w", err)
	}
	if len(raw) > maxHeader {
		return nil, fmt.Errorf("backup: header of %d bytes", len(raw))
	}
	b := &Writer{sum: sha256.New()}
	b.out = bufio.NewWriterSize(io.MultiWriter(w, b.sum), 64<<10)
	b.out.WriteString(magic)
	b.bytes(raw)
	return b, nil
}

// Row writes a key, of 1 to 1,000 bytes, and its value of up to 1 MiB.
func (b *Writer) Row(key, value []byte) error {
	if len(key) == 0 || len(key) > maxKey || len(value) > maxValue {
		return fmt.Errorf("backup: a key of %d and a value of %d bytes", len(key), len(value))
	}
	b.rows++
	b.bytes(key)
	return b.bytes(value)
}

// Close writes the end, without which the file is worth nothing.
func (b *Writer) Close() error {
	b.out.Write(binary.AppendUvarint([]byte{0}, b.rows))
	if err := b.out.Flush(); err != nil { // which all have told since the first that failed
		return err
	}
	b.out.Write(b.sum.Sum(nil))
	return b.out.Flush()
}

func (b *Writer) bytes(p []byte) error {
	b.out.Write(binary.AppendUvarint(nil, uint64(len(p))))
	_, err := b.out.Write(p)
	return err
}

// Reader reads a backup.
type Reader struct {
	Header Header

	in   *bufio.Reader
	sum  hash.Hash
	rows uint64
}

// NewReader reads the header.
func NewReader(r io.Reader) (*Reader, error) {
	b := &Reader{in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	first := make([]byte, len(magic))
	if err := b.read(first); err != nil || string(first) != magic {
		return nil, ErrFormat
	}
	raw, err := b.bytes(maxHeader)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &b.Header); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return b, nil
}

// Next returns a row, or a nil key behind the last one, once the checksum has been
// found to be right. Until then nothing that was read may be relied on.
func (b *Reader) Next() (key, value []byte, err error) {
	if key, err = b.bytes(maxKey); err != nil {
		return nil, nil, err
	}
	if len(key) == 0 {
		return nil, nil, b.end()
	}
	b.rows++
	value, err = b.bytes(maxValue)
	return key, value, err
}

func (b *Reader) end() error {
	rows, err := b.number()
	if err != nil {
		return err
	}
	want := b.sum.Sum(nil)
	got := make([]byte, sha256.Size)
	if err := b.read(got); err != nil {
		return err
	}
	if rows != b.rows || subtle.ConstantTimeCompare(got, want) != 1 {
		return ErrDamaged
	}
	if _, err := b.in.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows its end", ErrDamaged)
	}
	return nil
}

// read fills p and adds it to the checksum.
func (b *Reader) read(p []byte) error {
	_, err := io.ReadFull(b.in, p)
	b.sum.Write(p)
	return cut(err)
}

func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrDamaged
	}
	return err
}

func (b *Reader) number() (uint64, error) {
	n, err := binary.ReadUvarint(b.in)
	if err != nil {
		return 0, errors.Join(ErrDamaged, err)
	}
	b.sum.Write(binary.AppendUvarint(nil, n))
	return n, nil
}

// bytes reads what has its length before it. Memory is taken as bytes arrive, not as
// the length promises.
func (b *Reader) bytes(most uint64) ([]byte, error) {
	n, err := b.number()
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, ErrDamaged
	}
	var out bytes.Buffer
	if _, err := io.CopyN(&out, b.in, int64(n)); err != nil {
		return nil, cut(err)
	}
	b.sum.Write(out.Bytes())
	return out.Bytes(), nil
}
