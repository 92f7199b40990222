package roster

import (
	"errors"
	"maps"
	"slices"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// ErrFull means that no more accounts can be accepted, or blocked.
var ErrFull = errors.New("roster: full")

// Policy says how those are treated that are neither accepted nor blocked. Values are
// stored: append only.
type Policy uint8

// An account begins with Open.
const (
	Unchanged Policy = iota // of a Change only
	Open                    // they may write, and see where the account's devices are
	Ask                     // what they write waits until they are accepted
)

// Standing is how one other account stands with this one. Values are stored: append
// only.
type Standing uint8

const (
	Stranger Standing = iota // neither of the others
	Accepted
	Blocked
)

// List is whom an account lets in, as the servers have it at one version.
type List struct {
	Version   uint64
	Policy    Policy                      // Open or Ask
	Standings map[record.Account]Standing // without Strangers; not to be changed
}

// Change is what is to be different.
type Change struct {
	Policy    Policy                      // Unchanged: leave it
	Standings map[record.Account]Standing // Stranger: neither from now on; not to be changed
}

func (c Change) empty() bool { return c.Policy == Unchanged && len(c.Standings) == 0 }

// Roster is a value: no call changes one.
type Roster struct {
	Servers List   // what the servers are known to have
	Own     Change // what was changed here and they are not known to have
}

// New returns the roster of an account that has said nothing yet.
func New() Roster { return Roster{Servers: List{Policy: Open}} }

// Policy returns how strangers are treated now.
func (r Roster) Policy() Policy {
	if r.Own.Policy != Unchanged {
		return r.Own.Policy
	}
	return r.Servers.Policy
}

// Standing returns how an account stands now.
func (r Roster) Standing(a record.Account) Standing {
	if s, changed := r.Own.Standings[a]; changed {
		return s
	}
	return r.Servers.Standings[a]
}

// LetsIn tells whether what an account writes is shown at once.
func (r Roster) LetsIn(a record.Account) bool {
	s := r.Standing(a)
	return s == Accepted || s == Stranger && r.Policy() == Open
}

// All returns the accounts with a standing, sorted.
func (r Roster) All(s Standing) (all []record.Account) {
	for a := range r.Servers.Standings {
		if r.Standing(a) == s {
			all = append(all, a)
		}
	}
	for a, own := range r.Own.Standings {
		if _, known := r.Servers.Standings[a]; own == s && !known {
			all = append(all, a)
		}
	}
	slices.Sort(all)
	return all
}

// WithPolicy returns the roster with another policy.
func (r Roster) WithPolicy(p Policy) Roster {
	r.Own.Policy = p
	if p == r.Servers.Policy {
		r.Own.Policy = Unchanged
	}
	return r
}

// With returns the roster with other standings of some accounts, or ErrFull.
func (r Roster) With(s Standing, accounts ...record.Account) (Roster, error) {
	own := maps.Clone(r.Own.Standings)
	if own == nil {
		own = make(map[record.Account]Standing)
	}
	for _, a := range accounts {
		own[a] = s
		if r.Servers.Standings[a] == s {
			delete(own, a)
		}
	}
	next := r
	next.Own.Standings = own
	most := map[Standing]int{Accepted: MaxAccepted, Blocked: MaxBlocked}
	if n, bounded := most[s]; bounded && len(next.All(s)) > n {
		return r, ErrFull
	}
	return next, nil
}

// Pending tells whether there is something to tell the servers.
func (r Roster) Pending() bool { return !r.Own.empty() }

// Next returns what to tell the servers next, as a change of r.Servers.Version: as
// much as they take at once. Those who are to be let in come before a policy that
// would keep them out.
func (r Roster) Next() Change {
	accounts := slices.SortedFunc(maps.Keys(r.Own.Standings), func(a, b record.Account) int {
		// What makes room goes first.
		if x, y := r.Own.Standings[a], r.Own.Standings[b]; x != y {
			return int(x) - int(y)
		}
		if a < b {
			return -1
		}
		return 1
	})
	next := Change{Policy: r.Own.Policy, Standings: make(map[record.Account]Standing)}
	if len(accounts) > MaxChanges {
		accounts, next.Policy = accounts[:MaxChanges], Unchanged
	}
	for _, a := range accounts {
		next.Standings[a] = r.Own.Standings[a]
	}
	return next
}

// Told returns the roster after the servers have taken a change of version.
func (r Roster) Told(version uint64, c Change) Roster {
	if version != r.Servers.Version {
		return r // something newer has come meanwhile
	}
	list := List{Version: version + 1, Policy: r.Servers.Policy, Standings: maps.Clone(r.Servers.Standings)}
	if c.Policy != Unchanged {
		list.Policy = c.Policy
	}
	if list.Standings == nil {
		list.Standings = make(map[record.Account]Standing)
	}
	for a, s := range c.Standings {
		if list.Standings[a] = s; s == Stranger {
			delete(list.Standings, a)
		}
	}
	return r.rebased(list)
}

// Adopt returns the roster after the servers have shown theirs. One that is older
// than what is known is passed over: a server was behind.
func (r Roster) Adopt(list List) Roster {
	if list.Version < r.Servers.Version {
		return r
	}
	return r.rebased(list)
}

// rebased puts what was changed here on top of another list, as far as it differs.
func (r Roster) rebased(list List) Roster {
	own := make(map[record.Account]Standing)
	for a, s := range r.Own.Standings {
		if list.Standings[a] != s {
			own[a] = s
		}
	}
	next := Roster{Servers: list, Own: Change{Policy: r.Own.Policy, Standings: own}}
	return next.WithPolicy(next.Policy())
}

// Yield takes back what the servers have no room for: those whom this device has
// accepted or blocked without them.
func (r Roster) Yield() (next Roster, lost []record.Account) {
	own := maps.Clone(r.Own.Standings)
	for a, s := range own {
		if s != Stranger {
			delete(own, a)
			lost = append(lost, a)
		}
	}
	r.Own.Standings = own
	slices.Sort(lost)
	return r, lost
}

// Load is how much of strangers waits.
type Load struct {
	Messages int
	Bytes    int // of contents
}

// Admits tells whether one more message of n bytes may wait, when so many of the same
// stranger do and all together are a load.
func (l Load) Admits(ofTheSame, n int) bool {
	return ofTheSame < MaxHeld && l.Messages < MaxHeldAll && l.Bytes+n <= MaxHeldBytes
}
