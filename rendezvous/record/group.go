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
	CreateGroup GroupOp = 1
	JoinGroup   GroupOp = 2
	Rekey       GroupOp = 3
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
	// Commitment fixes the epoch secret that this statement starts
	// (CreateGroup and Rekey): a hash that a member checks what it is sent
	// against. Zero in JoinGroup.
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
	members    map[Account]uint64 // the number of the statement that let them in
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
	if (s.Commitment == Hash{}) != (s.Op == JoinGroup) {
		return c, fmt.Errorf("%w: an epoch's commitment is missing or out of place", ErrRule)
	}
	switch _, member := c.members[s.Actor]; {
	case s.Op == CreateGroup && c.length == 0:
		next.id, next.name = s.Group, s.Name
		next.epoch, next.commitment = 1, s.Commitment
		next.members = map[Account]uint64{s.Actor: 0}
	case s.Op == JoinGroup && c.length > 0 && !member && len(c.members) < MaxMembers:
		next.members = maps.Clone(c.members)
		next.members[s.Actor] = s.Seq
	case s.Op == Rekey && member:
		next.epoch, next.commitment = c.epoch+1, s.Commitment
	default:
		return c, fmt.Errorf("%w: operation %d by %s", ErrRule, s.Op, s.Actor)
	}
	return next, nil
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

// Members returns the accounts in the group, sorted.
func (c Chain) Members() []Account { return slices.Sorted(maps.Keys(c.members)) }

// Next returns the statement that would follow, for the caller to complete and
// sign.
func (c Chain) Next(op GroupOp, actor Account, device peer.ID, now time.Time) Statement {
	return Statement{Group: c.id, Seq: c.length, Prev: c.head, Op: op, Actor: actor, Device: device, At: now}
}
