package check

import (
	"math"
	"time"
)

// Never is when a request returns whose outcome nobody was told: it may take effect at
// any time after its call, or not at all.
const Never = time.Duration(math.MaxInt64)

// Outcome is what a request came to.
type Outcome int

const (
	Done    Outcome = iota
	Refused         // it had no effect, for the reason that its kind has
	Unknown         // it had an effect or not, or will have one
)

func (o Outcome) String() string { return [...]string{"done", "refused", "unknown"}[o] }

// Op is one request of one client.
type Op struct {
	Client       int
	Object       string // the name, device, group or mailbox that it is about
	What         any    // SignUp, LookUp, Publish, Take, Append, Read, Put or Fetch
	Outcome      Outcome
	Call, Return time.Duration // since the history began; Return is Never if Outcome is Unknown
}

// The requests about a name.
type (
	// SignUp is refused when the name has an owner.
	SignUp struct{ Identity string }
	// LookUp finds an owner, or nobody ("").
	LookUp struct{ Owner string }
)

// The requests about the keys of a device. Both its bundles and its one-time prekeys
// have numbers that rise from 1 without gaps.
type (
	// Publish makes a bundle the device's, and all prekeys up to a number its stock.
	Publish struct{ Bundle, Highest uint32 }
	// Take gets the bundle and a prekey, or none (0) if none was left.
	Take struct {
		Bundle, Prekey uint32
		Left           uint32 // prekeys that remain
	}
)

// The requests about a group's chain.
type (
	// Append adds a statement at a place of the chain; at place 0 it creates the group.
	// It is refused when another one stands there, or the group's name is taken.
	Append struct {
		Seq        uint64
		Hash, Prev string // of the statement, and of the one before
	}
	// Read finds a chain so long, or none (0). Head is its last statement's hash; empty
	// where only the length was asked for.
	Read struct {
		Length uint64
		Head   string
	}
)

// The requests about the mailbox of a device.
type (
	// Put leaves a letter.
	Put struct{ Letter string }
	// Fetch removes all letters up to a number and finds those after it.
	Fetch struct {
		Taken   uint64
		Letters []Letter
		// Took: letters up to Taken were there when it was called.
		Took bool
	}
)

// Letter is one that was found in a mailbox.
type Letter struct {
	Number uint64
	ID     string
}

// Final is what the servers hold in the end.
type Final struct {
	Owners map[string]string   // of names
	Chains map[string][]string // of groups: the hashes of their statements
	Mail   map[string][]Letter // that still waits, by mailbox
}

// Violation is something that must not be.
type Violation struct {
	Object string
	What   string // in words
	File   string // porcupine's drawing of it, if there is one
}
