package group

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/crypto/cryptobyte"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// ErrAcks means bytes that are not encoded Acks.
var ErrAcks = errors.New("group: malformed acknowledgements")

// MaxAckChains bounds the own chains whose messages are not everywhere yet. Each leave
// begins another one; those that are given up are the oldest.
const MaxAckChains = 64

// Acks is who has what of that which this device has said to a group, chain by chain.
// It grows with the devices, not with the messages. It is a value: no call changes one.
type Acks struct{ chains []ackChain }

// ackChain is one of this device's sender chains.
type ackChain struct {
	id      chainID
	first   uint32      // all before it are with every device, or were never sent
	next    uint32      // the number of the next message
	reached uint32      // all before it are with a device of another account
	stored  uint32      // all before it are with every device or with the servers, as Kept has told
	devices []ackDevice // in ascending order of device
}

// ackDevice is a device that a chain's messages are for.
type ackDevice struct {
	Member
	next    uint32   // it has no message from this one on,
	missing []uint32 // nor these before it, ascending
	stored  uint32   // the servers keep all before it, as far as it lacks them
}

// Place is a message's place in one of this device's chains.
type Place struct {
	Chain     [16]byte
	Iteration uint32
}

// Range is the messages of a chain from one number up to, and without, another.
type Range struct {
	Chain    [16]byte
	From, To uint32
}

func (d ackDevice) has(n uint32) bool {
	_, missing := slices.BinarySearch(d.missing, n)
	return n < d.next && !missing
}

// covered tells whether the device has a message, or the servers keep it for it.
func (d ackDevice) covered(n uint32) bool { return n < d.stored || d.has(n) }

// until is the first message that the device lacks.
func (d ackDevice) until() uint32 {
	if len(d.missing) > 0 {
		return d.missing[0]
	}
	return d.next
}

// coveredUntil is the first message that neither the device has nor the servers for it.
func (d ackDevice) coveredUntil() uint32 {
	if i, _ := slices.BinarySearch(d.missing, d.stored); i < len(d.missing) {
		return d.missing[i]
	}
	return max(d.stored, d.next)
}

// Sent notes a message that has just been sealed for some devices: the chain's next
// one. Devices that it is not for are waited for no longer.
func (a Acks) Sent(at Place, to []Member) Acks {
	a = a.clone()
	i := slices.IndexFunc(a.chains, func(c ackChain) bool { return c.id == at.Chain })
	if i < 0 {
		n := at.Iteration
		a.chains = append(a.chains, ackChain{id: at.Chain, first: n, next: n, reached: n, stored: n})
		if len(a.chains) > MaxAckChains {
			a.chains = a.chains[1:]
		}
		i = len(a.chains) - 1
	}
	c := &a.chains[i]
	c.next = at.Iteration + 1
	devices := make([]ackDevice, 0, len(to))
	for _, m := range to {
		d := ackDevice{Member: m, next: at.Iteration, stored: at.Iteration}
		if j, known := c.find(m.Device); known {
			d = c.devices[j]
		}
		devices = append(devices, d)
	}
	slices.SortFunc(devices, func(x, y ackDevice) int { return cmp.Compare(x.Device, y.Device) })
	c.devices = devices
	return a
}

func (c *ackChain) find(device peer.ID) (int, bool) {
	return slices.BinarySearchFunc(c.devices, device, func(d ackDevice, device peer.ID) int { return cmp.Compare(d.Device, device) })
}

// Keep leaves out the devices that need nothing more: of accounts that are no members
// any more, or revoked.
func (a Acks) Keep(stays func(Member) bool) Acks {
	a = a.clone()
	for i := range a.chains {
		a.chains[i].devices = slices.DeleteFunc(a.chains[i].devices, func(d ackDevice) bool { return !stays(d.Member) })
	}
	return a
}

// Has notes what a device says it has. changed is false if all of it was known.
func (a Acks) Has(device peer.ID, have []wire.Have) (_ Acks, changed bool) {
	a = a.clone()
	for _, h := range have {
		for i := range a.chains {
			c := &a.chains[i]
			j, known := c.find(device)
			if c.id != h.Chain || !known {
				continue
			}
			h.Next = min(h.Next, c.next) // it cannot have what has not been said
			if d := c.devices[j].with(h); d.next != c.devices[j].next || len(d.missing) != len(c.devices[j].missing) {
				c.devices[j], changed = d, true
			}
		}
	}
	return a, changed
}

// with adds what a device has. What it once had it does not lose.
func (d ackDevice) with(h wire.Have) ackDevice {
	lacks := func(n uint32) bool {
		_, missing := slices.BinarySearch(h.Missing, n)
		return n >= h.Next || missing
	}
	var missing []uint32
	for _, n := range d.missing {
		if lacks(n) {
			missing = append(missing, n)
		}
	}
	for _, n := range h.Missing {
		if n >= d.next && n < h.Next {
			missing = append(missing, n)
		}
	}
	d.missing, d.next = missing, max(d.next, h.Next)
	return d.bounded()
}

