package group

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

var (
	// ErrNotMember means an account that is not in the group as far as the chain is
	// known here. Fetch the chain and try again.
	ErrNotMember = errors.New("group: not a member")
	// ErrBehind means something of an epoch that the chain here does not have yet.
	// Fetch the chain and try again.
	ErrBehind = errors.New("group: the membership chain here is behind")
	// ErrOver means something of an epoch that is over.
	ErrOver = errors.New("group: the epoch is over")
	// ErrNoSecret means that this device does not have the epoch's secret.
	ErrNoSecret = errors.New("group: the epoch's secret is not here")
	// ErrCommitment means a secret that is not the one that the chain commits to.
	ErrCommitment = errors.New("group: not the secret of this epoch")
	// ErrMember means an account that is in the group already.
	ErrMember = errors.New("group: already a member")
	// ErrRemoved means an account that was removed and may not join again uninvited.
	ErrRemoved = errors.New("group: was removed")
	// ErrNotInvited means an account that is not invited to a private group.
	ErrNotInvited = errors.New("group: not invited")
)

// Member is one device of a member.
type Member struct {
	Account record.Account
	Device  peer.ID
}

// Self is this device, with the device key to sign statements.
type Self struct {
	Member
	Signer record.Signer
}

// Acts reports whether a device acts, or has acted, for an account.
type Acts = func(record.Account, peer.ID) bool

// State is a group at one moment. It holds secrets; the zero value is of no group.
type State struct {
	key.Redacted
	self       Member
	chain      record.Chain
	statements [][]byte // what chain was verified from

	// secret is that of epoch secretEpoch, which is the chain's or, while this
	// device waits for the current one, none (0).
	secret      key.Epoch
	secretEpoch uint64

	// sender is this device's chain in the current epoch, nil until it speaks, and
	// handed the devices that have been given it.
	sender      *senderkey.Sender
	certificate certificate // of sender
	handed      map[peer.ID]struct{}

	receivers map[chainID]receiver
	buffered  []bufferedMessage // oldest first
}

type chainID = [senderkey.ChainIDSize]byte

// receiver is another device's sender chain.
type receiver struct {
	from        Member
	certificate certificate
	chain       *senderkey.Receiver // never changed in place
}

// Create makes a group with this account as its only member: the state, and the
// statement to append at the servers. If they refuse it, forget both.
func Create(name record.GroupName, settings record.Settings, self Self, now time.Time) (State, []byte, error) {
	id, secret := record.NewGroupID(), key.NewEpoch()
	statement := record.Statement{
		Group: id, Op: record.CreateGroup, Name: name, Settings: settings, Actor: self.Account, Device: self.Device,
		Commitment: Commit(secret, id, 1), At: now,
	}.Sign(self.Signer)
	s, err := FromChain([][]byte{statement}, self.acts, self.Member)
	if err != nil {
		return State{}, nil, fmt.Errorf("group: create: %w", err)
	}
	s.secret, s.secretEpoch = secret, 1
	return s, statement, nil
}

// acts is Acts for statements that this device has just signed.
func (m Member) acts(a record.Account, d peer.ID) bool { return a == m.Account && d == m.Device }

// Join returns the statement by which this account joins the group of a chain,
// which it verifies. It returns ErrMember if the account is in it already, and if it
// is not invited ErrRemoved if it was removed, or ErrNotInvited if the group is private.
func Join(statements [][]byte, acts Acts, self Self, now time.Time) ([]byte, error) {
	chain, err := record.VerifyChain(statements, acts)
	if err != nil {
		return nil, fmt.Errorf("group: join: %w", err)
	}
	switch {
	case chain.Member(self.Account):
		return nil, ErrMember
	case chain.Invited(self.Account):
	case chain.Removed(self.Account):
		return nil, ErrRemoved
	case chain.Settings().Private:
		return nil, ErrNotInvited
	}
	return chain.Next(record.JoinGroup, self.Account, self.Device, now).Sign(self.Signer), nil
}

// Leave returns the statement by which this account leaves.
func (s State) Leave(self Self, now time.Time) []byte {
	return s.chain.Next(record.LeaveGroup, self.Account, self.Device, now).Sign(self.Signer)
}

// Remove returns the statement by which this account, an admin, removes another or
// withdraws its invitation.
func (s State) Remove(self Self, who record.Account, now time.Time) []byte {
	return s.does(record.RemoveMember, self, who, now)
}

// Invite returns the statement by which this account, an admin, invites another.
func (s State) Invite(self Self, who record.Account, now time.Time) []byte {
	return s.does(record.Invite, self, who, now)
}

// MakeAdmin returns the statement by which this account, an admin, makes another
// member one.
func (s State) MakeAdmin(self Self, who record.Account, now time.Time) []byte {
	return s.does(record.MakeAdmin, self, who, now)
}

func (s State) does(op record.GroupOp, self Self, who record.Account, now time.Time) []byte {
	statement := s.chain.Next(op, self.Account, self.Device, now)
	statement.Subject = who
	return statement.Sign(self.Signer)
}

