package record

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const statementLabel = "tryst membership statement 1"

// GroupOp is what a statement does to its group.
type GroupOp uint8

// The operations of a membership chain.
const (
	CreateGroup  GroupOp = 1
	JoinGroup    GroupOp = 2
	Rekey        GroupOp = 3
	LeaveGroup   GroupOp = 4
	RemoveMember GroupOp = 5
)

// Statement is one link of a group's membership chain. A device of the acting
// account signs it.
type Statement struct {
	Group  GroupID
	Seq    uint64 // 0 for the first
	Prev   Hash   // of the statement before, zero for the first
	Op     GroupOp
	Name   GroupName // of the group; in CreateGroup only
	Actor  Account
	Device peer.ID
	// Subject is who is removed; in RemoveMember only.
	Subject Account
	// Commitment fixes the epoch secret that this statement starts
	// (CreateGroup and Rekey): a hash that a member checks what it is sent
	// against. Zero in all others.
	Commitment Hash
	At         time.Time
}

// Sign returns the statement signed by the acting device's key.
func (s Statement) Sign(device Signer) []byte {
	e := newEncoder(statementLabel)
	e.fixed(s.Group[:])
	e.u64(s.Seq)
	e.fixed(s.Prev[:])
	e.u8(uint8(s.Op))
	e.text(string(s.Name))
	e.text(string(s.Actor))
	e.bytes([]byte(s.Device))
	e.text(string(s.Subject))
	e.fixed(s.Commitment[:])
	e.u64(uint64(s.At.Unix()))
	return seal(e.b, device)
}

// ParseStatement reads a signed statement and checks the signature of the
// device that it names. Whether that device may act for the account, and
// whether the group's rules allow the act, is for Chain.Append.
func ParseStatement(signed []byte) (Statement, error) {
	body, signature, err := split(signed)
	if err != nil {
		return Statement{}, err
	}
	s, err := parseStatement(body)
	if err != nil {
		return Statement{}, err
	}
	return s, verifyDevice(s.Device, body, signature)
}

func parseStatement(body []byte) (Statement, error) {
	d := newDecoder(body, statementLabel)
	var s Statement
	d.fixed(s.Group[:])
	s.Seq = d.u64()
	d.fixed(s.Prev[:])
	s.Op = GroupOp(d.u8())
	if s.Op == CreateGroup {
		s.Name = d.groupName()
	} else if d.text(0) != "" {
		d.fail("only the first statement names the group")
	}
	s.Actor = d.account()
	s.Device = d.peer()
	if s.Op == RemoveMember {
		s.Subject = d.account()
	} else if d.text(0) != "" {
		d.fail("only a removal names another account")
	}
	d.fixed(s.Commitment[:])
	s.At = time.Unix(int64(d.u64()), 0).UTC()
	return s, d.end()
}

// Chain is a group's verified membership chain. The zero value is empty; its
// first statement must be CreateGroup.
type Chain struct {
	id         GroupID
	name       GroupName
	head       Hash
	length     uint64
	epoch      uint64 // 1 after CreateGroup, one more with each Rekey
	commitment Hash
	members    map[Account]uint64   // the number of the statement that let them in
	removed    map[Account]struct{} // who may not join again
	lapsed     bool                 // somebody who is no member any more knows the epoch's secret
}

// VerifyChain checks a whole chain from its first statement. acts reports
// whether a device acts, or has acted, for an account: the chain does not say
// when a device was revoked, so servers refuse revoked devices as they append
// and readers accept what was appended.
func VerifyChain(signed [][]byte, acts func(Account, peer.ID) bool) (Chain, error) {
	var c Chain
	for i, raw := range signed {
		var err error
		if c, err = c.Append(raw, acts); err != nil {
			return Chain{}, fmt.Errorf("membership chain, statement %d: %w", i, err)
		}
	}
	return c, nil
}

