package record

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Chain is a group's verified membership chain. The zero value is empty; its
// first statement must be CreateGroup.
//
// A group that has members has an admin: who created it at first, and whoever admins
// make one. When the last has left, the member who has been in it the longest becomes
// one. Admins invite, remove members and withdraw invitations, and make admins;
// removal is how one ceases to be. Into an open group anybody may join who was not
// removed, into a private one only who is invited; the join uses the invitation up,
// and whoever was removed may come back with one.
//
// There is always room for everybody in the chain to go: length, members and open
// invitations together are at most MaxChain.
type Chain struct {
	id         GroupID
	name       GroupName
	settings   Settings
	head       Hash
	length     uint64
	epoch      uint64 // 1 after CreateGroup, one more with each Rekey
	commitment Hash
	members    map[Account]uint64     // the number of the statement that let them in
	admins     map[Account]struct{}   // some of the members
	invited    map[Account]Invitation // none of the members
	removed    map[Account]struct{}   // who may not join again uninvited
	lapsed     bool                   // somebody who is no member any more knows the epoch's secret
}

// Invitation is who invited somebody, and by which statement.
type Invitation struct {
	By  Account
	Seq uint64
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
// does not follow the head, ErrRule for one that the group does not allow, ErrFull
// for one that would if fewer were in the group or invited, or ErrTooLong.
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
	if (s.Commitment != Hash{}) != (s.Op == CreateGroup || s.Op == Rekey) {
		return c, fmt.Errorf("%w: an epoch's commitment is missing or out of place", ErrRule)
	}
	if !c.allows(s) {
		return c, fmt.Errorf("%w: operation %d by %s", ErrRule, s.Op, s.Actor)
	}
	next := c.after(s)
	next.head, next.length = HashOf(signed), c.length+1
	switch {
	case len(next.members) > MaxMembers:
		return c, fmt.Errorf("%w: at most %d members", ErrFull, MaxMembers)
	case len(next.invited) > MaxInvited:
		return c, fmt.Errorf("%w: at most %d open invitations", ErrFull, MaxInvited)
	case next.length+next.toGo() > MaxChain:
		return c, ErrTooLong
	}
	return next, nil
}

// toGo is how many statements it takes until nobody is in the group or invited.
func (c Chain) toGo() uint64 { return uint64(len(c.members) + len(c.invited)) }

// allows tells whether a group's rules let a statement follow, its limits aside.
func (c Chain) allows(s Statement) bool {
	switch s.Op {
	case CreateGroup:
		return c.length == 0
	case JoinGroup:
		return c.length > 0 && !c.Member(s.Actor) && c.welcomes(s.Actor)
	case Rekey, LeaveGroup:
		return c.Member(s.Actor)
	case RemoveMember:
		return c.Admin(s.Actor) && s.Subject != s.Actor && (c.Member(s.Subject) || c.Invited(s.Subject))
	case Invite:
		return c.Admin(s.Actor) && !c.Member(s.Subject) && !c.Invited(s.Subject)
	case MakeAdmin:
		return c.Admin(s.Actor) && c.Member(s.Subject) && !c.Admin(s.Subject)
	default:
		return false
	}
}

// welcomes tells whether an account that is no member may become one.
func (c Chain) welcomes(a Account) bool {
	return c.Invited(a) || !c.settings.Private && !c.Removed(a)
}

