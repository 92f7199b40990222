package record

import (
	"crypto/ed25519"
	"maps"
	"slices"
)

// A verified log or chain can be put away and taken out again without
// verifying every signature anew. Such a state is unsigned: it is for one's own
// store and never for anybody else's word.

const (
	logStateLabel   = "tryst device log state 1"
	chainStateLabel = "tryst membership chain state 2"
)

// State returns the log's state in canonical encoding, at most 11 KB.
func (l DeviceLog) State() []byte {
	e := newEncoder(logStateLabel)
	e.text(string(l.account))
	e.bytes(l.identity)
	e.fixed(l.head[:])
	e.u64(l.length)
	e.u64(uint64(len(l.ever)))
	for _, device := range l.ever {
		e.bytes([]byte(device))
		e.flag(slices.Contains(l.active, device))
	}
	return e.b
}

// RestoreDeviceLog is the reverse of DeviceLog.State. It returns ErrMalformed
// for anything else.
func RestoreDeviceLog(state []byte) (DeviceLog, error) {
	d := newDecoder(state, logStateLabel)
	l := DeviceLog{account: d.account(), identity: slices.Clone(d.bytes(ed25519.PublicKeySize))}
	d.fixed(l.head[:])
	l.length = d.u64()
	for range d.count(MaxDeviceLog) {
		device := d.peer()
		if slices.Contains(l.ever, device) {
			d.fail("a device stands twice")
		}
		l.ever = append(l.ever, device)
		if d.flag() {
			l.active = append(l.active, device)
		}
	}
	if err := d.end(); err != nil {
		return DeviceLog{}, err
	}
	return l, nil
}

// State returns the chain's state in canonical encoding: some 150 bytes, and at most
// 60 a member, 110 an invitation and 52 an account that was removed.
func (c Chain) State() []byte {
	e := newEncoder(chainStateLabel)
	e.fixed(c.id[:])
	e.text(string(c.name))
	e.flag(c.settings.Private)
	e.u64(uint64(c.settings.History))
	e.fixed(c.head[:])
	e.u64(c.length)
	e.u64(c.epoch)
	e.fixed(c.commitment[:])
	e.u64(uint64(len(c.members)))
	for _, member := range c.Members() {
		e.text(string(member))
		e.u64(c.members[member])
		e.flag(c.Admin(member))
	}
	e.u64(uint64(len(c.invited)))
	for _, account := range slices.Sorted(maps.Keys(c.invited)) {
		e.text(string(account))
		e.text(string(c.invited[account].By))
		e.u64(c.invited[account].Seq)
	}
	e.u64(uint64(len(c.removed)))
	for _, account := range slices.Sorted(maps.Keys(c.removed)) {
		e.text(string(account))
	}
	e.flag(c.lapsed)
	return e.b
}

// RestoreChain is the reverse of Chain.State, for chains that have begun. It
// returns ErrMalformed for anything else.
func RestoreChain(state []byte) (Chain, error) {
	d := newDecoder(state, chainStateLabel)
	var c Chain
	d.fixed(c.id[:])
	c.name = d.groupName()
	c.settings = d.settings()
	d.fixed(c.head[:])
	c.length = d.u64()
	c.epoch = d.u64()
	d.fixed(c.commitment[:])
	c.members, c.admins = map[Account]uint64{}, map[Account]struct{}{}
	d.accounts(MaxMembers, func(member Account) {
		c.members[member] = d.u64()
		if d.flag() {
			c.admins[member] = struct{}{}
		}
	})
	c.invited = map[Account]Invitation{}
	d.accounts(MaxInvited, func(account Account) { c.invited[account] = Invitation{By: d.account(), Seq: d.u64()} })
	c.removed = map[Account]struct{}{}
	d.accounts(MaxRemoved, func(account Account) { c.removed[account] = struct{}{} })
	c.lapsed = d.flag()
	if err := d.end(); err != nil {
		return Chain{}, err
	}
	return c, nil
}

// accounts reads up to max accounts in ascending order, each with what rest reads
// after it.
func (d *decoder) accounts(max int, rest func(Account)) {
	var last Account
	for range d.count(max) {
		account := d.account()
		if account <= last {
			d.fail("accounts are not in order")
		}
		last = account
		rest(account)
	}
}

func (e *encoder) flag(v bool) {
	if v {
		e.u8(1)
	} else {
		e.u8(0)
	}
}

func (d *decoder) flag() bool {
	v := d.u8()
	if v > 1 {
		d.fail("a flag is neither 0 nor 1")
	}
	return v == 1
}

// count reads the number of elements that follow. After a failure it is 0, so
// that no loop runs on.
func (d *decoder) count(max int) int {
	n := d.u64()
	if n > uint64(max) {
		d.fail("it has too many elements")
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}