// bounded forgets what a device has behind more than maxAckMissing messages that it
// lacks.
func (d ackDevice) bounded() ackDevice {
	if len(d.missing) > maxAckMissing {
		d.next, d.missing = d.missing[maxAckMissing], d.missing[:maxAckMissing]
	}
	return d
}

// HasOne notes that a device has one message.
func (a Acks) HasOne(device peer.ID, at Place) (_ Acks, changed bool) {
	i := slices.IndexFunc(a.chains, func(c ackChain) bool { return c.id == at.Chain })
	if i < 0 {
		return a, false
	}
	j, known := a.chains[i].find(device)
	if !known || at.Iteration >= a.chains[i].next || a.chains[i].devices[j].has(at.Iteration) {
		return a, false
	}
	a = a.clone()
	d := &a.chains[i].devices[j]
	if n, missing := slices.BinarySearch(d.missing, at.Iteration); missing {
		d.missing = slices.Delete(slices.Clone(d.missing), n, n+1)
		return a, true
	}
	if at.Iteration < d.next {
		return a, false // from before it was addressed
	}
	for n := d.next; n < at.Iteration; n++ {
		d.missing = append(d.missing, n)
	}
	d.next = at.Iteration + 1
	*d = d.bounded()
	return a, true
}

// Settled returns the messages that have come to be with every device since it was
// last called, and forgets them.
func (a Acks) Settled() (Acks, []Range) {
	a = a.clone()
	var settled []Range
	for i := range a.chains {
		c := &a.chains[i]
		until := c.next
		for _, d := range c.devices {
			until = min(until, d.until())
		}
		if until > c.first {
			settled = append(settled, Range{c.id, c.first, until})
			c.first = until
		}
	}
	last := len(a.chains) - 1
	done := func(c ackChain) bool { return c.first == c.next && c.id != a.chains[last].id }
	a.chains = slices.DeleteFunc(a.chains, done)
	return a, settled
}

// Reached returns the messages that have come to be with a device of another account
// since it was last called; where there is none, with any device.
func (a Acks) Reached(self record.Account) (Acks, []Range) {
	a = a.clone()
	var reached []Range
	for i := range a.chains {
		c := &a.chains[i]
		alone := !slices.ContainsFunc(c.devices, func(d ackDevice) bool { return d.Account != self })
		until := c.reached
		if len(c.devices) == 0 {
			until = c.next
		}
		for _, d := range c.devices {
			if alone || d.Account != self {
				until = max(until, d.until())
			}
		}
		if until > c.reached {
			reached = append(reached, Range{c.id, c.reached, until})
			c.reached = until
		}
	}
	return a, reached
}

// ToStore is a message that the servers are to keep for some devices.
type ToStore struct {
	Place
	For []peer.ID
}

// ToStore returns up to limit messages, in order, that the servers are to keep for
// those devices which are due.
func (a Acks) ToStore(due func(Member) bool, limit int) (letters []ToStore) {
	for _, c := range a.chains {
		devices := slices.DeleteFunc(slices.Clone(c.devices), func(d ackDevice) bool { return !due(d.Member) })
		from := c.next
		for _, d := range devices {
			from = min(from, d.coveredUntil())
		}
		for n := from; n < c.next && len(letters) < limit; n++ {
			l := ToStore{Place: Place{c.id, n}}
			for _, d := range devices {
				if !d.covered(n) {
					l.For = append(l.For, d.Device)
				}
			}
			if len(l.For) > 0 {
				letters = append(letters, l)
			}
		}
	}
	return letters
}

// Stored notes that the servers keep messages, as ToStore returned them.
func (a Acks) Stored(letters []ToStore) Acks {
	a = a.clone()
	for _, l := range letters {
		for i := range a.chains {
			c := &a.chains[i]
			if c.id != l.Chain {
				continue
			}
			for _, device := range l.For {
				if j, known := c.find(device); known {
					c.devices[j].stored = max(c.devices[j].stored, l.Iteration+1)
				}
			}
		}
	}
	return a
}

// Kept returns the messages that have come to be with every device or with the servers
// for it since it was last called, without those that are with every device. Which of
// the two is the last to be known of a message is chance: the servers' word that they
// keep it for one device, or another device's that it has it.
func (a Acks) Kept() (Acks, []Range) {
	a = a.clone()
	var kept []Range
	for i := range a.chains {
		c := &a.chains[i]
		until, everywhere := c.next, c.next
		for _, d := range c.devices {
			until = min(until, d.coveredUntil())
			everywhere = min(everywhere, d.until())
		}
		if from := max(c.stored, c.first, everywhere); until > from {
			kept = append(kept, Range{c.id, from, until})
		}
		c.stored = max(c.stored, until)
	}
	return a, kept
}

