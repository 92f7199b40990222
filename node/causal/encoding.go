package causal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// ErrBuffer means bytes that are not an encoded Buffer.
var ErrBuffer = errors.New("causal: malformed buffer")

const version = 2

// MarshalBinary returns the buffer for storage:
//
//	version 2 || u64 clock || u16 count || (chain[16] || u32 next || u32 told || said || u64 shown)... ||
//	u16 count || (chain[16] || u32 iteration || said || u64 since || u8 count || (chain[16] || u32 next)...)...
//	said = u64 length || u64 at
//
// with chains in ascending order, those that wait in the order in which they came, and
// times in Unix milliseconds. One buffer has one encoding.
func (b Buffer) MarshalBinary() ([]byte, error) {
	var out cryptobyte.Builder
	out.AddUint8(version)
	out.AddUint64(b.clock)
	out.AddUint16(uint16(len(b.chains)))
	for _, id := range slices.SortedFunc(maps.Keys(b.chains), func(x, y ChainID) int { return slices.Compare(x[:], y[:]) }) {
		c := b.chains[id]
		out.AddBytes(id[:])
		out.AddUint32(c.next)
		out.AddUint32(c.told)
		c.said.marshal(&out)
		out.AddUint64(c.shown)
	}
	out.AddUint16(uint16(len(b.held)))
	for _, h := range b.held {
		out.AddBytes(h.Chain[:])
		out.AddUint32(h.Iteration)
		h.said.marshal(&out)
		out.AddUint64(uint64(h.since.UnixMilli()))
		out.AddUint8(uint8(len(h.after)))
		for _, a := range h.after {
			out.AddBytes(a.Chain[:])
			out.AddUint32(a.Next)
		}
	}
	return out.Bytes()
}

func (s Said) marshal(out *cryptobyte.Builder) {
	out.AddUint64(s.Length)
	out.AddUint64(uint64(s.At.UnixMilli()))
}

func (s *Said) read(in *cryptobyte.String) bool {
	var at uint64
	if !in.ReadUint64(&s.Length) || !in.ReadUint64(&at) {
		return false
	}
	s.At = time.UnixMilli(int64(at))
	return true
}

// Parse undoes MarshalBinary. It returns ErrBuffer.
func Parse(raw []byte) (Buffer, error) {
	in := cryptobyte.String(raw)
	var v uint8
	b := Buffer{}.clone()
	if !in.ReadUint8(&v) || v != version || !in.ReadUint64(&b.clock) {
		return Buffer{}, fmt.Errorf("%w: version", ErrBuffer)
	}
	if !b.readChains(&in) {
		return Buffer{}, fmt.Errorf("%w: chains", ErrBuffer)
	}
	if !b.readHeld(&in) || !in.Empty() {
		return Buffer{}, fmt.Errorf("%w: what waits", ErrBuffer)
	}
	return b, nil
}

func (b *Buffer) readChains(in *cryptobyte.String) bool {
	var count uint16
	if !in.ReadUint16(&count) {
		return false
	}
	var last ChainID
	for i := range count {
		var id ChainID
		var c chain
		if !in.CopyBytes(id[:]) || !in.ReadUint32(&c.next) || !in.ReadUint32(&c.told) || !c.said.read(in) || !in.ReadUint64(&c.shown) {
			return false
		}
		if i > 0 && slices.Compare(id[:], last[:]) <= 0 {
			return false
		}
		b.chains[id], last = c, id
	}
	return true
}

func (b *Buffer) readHeld(in *cryptobyte.String) bool {
	var count uint16
	if !in.ReadUint16(&count) {
		return false
	}
	for range count {
		var h held
		var since uint64
		var after uint8
		if !in.CopyBytes(h.Chain[:]) || !in.ReadUint32(&h.Iteration) || !h.said.read(in) || !in.ReadUint64(&since) || !in.ReadUint8(&after) {
			return false
		}
		h.since = time.UnixMilli(int64(since))
		for range after {
			var a After
			if !in.CopyBytes(a.Chain[:]) || !in.ReadUint32(&a.Next) {
				return false
			}
			h.after = append(h.after, a)
		}
		b.held = append(b.held, h)
	}
	return true
}
