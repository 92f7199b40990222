// Package pool decides which rendezvous server a client is given: the least
// loaded of those that are ready, round robin among equals.
//
// It is pure: events and the time go in, a pick comes out. It opens no
// connection, checks no certificate and reads no clock; package balancer does,
// and serialises the calls (a Pool is not safe for concurrent use).
package pool

import (
	"container/list"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Errors of a Pool.
var (
	// ErrNoServer is returned by Assign while no server is ready.
	ErrNoServer = errors.New("pool: no server is ready")
	// ErrFull is returned by ServerUp beyond Limits.Servers.
	ErrFull = errors.New("pool: no room for another server")
)

// Limits bound what a Pool remembers. All of them must be positive.
type Limits struct {
	// Servers is how many servers stand in the pool at one time.
	Servers int
	// Clients is how many assignments are counted. Beyond it the oldest is
	// forgotten: a load that is slightly off is better than a client refused.
	Clients int
	// Lifetime is how long an assignment counts unless it is renewed.
	Lifetime time.Duration
}

// Pool is the set of servers and the live assignments to them.
type Pool struct {
	limits  Limits
	servers map[peer.ID]*server
	ring    []*server // in the order in which they came; next points into it
	next    int
	clients map[peer.ID]*list.Element
	byAge   *list.List // of assignment, the one that ends first in front
}

type server struct {
	id    peer.ID
	ready bool
	load  int // live assignments
}

type assignment struct {
	client peer.ID
	server *server
	until  time.Time
}

// New returns an empty pool.
func New(limits Limits) *Pool {
	return &Pool{
		limits:  limits,
		servers: make(map[peer.ID]*server),
		clients: make(map[peer.ID]*list.Element),
		byAge:   list.New(),
	}
}

// ServerUp puts a server into the pool, or changes whether it is ready. Only a
// ready server is picked.
func (p *Pool) ServerUp(id peer.ID, ready bool) error {
	if s, ok := p.servers[id]; ok {
		s.ready = ready
		return nil
	}
	if len(p.servers) >= p.limits.Servers {
		return ErrFull
	}
	s := &server{id: id, ready: ready}
	p.servers[id] = s
	p.ring = append(p.ring, s)
	return nil
}

// ServerReady says whether a server in the pool takes new clients. Unknown
// servers are left alone.
func (p *Pool) ServerReady(id peer.ID, ready bool) {
	if s, ok := p.servers[id]; ok {
		s.ready = ready
	}
}

// ServerDown takes a server out together with the assignments to it: its
// clients ask again.
func (p *Pool) ServerDown(id peer.ID) {
	s, ok := p.servers[id]
	if !ok {
		return
	}
	delete(p.servers, id)
	at := slices.Index(p.ring, s)
	p.ring = slices.Delete(p.ring, at, at+1)
	if p.next > at {
		p.next-- // the turn stays with whose it was
	}
	for e := p.byAge.Front(); e != nil; {
		following := e.Next()
		if e.Value.(assignment).server == s {
			p.forget(e)
		}
		e = following
	}
}

// Assign picks a server for a client and counts the assignment, which replaces
// the client's former one. Servers in avoid are passed over unless no other is
// ready. A client that asks again stays where it is while no other server has
// less to carry, so that renewals move nobody for nothing.
//
// The time must not go back between calls.
func (p *Pool) Assign(client peer.ID, avoid []peer.ID, now time.Time) (peer.ID, error) {
	p.expire(now)
	var former *server
	if e, ok := p.clients[client]; ok {
		former = e.Value.(assignment).server
		p.forget(e)
	}
	picked := p.pick(avoid, former)
	if picked == nil {
		picked = p.pick(nil, former)
	}
	if picked == nil {
		return "", ErrNoServer
	}
	if len(p.clients) >= p.limits.Clients {
		p.forget(p.byAge.Front())
	}
	picked.load++
	p.clients[client] = p.byAge.PushBack(assignment{client, picked, now.Add(p.limits.Lifetime)})
	return picked.id, nil
}

// pick returns the least loaded ready server outside avoid: the former one if
// it is among the least loaded, else the first of them in turn. It returns nil
// if there is none.
func (p *Pool) pick(avoid []peer.ID, former *server) *server {
	var best *server
	turn := 0
	for i := range p.ring {
		at := (p.next + i) % len(p.ring)
		s := p.ring[at]
		if !s.ready || slices.Contains(avoid, s.id) {
			continue
		}
		if best == nil || s.load < best.load || s.load == best.load && s == former {
			best, turn = s, at
		}
	}
	if best != nil && best != former {
		p.next = (turn + 1) % len(p.ring)
	}
	return best
}

// ClientGone frees what a client was assigned.
func (p *Pool) ClientGone(client peer.ID) {
	if e, ok := p.clients[client]; ok {
		p.forget(e)
	}
}

// Load is what one server carries.
type Load struct {
	Server      peer.ID
	Ready       bool
	Assignments int // live ones
}

// Loads returns what every server carries now, in the order in which they came.
func (p *Pool) Loads(now time.Time) []Load {
	p.expire(now)
	loads := make([]Load, 0, len(p.ring))
	for _, s := range p.ring {
		loads = append(loads, Load{Server: s.id, Ready: s.ready, Assignments: s.load})
	}
	return loads
}

// expire forgets the assignments that were not renewed in time. They all have
// the same lifetime, so that the list is in the order of their ends.
func (p *Pool) expire(now time.Time) {
	for e := p.byAge.Front(); e != nil && !now.Before(e.Value.(assignment).until); e = p.byAge.Front() {
		p.forget(e)
	}
}

func (p *Pool) forget(e *list.Element) {
	a := p.byAge.Remove(e).(assignment)
	a.server.load--
	delete(p.clients, a.client)
}
