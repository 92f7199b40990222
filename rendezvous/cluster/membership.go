package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// changeTimeout bounds the wait for a place in the leader's queue, for a change of
// the membership.
const changeTimeout = 2 * time.Second

// Errors of changes to the membership.
var (
	// ErrNotLeader is returned where only the leader can do it: ask that one.
	ErrNotLeader = errors.New("cluster: this server does not lead")
	// ErrRetired is returned for a server that was taken out for good.
	ErrRetired = errors.New("cluster: the server was taken out of the cluster")
	// ErrName is returned for a server whose name another member has, or which has none.
	ErrName = errors.New("cluster: the server needs a name of its own")
	// ErrNoMember is returned for a server that does not belong to the cluster.
	ErrNoMember = errors.New("cluster: no such server")
	// ErrLast is returned where nobody would be left.
	ErrLast = errors.New("cluster: it is the only server")
)

// Admit lets a server in, by the leader, in steps: at first it only follows; when it
// has caught up with what is committed it votes. Whoever is asked again and again by
// a server that says how far it is (the index that it has applied) does the next step
// each time, and nothing where there is nothing to do. A member that has another
// address now is noted with that. Changes are made one at a time.
//
// The caller has checked the server's certificate.
func (c *Cluster) Admit(ctx context.Context, s Server, applied uint64) error {
	if s.Name == "" || strings.ContainsAny(s.Name, "=,") {
		return fmt.Errorf("%w: %q", ErrName, s.Name)
	}
	c.changes.Lock()
	defer c.changes.Unlock()
	r, err := c.leading()
	if err != nil {
		return err
	}
	switch retired, err := c.directory.Retired(s.ID); {
	case err != nil:
		return err
	case retired:
		return ErrRetired
	}
	members := membersOf(r)
	if slices.ContainsFunc(members, func(m Member) bool { return m.Name == s.Name && m.ID != s.ID }) {
		return fmt.Errorf("%w: %s", ErrName, s.Name)
	}
	at := slices.IndexFunc(members, func(m Member) bool { return m.ID == s.ID })
	var change raft.IndexFuture
	switch {
	case at < 0:
		c.cfg.Logger.Info("a server joins", "name", s.Name, "peer", s.ID)
		change = r.AddNonvoter(serverID(s.ID), s.address(), 0, changeTimeout)
	case !members[at].Voter && applied+caughtUp >= r.CommitIndex():
		c.cfg.Logger.Info("a server has caught up and votes", "name", s.Name, "peer", s.ID)
		change = r.AddVoter(serverID(s.ID), s.address(), 0, changeTimeout)
	case members[at].address() == s.address():
		return nil
	case members[at].Voter:
		c.cfg.Logger.Info("a server has moved", "name", s.Name, "peer", s.ID)
		change = r.AddVoter(serverID(s.ID), s.address(), 0, changeTimeout)
	default:
		change = r.AddNonvoter(serverID(s.ID), s.address(), 0, changeTimeout)
	}
	return changed("admit", s, answer(ctx, change))
}

// Remove takes a server out, by the leader, for good: its key never comes back. The
// leader cannot take itself out: it hands over, returns ErrNotLeader, and its
// successor is to be asked. The caller has made sure that the rest can go on without
// the server.
func (c *Cluster) Remove(ctx context.Context, id peer.ID) error {
	c.changes.Lock()
	defer c.changes.Unlock()
	r, err := c.leading()
	if err != nil {
		return err
	}
	members := membersOf(r)
	at := slices.IndexFunc(members, func(m Member) bool { return m.ID == id })
	if at < 0 {
		return ErrNoMember
	}
	if rest := slices.Delete(slices.Clone(members), at, at+1); !slices.ContainsFunc(rest, func(m Member) bool { return m.Voter }) {
		return ErrLast
	}
	if id == c.self {
		return errors.Join(ErrNotLeader, changed("hand over", members[at].Server, answer(ctx, r.LeadershipTransfer())))
	}
	// First that it does not come back, since it would ask to at once.
	if _, err := c.lead(ctx, directory.RetireServer(id)); err != nil {
		return err
	}
	c.cfg.Logger.Info("a server is taken out", "name", members[at].Name, "peer", id)
	return changed("remove", members[at].Server, answer(ctx, r.RemoveServer(serverID(id), 0, changeTimeout)))
}

// HandOver gives the leadership to another server, if this one has it.
func (c *Cluster) HandOver(ctx context.Context) error {
	r, err := c.leading()
	if err != nil {
		return nil
	}
	if err := answer(ctx, r.LeadershipTransfer()); err != nil {
		return fmt.Errorf("cluster: hand over: %w", err)
	}
	return nil
}

// leading returns Raft if this server leads.
func (c *Cluster) leading() (*raft.Raft, error) {
	r := c.running()
	if r == nil || r.State() != raft.Leader {
		return nil, ErrNotLeader
	}
	return r, nil
}

// changed says what a change came to: one that was overtaken by an election may be
// asked for again, of the next leader.
func changed(what string, s Server, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	default:
		return fmt.Errorf("cluster: %s %s: %w", what, s.Name, err)
	}
}
