package directory

import (
	"time"

	"github.com/tryst-chat/tryst/rendezvous/quota"
)

const (
	// MaxCommand bounds one command: the largest request (a full stock of
	// prekeys, wire.MaxRequest) with its envelope. Longer ones would hold up
	// the heartbeats that share Raft's connections.
	MaxCommand = 256 << 10

	// opaqueFloor is the smallest OPAQUE record that can be one: a client
	// public key, a masking key and an envelope (RFC 9807, section 4.1).
	opaqueFloor = 32 + 64 + 96
)

// Limits of the mail that waits.
const (
	// Why they are as high as they are is said in package quota.
	MaxMailLetters     = quota.MaxMailLetters
	MaxMailBytes       = quota.MaxMailBytes
	MaxGroupMailBytes  = quota.MaxGroupMailBytes // there is one copy for all members
	shareOf            = quota.MailShare
	MaxStrangerLetters = quota.MaxStrangerLetters
	// waitingCost is what a group's letter takes of MaxGroupMailBytes for each
	// device that lacks it: its two rows, with names of usual length. Otherwise a
	// byte for 500 devices would count as a byte.
	waitingCost = 160

	// MailLifetime is how long a letter waits, in a group too: longer than
	// people's holidays.
	MailLifetime = 30 * 24 * time.Hour
	// maxTick bounds what one tick adds to the clock: twice the time between two,
	// so that a server whose clock jumps makes no mail expire.
	maxTick = 2 * time.Minute

	// expireWork and takeWork bound the letters (or invitations) that one Tick and
	// one TakeGroupMail remove, so that each fits into a transaction; another one
	// follows while there is more.
	expireWork = 512
	takeWork   = 512
)

// Limits of invitations.
const (
	// MaxInvite bounds those that one command gives out: a large lecture's, and 40 KB
	// in the log.
	MaxInvite = 1000
	// MaxInvitations bounds those that are out: more than are waited for anywhere, and
	// a megabyte. Those that were used are not counted: each has made an account, which
	// is larger, and they go when they expire.
	MaxInvitations = 10_000
	// MinInvitation and MaxInvitation bound how long one is good: long enough for the
	// directory's clock, which moves once a minute, and not longer than an operator
	// remembers to whom it was given.
	MinInvitation = 10 * time.Minute
	MaxInvitation = 365 * 24 * time.Hour
)