// after returns the chain with what a statement does that allows lets pass.
func (c Chain) after(s Statement) Chain {
	switch s.Op {
	case CreateGroup:
		c.id, c.name, c.settings = s.Group, s.Name, s.Settings
		c.epoch, c.commitment = 1, s.Commitment
		c.members = with(c.members, s.Actor, s.Seq)
	case JoinGroup:
		c.members = with(c.members, s.Actor, s.Seq)
		c.invited, c.removed = without(c.invited, s.Actor), without(c.removed, s.Actor)
	case Rekey:
		c.epoch, c.commitment, c.lapsed = c.epoch+1, s.Commitment, false
	case LeaveGroup:
		c = c.outWith(s.Actor)
	case RemoveMember:
		c = c.outWith(s.Subject)
		c.removed = with(c.removed, s.Subject, struct{}{})
	case Invite:
		c.invited = with(c.invited, s.Subject, Invitation{By: s.Actor, Seq: s.Seq})
	case MakeAdmin:
		c.admins = with(c.admins, s.Subject, struct{}{})
	}
	if longest, ok := c.longest(); ok && len(c.admins) == 0 {
		c.admins = with(c.admins, longest, struct{}{})
	}
	return c
}

// outWith ends a membership or an invitation.
func (c Chain) outWith(a Account) Chain {
	c.lapsed = c.lapsed || c.Member(a)
	c.members, c.admins, c.invited = without(c.members, a), without(c.admins, a), without(c.invited, a)
	return c
}

// longest returns the member who has been in the group the longest. There is none in
// a group that all have left.
func (c Chain) longest() (longest Account, ok bool) {
	for member, since := range c.members {
		if !ok || since < c.members[longest] {
			longest, ok = member, true
		}
	}
	return longest, ok
}

// with returns a copy of a map with one entry more, without one with one less.
func with[V any](m map[Account]V, a Account, v V) map[Account]V {
	next := make(map[Account]V, len(m)+1)
	maps.Copy(next, m)
	next[a] = v
	return next
}

func without[V any](m map[Account]V, a Account) map[Account]V {
	if _, has := m[a]; !has {
		return m
	}
	m = maps.Clone(m)
	delete(m, a)
	return m
}

// ID returns the group's ID, Name its name.
func (c Chain) ID() GroupID { return c.id }

// Name returns the group's name.
func (c Chain) Name() GroupName { return c.name }

// Settings returns what the first statement fixed.
func (c Chain) Settings() Settings { return c.settings }

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

// Since returns the number of the statement that made an account a member.
func (c Chain) Since(a Account) (seq uint64, ok bool) {
	seq, ok = c.members[a]
	return seq, ok
}

// Members returns the accounts in the group, sorted.
func (c Chain) Members() []Account { return slices.Sorted(maps.Keys(c.members)) }

// Admin reports whether an account is a member who may invite and remove others and
// make admins.
func (c Chain) Admin(a Account) bool {
	_, ok := c.admins[a]
	return ok
}

// Admins returns the admins, sorted.
func (c Chain) Admins() []Account { return slices.Sorted(maps.Keys(c.admins)) }

// Invited reports whether an invitation of an account is open.
func (c Chain) Invited(a Account) bool {
	_, ok := c.invited[a]
	return ok
}

// Invitations returns the open invitations. The map is the caller's.
func (c Chain) Invitations() map[Account]Invitation { return maps.Clone(c.invited) }

// Removed reports whether an account was removed, so that it may not join again
// without an invitation.
func (c Chain) Removed(a Account) bool {
	_, removed := c.removed[a]
	return removed
}

// Shows reports whether an account may know of the group and see this chain.
func (c Chain) Shows(a Account) bool {
	return !c.settings.Private || c.Member(a) || c.Invited(a)
}

// Lapsed reports that somebody has left, or was removed, since the epoch began: they
// know its secret, and a new one is due.
func (c Chain) Lapsed() bool { return c.lapsed }

// Full reports that nothing can follow any more but that members go: the rest of the
// chain is kept for that.
func (c Chain) Full() bool { return c.length+1+c.toGo() > MaxChain }

// Next returns the statement that would follow, for the caller to complete and
// sign.
func (c Chain) Next(op GroupOp, actor Account, device peer.ID, now time.Time) Statement {
	return Statement{Group: c.id, Seq: c.length, Prev: c.head, Op: op, Actor: actor, Device: device, At: now}
}
