package record

import (
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
	RemoveMember GroupOp = 5 // or somebody who is invited
	Invite       GroupOp = 6
	MakeAdmin    GroupOp = 7
)

// hasSubject reports whether an operation is done to another account.
func (op GroupOp) hasSubject() bool { return op == RemoveMember || op == Invite || op == MakeAdmin }

// Settings are what a group's first statement fixes for ever.
type Settings struct {
	// Private: only who is invited may join, and only they and the members are to
	// know of the group.
	Private bool
	// History is how many of the messages from before they joined newcomers are
	// given by members, 0 to MaxHistory.
	History int
}

// Statement is one link of a group's membership chain. A device of the acting
// account signs it.
type Statement struct {
	Group GroupID
	Seq   uint64 // 0 for the first
	Prev  Hash   // of the statement before, zero for the first
	Op    GroupOp
	Name  GroupName // of the group; in CreateGroup only
	// Settings are the group's; zero in all but CreateGroup.
	Settings Settings
	Actor    Account
	Device   peer.ID
	// Subject is who is removed, invited or made an admin; empty in all others.
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
	e.flag(s.Settings.Private)
	e.u64(uint64(s.Settings.History))
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
	s.Settings = d.settings()
	if s.Op != CreateGroup && s.Settings != (Settings{}) {
		d.fail("only the first statement has settings")
	}
	s.Actor = d.account()
	s.Device = d.peer()
	if s.Op.hasSubject() {
		s.Subject = d.account()
	} else if d.text(0) != "" {
		d.fail("this operation names no other account")
	}
	d.fixed(s.Commitment[:])
	s.At = time.Unix(int64(d.u64()), 0).UTC()
	return s, d.end()
}

func (d *decoder) settings() (s Settings) {
	s.Private = d.flag()
	history := d.u64()
	if history > MaxHistory {
		d.fail("a group's history is too long")
		return Settings{}
	}
	s.History = int(history)
	return s
}
