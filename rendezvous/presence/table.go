package presence

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	envelope "github.com/libp2p/go-libp2p/core/record"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// ErrStale is returned for an announcement that is older than what is known of
// the device. The device announces itself again with a newer record.
var ErrStale = fmt.Errorf("presence: a newer record is known: %w", wire.ErrConflict)

// Presence is what one device announced, or that it withdrew.
type Presence struct {
	Account record.Account
	Device  peer.ID
	Seq     uint64    // of the peer record
	Record  []byte    // signed peer record; nil once withdrawn
	Until   time.Time // when it ends by itself
}

// Outcome says what an announcement changed.
type Outcome int

// The outcomes of an announcement that was taken.
const (
	// Renewed: nothing is new but how long it stands.
	Renewed Outcome = iota
	// Changed: the device came, moved or left, and watchers want to know.
	Changed
)

// Table is who is where: pure soft state, the newest record of each device
// wins. It is not safe for concurrent use; Gossip serialises the calls.
type Table struct {
	devices  map[peer.ID]*Presence
	accounts map[record.Account][]*Presence
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{devices: make(map[peer.ID]*Presence), accounts: make(map[record.Account][]*Presence)}
}

// ParseRecord checks a signed libp2p peer record (RFC 0003 in an RFC 0002
// envelope, at most wire.MaxPeerRecord bytes): its signature, and that the
// signer is the peer that it speaks of. It returns wire.ErrTooLarge or
// wire.ErrBadRequest.
func ParseRecord(signed []byte) (*peer.PeerRecord, error) {
	if len(signed) > wire.MaxPeerRecord {
		return nil, fmt.Errorf("peer record of %d bytes: %w", len(signed), wire.ErrTooLarge)
	}
	var r peer.PeerRecord
	e, err := envelope.ConsumeTypedEnvelope(signed, &r)
	if err != nil {
		return nil, fmt.Errorf("peer record: %w", errors.Join(wire.ErrBadRequest, err))
	}
	if !r.PeerID.MatchesPublicKey(e.PublicKey) {
		return nil, fmt.Errorf("peer record signed by another peer: %w", wire.ErrBadRequest)
	}
	return &r, nil
}

// Announce takes a device's signed peer record, which then stands for left. The
// caller has checked that the device is the account's. It returns ErrStale, the
// errors of ParseRecord, or wire.ErrFull.
func (t *Table) Announce(account record.Account, device peer.ID, signed []byte, now time.Time, left time.Duration) (Presence, Outcome, error) {
	until := now.Add(min(left, wire.PresenceLifetime))
	known := t.devices[device]
	if known != nil && known.Account == account && bytes.Equal(known.Record, signed) {
		// The same bytes were verified when they came first.
		known.Until = later(known.Until, until)
		return *known, Renewed, nil
	}
	r, err := ParseRecord(signed)
	if err != nil {
		return Presence{}, 0, err
	}
	if r.PeerID != device {
		return Presence{}, 0, fmt.Errorf("peer record of another device: %w", wire.ErrBadRequest)
	}
	if known != nil && known.Until.After(now) && r.Seq <= known.Seq {
		return Presence{}, 0, ErrStale
	}
	p := Presence{Account: account, Device: device, Seq: r.Seq, Record: bytes.Clone(signed), Until: until}
	if err := t.put(p); err != nil {
		return Presence{}, 0, err
	}
	return p, Changed, nil
}

// Withdraw marks a device as gone, unless something newer than seq is known. The
// mark stays for left, so that a copy of the old record that is still under way
// between servers does not bring the device back.
func (t *Table) Withdraw(account record.Account, device peer.ID, seq uint64, now time.Time, left time.Duration) (Presence, Outcome) {
	p := Presence{Account: account, Device: device, Seq: seq, Until: now.Add(min(left, wire.PresenceLifetime))}
	outcome := Renewed // a mark for a device that nobody here has heard of changes nothing for watchers
	if known := t.devices[device]; known != nil {
		if known.Seq > seq || known.Seq == seq && known.Record == nil {
			return *known, Renewed
		}
		if known.Record != nil {
			outcome = Changed
		}
	}
	if t.put(p) != nil {
		return p, Renewed // no room for the mark: then the record ends by itself
	}
	return p, outcome
}

// Find returns the signed peer records of an account's devices.
func (t *Table) Find(account record.Account, now time.Time) [][]byte {
	var found [][]byte
	for _, p := range t.accounts[account] {
		if p.Record != nil && p.Until.After(now) {
			found = append(found, p.Record)
		}
	}
	return found
}

// Of returns what is known of one device.
func (t *Table) Of(device peer.ID) (Presence, bool) {
	if p, ok := t.devices[device]; ok {
		return *p, true
	}
	return Presence{}, false
}

// All returns everything that stands, withdrawals included, in no order.
func (t *Table) All(now time.Time) []Presence {
	all := make([]Presence, 0, len(t.devices))
	for _, p := range t.devices {
		if p.Until.After(now) {
			all = append(all, *p)
		}
	}
	return all
}

// Len returns the number of devices in the table.
func (t *Table) Len() int { return len(t.devices) }

// Expire throws out what has ended.
func (t *Table) Expire(now time.Time) {
	for _, p := range t.devices {
		if !p.Until.After(now) {
			t.drop(p)
		}
	}
}

func (t *Table) put(p Presence) error {
	if known := t.devices[p.Device]; known != nil {
		t.drop(known)
	} else if len(t.devices) >= maxDevices {
		return fmt.Errorf("presence: %d devices: %w", len(t.devices), wire.ErrFull)
	}
	if mates := t.accounts[p.Account]; len(mates) >= maxPerAccount {
		t.drop(slices.MinFunc(mates, func(a, b *Presence) int { return a.Until.Compare(b.Until) }))
	}
	t.devices[p.Device] = &p
	t.accounts[p.Account] = append(t.accounts[p.Account], &p)
	return nil
}

func (t *Table) drop(p *Presence) {
	delete(t.devices, p.Device)
	mates := slices.DeleteFunc(t.accounts[p.Account], func(m *Presence) bool { return m == p })
	if len(mates) == 0 {
		delete(t.accounts, p.Account)
	} else {
		t.accounts[p.Account] = mates
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