// FromChain returns the group of a chain that the account is a member of, as a
// device sees it that has nothing else yet: it waits for the epoch's secret.
func FromChain(statements [][]byte, acts Acts, self Member) (State, error) {
	chain, err := record.VerifyChain(statements, acts)
	if err != nil {
		return State{}, fmt.Errorf("group: %w", err)
	}
	if !chain.Member(self.Account) {
		return State{}, ErrNotMember
	}
	return State{self: self, chain: chain, statements: slices.Clone(statements)}, nil
}

// Change is what new statements have changed.
type Change struct {
	Joined       []record.Account // in the order in which they did
	Gone         []Gone           // likewise, who left or was removed
	Invited      []Invited        // likewise
	Withdrawn    []Gone           // likewise, whose invitation was
	Admins       []NewAdmin       // likewise
	EpochStarted bool             // the secret is not here yet, unless it is accepted at once
	Out          bool             // this account is no member any more: forget the group
}

// Gone is an account that is no member any more, or not invited any more.
type Gone struct {
	Account   record.Account
	RemovedBy record.Account // empty: it left
}

// NewAdmin is a member who has become an admin.
type NewAdmin struct {
	Account record.Account
	By      record.Account // empty: the last one has left
}

// Invited is an account that was invited.
type Invited struct{ Account, By record.Account }

// Extend appends statements to the chain. Those that the chain has already are
// skipped where they are the same; others are refused with the error of
// record.Chain.Append, and then none is taken. One that stands where the chain here has
// another, or follows another, is refused with record.ErrFork: whoever shows it shows
// two histories of one group.
func (s State) Extend(statements [][]byte, acts Acts) (State, Change, error) {
	var change Change
	next := s
	next.statements = slices.Clip(s.statements) // so that append copies
	for _, raw := range statements {
		parsed, err := record.ParseStatement(raw)
		if err != nil {
			return s, Change{}, fmt.Errorf("group: extend: %w", err)
		}
		if parsed.Seq < next.chain.Len() && slices.Equal(raw, next.statements[parsed.Seq]) {
			continue
		}
		if next.contradictedBy(parsed) {
			return s, Change{}, fmt.Errorf("group: extend: %w", record.ErrFork)
		}
		before := next.chain
		if next.chain, err = before.Append(raw, acts); err != nil {
			return s, Change{}, fmt.Errorf("group: extend: %w", err)
		}
		next.statements = append(next.statements, raw)
		change.add(parsed, before, next.chain)
	}
	if len(change.Gone) > 0 {
		// They have this device's chain. What it says from here on goes over another one,
		// whether the next epoch has begun or not. Keys for what they have said come no more.
		next.sender, next.handed = nil, nil
		next.buffered = slices.DeleteFunc(slices.Clone(next.buffered), func(b bufferedMessage) bool { return !next.chain.Member(b.from.Account) })
	}
	if next.chain.Epoch() != s.chain.Epoch() {
		change.EpochStarted = true
		next = next.beginEpoch()
	}
	change.Out = !next.chain.Member(s.self.Account)
	return next, change, nil
}

// contradictedBy reports whether a statement of this group stands where the chain has
// another one, or follows another one than its last.
func (s State) contradictedBy(statement record.Statement) bool {
	at, here := statement.Seq, s.chain.Len()
	return statement.Group == s.chain.ID() && (at < here || at == here && statement.Prev != s.chain.Head())
}

// Contradicts reports whether the chain had another head when it was so long than a
// member says. Of a length that it has not reached here it says nothing.
func (s State) Contradicts(length uint64, head record.Hash) bool {
	return length == 0 || length <= s.chain.Len() && record.HashOf(s.statements[length-1]) != head
}

// add notes what a statement does to a chain.
func (c *Change) add(s record.Statement, before, after record.Chain) {
	for _, a := range after.Admins() {
		if s.Op == record.MakeAdmin && a == s.Subject {
			c.Admins = append(c.Admins, NewAdmin{a, s.Actor})
		} else if !before.Admin(a) {
			c.Admins = append(c.Admins, NewAdmin{Account: a})
		}
	}
	switch s.Op {
	case record.JoinGroup:
		c.Joined = append(c.Joined, s.Actor)
	case record.LeaveGroup:
		c.Gone = append(c.Gone, Gone{Account: s.Actor})
	case record.Invite:
		c.Invited = append(c.Invited, Invited{s.Subject, s.Actor})
	case record.RemoveMember:
		if gone := (Gone{s.Subject, s.Actor}); before.Member(s.Subject) {
			c.Gone = append(c.Gone, gone)
		} else {
			c.Withdrawn = append(c.Withdrawn, gone)
		}
	}
}

// beginEpoch drops what belonged to the epoch before. The chains of others stay:
// what they sent in it may still be under way.
func (s State) beginEpoch() State {
	s.secret, s.secretEpoch = key.Epoch{}, 0
	s.sender, s.handed = nil, nil
	return s
}

// ID returns the group's ID.
func (s State) ID() record.GroupID { return s.chain.ID() }

// Name returns the group's name.
func (s State) Name() record.GroupName { return s.chain.Name() }

// Self returns this device.
func (s State) Self() Member { return s.self }

// Chain returns the verified membership chain.
func (s State) Chain() record.Chain { return s.chain }

// Statements returns the signed statements of the chain. They are not part of
// MarshalBinary and are not to be changed.
func (s State) Statements() [][]byte { return slices.Clip(s.statements) }
