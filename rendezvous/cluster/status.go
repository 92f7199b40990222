package cluster

import (
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Status is what an operator asks for.
type Status struct {
	State     string // "Leader", "Follower", "Candidate", "Shutdown"; empty before Run
	Leader    peer.ID
	Term      uint64
	LastIndex uint64 // in the log
	Applied   uint64 // in the state
	// Handled is the last entry that this server is done with, be it that it changes
	// no state; what it lacks is Committed less that.
	Handled   uint64
	Committed uint64 // in the log, as far as this server knows
	Members   []Member
	// Obstacle is what keeps nodes from being sent here, in words: "it knows no
	// leader". Empty when nothing does.
	Obstacle string
}

// Status returns where this server stands.
func (c *Cluster) Status() Status {
	r := c.running()
	if r == nil {
		return Status{Applied: c.directory.AppliedIndex(), Obstacle: c.Obstacle()}
	}
	leader, _ := c.Leader()
	return Status{
		State: r.State().String(), Leader: leader, Term: r.CurrentTerm(),
		LastIndex: r.LastIndex(), Applied: c.directory.AppliedIndex(), Committed: r.CommitIndex(), Handled: r.AppliedIndex(), Members: membersOf(r), Obstacle: c.Obstacle(),
	}
}

// Leader returns who leads, as far as this server knows.
func (c *Cluster) Leader() (peer.ID, bool) {
	r := c.running()
	if r == nil {
		return "", false
	}
	_, id := r.LeaderWithID()
	leader, err := peer.Decode(string(id))
	return leader, err == nil
}

// Ready reports whether this server has a leader that it has heard of just now
// and has caught up with, so that nodes may be sent here.
func (c *Cluster) Ready() bool { return c.Obstacle() == "" }

// Obstacle says what keeps this server from being ready, or nothing.
func (c *Cluster) Obstacle() string {
	r := c.running()
	if r == nil {
		return "it does not run"
	}
	_, led := c.Leader()
	switch {
	case !led:
		return "it knows no leader"
	case r.State() != raft.Leader && time.Since(r.LastContact()) >= 2*electionTimeout:
		return "it has not heard of its leader for a while"
	case !slices.ContainsFunc(membersOf(r), func(m Member) bool { return m.Voter && m.ID == c.self }):
		return "it does not vote yet"
	case r.AppliedIndex()+caughtUp < r.CommitIndex():
		return "it lags behind the others"
	default:
		return ""
	}
}