// Waits returns, for each device that lacks something, the first message that it lacks
// of the oldest chain.
func (a Acks) Waits() map[peer.ID]Place {
	waits := make(map[peer.ID]Place)
	for _, c := range a.chains {
		for _, d := range c.devices {
			if _, known := waits[d.Device]; !known && d.until() < c.next {
				waits[d.Device] = Place{c.id, d.until()}
			}
		}
	}
	return waits
}

// Uncovered reports whether some message is neither everywhere nor with the servers.
func (a Acks) Uncovered() bool {
	return slices.ContainsFunc(a.chains, func(c ackChain) bool {
		return slices.ContainsFunc(c.devices, func(d ackDevice) bool { return d.coveredUntil() < c.next })
	})
}

// Of returns which devices have a message and which do not, of those it was for. ok is
// false if nothing is known of it any more, because it is everywhere.
func (a Acks) Of(at Place) (has, lacks []Member, ok bool) {
	for _, c := range a.chains {
		if c.id != at.Chain || at.Iteration < c.first || at.Iteration >= c.next {
			continue
		}
		for _, d := range c.devices {
			if d.has(at.Iteration) {
				has = append(has, d.Member)
			} else {
				lacks = append(lacks, d.Member)
			}
		}
		return has, lacks, true
	}
	return nil, nil, false
}

func (a Acks) clone() Acks {
	chains := slices.Clone(a.chains)
	for i := range chains {
		chains[i].devices = slices.Clone(chains[i].devices)
	}
	return Acks{chains}
}

// MarshalBinary returns the acknowledgements for storage:
//
//	u16 count || (chain[16] || u32 first || next || reached || stored || u16 count || device...)...
//	device = member || u32 next || stored || u16 count || u32 missing...
//
// with members as in State. What it encodes is no secret beyond who is in the group.
func (a Acks) MarshalBinary() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16(uint16(len(a.chains)))
	for _, c := range a.chains {
		b.AddBytes(c.id[:])
		for _, n := range []uint32{c.first, c.next, c.reached, c.stored} {
			b.AddUint32(n)
		}
		b.AddUint16(uint16(len(c.devices)))
		for _, d := range c.devices {
			d.Member.marshal(&b)
			b.AddUint32(d.next)
			b.AddUint32(d.stored)
			b.AddUint16(uint16(len(d.missing)))
			for _, n := range d.missing {
				b.AddUint32(n)
			}
		}
	}
	return b.Bytes()
}

// maxAckMissing bounds the single messages that are remembered as missing at a device,
// as one request of its own names them.
const maxAckMissing = wire.MaxMissing

// ParseAcks undoes MarshalBinary. It returns ErrAcks.
func ParseAcks(b []byte) (Acks, error) {
	in := cryptobyte.String(b)
	var a Acks
	var chains uint16
	if !in.ReadUint16(&chains) || chains > MaxAckChains {
		return Acks{}, fmt.Errorf("%w: chains", ErrAcks)
	}
	for range chains {
		c, ok := readAckChain(&in)
		if !ok {
			return Acks{}, fmt.Errorf("%w: chain", ErrAcks)
		}
		a.chains = append(a.chains, c)
	}
	if !in.Empty() {
		return Acks{}, fmt.Errorf("%w: end", ErrAcks)
	}
	return a, nil
}

func readAckChain(in *cryptobyte.String) (c ackChain, ok bool) {
	var devices uint16
	if !in.CopyBytes(c.id[:]) || !in.ReadUint32(&c.first) || !in.ReadUint32(&c.next) ||
		!in.ReadUint32(&c.reached) || !in.ReadUint32(&c.stored) || !in.ReadUint16(&devices) {
		return c, false
	}
	for range devices {
		d, ok := readAckDevice(in)
		if n := len(c.devices); !ok || n > 0 && c.devices[n-1].Device >= d.Device {
			return c, false
		}
		c.devices = append(c.devices, d)
	}
	return c, c.first <= c.next
}

func readAckDevice(in *cryptobyte.String) (d ackDevice, ok bool) {
	var missing uint16
	if d.Member, ok = readMember(in); !ok || !in.ReadUint32(&d.next) || !in.ReadUint32(&d.stored) || !in.ReadUint16(&missing) {
		return d, false
	}
	for range missing {
		var n uint32
		if !in.ReadUint32(&n) || n >= d.next || len(d.missing) > 0 && d.missing[len(d.missing)-1] >= n {
			return d, false
		}
		d.missing = append(d.missing, n)
	}
	return d, int(missing) <= maxAckMissing
}
