package record

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The canonical encoding: the label and every field of variable size are
// preceded by their length in 4 bytes, integers take 8 bytes, both big endian.
// There are no optional fields and no padding, so that a value has exactly one
// encoding, and a decoder that has read all fields must stand at the end.

// ErrMalformed is returned for bytes that are not the canonical encoding of
// the record that was asked for.
var ErrMalformed = errors.New("record: malformed")

// ErrSignature is returned for a record whose signature does not verify.
var ErrSignature = errors.New("record: wrong signature")

type encoder struct{ b []byte }

func newEncoder(label string) *encoder {
	e := &encoder{}
	e.text(label)
	return e
}

func (e *encoder) bytes(b []byte) {
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(len(b)))
	e.b = append(e.b, b...)
}

func (e *encoder) text(s string)  { e.bytes([]byte(s)) }
func (e *encoder) fixed(b []byte) { e.b = append(e.b, b...) }
func (e *encoder) u64(v uint64)   { e.b = binary.BigEndian.AppendUint64(e.b, v) }
func (e *encoder) u8(v uint8)     { e.b = append(e.b, v) }

// decoder reads what encoder wrote. The first failure sticks, so that a parser
// reads all fields and asks once, at the end.
type decoder struct {
	b   []byte
	err error
}

func newDecoder(b []byte, label string) *decoder {
	d := &decoder{b: b}
	if got := d.text(len(label)); d.err == nil && got != label {
		d.fail("not a " + label)
	}
	return d
}

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrMalformed, why)
	}
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n > len(d.b) {
		d.fail("it ends too early")
		return nil
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) bytes(max int) []byte {
	head := d.take(4)
	if d.err != nil {
		return nil
	}
	n := binary.BigEndian.Uint32(head)
	if uint64(n) > uint64(max) {
		d.fail("a field is too long")
		return nil
	}
	return d.take(int(n))
}

func (d *decoder) text(max int) string { return string(d.bytes(max)) }

func (d *decoder) fixed(dst []byte) { copy(dst, d.take(len(dst))) }

func (d *decoder) u64() uint64 {
	b := d.take(8)
	if d.err != nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func (d *decoder) u8() uint8 {
	b := d.take(1)
	if d.err != nil {
		return 0
	}
	return b[0]
}

func (d *decoder) end() error {
	if d.err == nil && len(d.b) != 0 {
		d.fail("something follows it")
	}
	return d.err
}