// Append returns the chain with one more signed statement. The receiver is not
// changed. It returns ErrMalformed, ErrSignature, ErrChain for a statement that
// does not follow the head, ErrRule for one that the group does not allow, or
// ErrTooLong.
func (c Chain) Append(signed []byte, acts func(Account, peer.ID) bool) (Chain, error) {
	s, err := ParseStatement(signed)
	if err != nil {
		return c, err
	}
	if !acts(s.Actor, s.Device) {
		return c, fmt.Errorf("%w: the device does not act for %s", ErrRule, s.Actor)
	}
	if s.Seq != c.length || s.Prev != c.head || (c.length > 0 && s.Group != c.id) {
		return c, ErrChain
	}
	if c.length >= MaxChain {
		return c, ErrTooLong
	}
	next := c
	next.head, next.length = HashOf(signed), c.length+1
	if (s.Commitment != Hash{}) != (s.Op == CreateGroup || s.Op == Rekey) {
		return c, fmt.Errorf("%w: an epoch's commitment is missing or out of place", ErrRule)
	}
	if !c.allows(s) {
		return c, fmt.Errorf("%w: operation %d by %s", ErrRule, s.Op, s.Actor)
	}
	switch s.Op {
	case CreateGroup:
		next.id, next.name = s.Group, s.Name
		next.epoch, next.commitment = 1, s.Commitment
		next.members = map[Account]uint64{s.Actor: 0}
	case JoinGroup:
		next.members = maps.Clone(c.members)
		next.members[s.Actor] = s.Seq
	case Rekey:
		next.epoch, next.commitment, next.lapsed = c.epoch+1, s.Commitment, false
	case LeaveGroup:
		next.members, next.lapsed = without(c.members, s.Actor), true
	case RemoveMember:
		next.members, next.lapsed = without(c.members, s.Subject), true
		next.removed = maps.Clone(c.removed)
		if next.removed == nil {
			next.removed = make(map[Account]struct{})
		}
		next.removed[s.Subject] = struct{}{}
	}
	return next, nil
}

// allows tells whether a group's rules let a statement follow. Anybody may join who
// was not removed, members may leave and start epochs, and the keeper may remove.
func (c Chain) allows(s Statement) bool {
	_, removed := c.removed[s.Actor]
	switch s.Op {
	case CreateGroup:
		return c.length == 0
	case JoinGroup:
		return c.length > 0 && !c.Member(s.Actor) && !removed && len(c.members) < MaxMembers
	case Rekey, LeaveGroup:
		return c.Member(s.Actor)
	case RemoveMember:
		keeper, ok := c.Keeper()
		return ok && s.Actor == keeper && s.Subject != keeper && c.Member(s.Subject) && len(c.removed) < MaxRemoved
	default:
		return false
	}
}

func without(members map[Account]uint64, a Account) map[Account]uint64 {
	members = maps.Clone(members)
	delete(members, a)
	return members
}

// ID returns the group's ID, Name its name.
func (c Chain) ID() GroupID { return c.id }

// Name returns the group's name.
func (c Chain) Name() GroupName { return c.name }

// Len returns the number of statements.
func (c Chain) Len() uint64 { return c.length }

// Head returns the hash of the last statement, zero for an empty chain.
func (c Chain) Head() Hash { return c.head }

// Epoch returns the number of the current epoch, 1 for the first.
func (c Chain) Epoch() uint64 { return c.epoch }

// Commitment returns what the current epoch's secret must hash to.
func (c Chain) Commitment() Hash { return c.commitment }

// Member reports whether an account is in the group.
func (c Chain) Member(a Account) bool {
	_, ok := c.members[a]
	return ok
}

// Since returns the number of the statement by which a member has joined, or created
// the group.
func (c Chain) Since(a Account) (seq uint64, ok bool) {
	seq, ok = c.members[a]
	return seq, ok
}

// Members returns the accounts in the group, sorted.
func (c Chain) Members() []Account { return slices.Sorted(maps.Keys(c.members)) }

// Keeper returns the member who may remove others: the one who has been in the group
// the longest, its founder at first. There is none in a group that all have left.
func (c Chain) Keeper() (keeper Account, ok bool) {
	for member, since := range c.members {
		if !ok || since < c.members[keeper] {
			keeper, ok = member, true
		}
	}
	return keeper, ok
}

// Removed reports whether an account was removed, so that it may not join again.
func (c Chain) Removed(a Account) bool {
	_, removed := c.removed[a]
	return removed
}

// Lapsed reports that somebody has left, or was removed, since the epoch began: they
// know its secret, and a new one is due.
func (c Chain) Lapsed() bool { return c.lapsed }

// Next returns the statement that would follow, for the caller to complete and
// sign.
func (c Chain) Next(op GroupOp, actor Account, device peer.ID, now time.Time) Statement {
	return Statement{Group: c.id, Seq: c.length, Prev: c.head, Op: op, Actor: actor, Device: device, At: now}
}
