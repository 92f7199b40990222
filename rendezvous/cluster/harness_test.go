package cluster

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// server is a cluster member that can be stopped and started again.
type server struct {
	id   libp2p.Option
	peer peer.ID
	dir  string

	*Cluster
	host    host.Host
	stop    context.CancelFunc
	stopped chan error
	events  *eventLog
	free    atomic.Uint64 // bytes on its disk
}

type eventLog struct {
	mu     sync.Mutex
	events []directory.Event
}

func (l *eventLog) add(events []directory.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, events...)
}

func (l *eventLog) has(want func(directory.Event) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if want(e) {
			return true
		}
	}
	return false
}

func newHost(t testing.TB, opts ...libp2p.Option) host.Host {
	t.Helper()
	h, err := libp2p.New(append(opts,
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.DisableRelay(),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// trio is servers that know each other.
type trio struct {
	t         testing.TB
	elections time.Duration // Config.elections
	tick      time.Duration // Config.tick
	patience  time.Duration // Config.patience; harness.Timeout if zero
	ending    time.Duration // Config.ending
	members   []Server
	servers   []*server
}

func newCluster(t testing.TB, n int) *trio {
	t.Helper()
	return newPatientCluster(t, n, 0)
}

// newPatientCluster returns a cluster whose followers wait for so long before
// they elect.
func newPatientCluster(t testing.TB, n int, elections time.Duration) *trio {
	t.Helper()
	c := &trio{t: t, elections: elections}
	c.open(n)
	return c
}

// newTickingCluster returns a cluster whose leader moves the clock on so often.
func newTickingCluster(t testing.TB, n int, tick time.Duration) *trio {
	t.Helper()
	c := &trio{t: t, tick: tick}
	c.open(n)
	return c
}

// open makes the servers and starts them.
func (c *trio) open(n int) {
	c.t.Helper()
	for range n {
		key := directorytest.NewKey()
		s := &server{id: libp2p.Identity(key.Private()), peer: key.ID(), dir: c.t.TempDir()}
		s.free.Store(minFree)
		c.servers = append(c.servers, s)
		c.members = append(c.members, Server{ID: s.peer})
	}
	for _, s := range c.servers {
		c.start(s)
	}
	c.t.Cleanup(func() {
		for _, s := range c.servers {
			c.halt(s)
		}
	})
}

// start starts a server on a new port and introduces it.
func (c *trio) start(s *server) {
	c.t.Helper()
	s.host = newHost(c.t, s.id)
	for _, other := range c.servers {
		if other != s && other.stop != nil {
			s.host.Peerstore().SetAddrs(other.peer, other.host.Addrs(), peerstore.PermanentAddrTTL)
			other.host.Peerstore().SetAddrs(s.peer, s.host.Addrs(), peerstore.PermanentAddrTTL)
		}
	}
	s.events = &eventLog{}
	var err error
	if s.Cluster, err = New(c.config(s)); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.stopped = cancel, make(chan error, 1)
	go func() { s.stopped <- s.Run(ctx) }()
}

func (c *trio) config(s *server) Config {
	return Config{
		Host: s.host, Dir: s.dir, Servers: c.members, Bootstrap: true,
		Logger: slog.New(slog.DiscardHandler), OnApply: s.events.add,
		Free:      func() (uint64, error) { return s.free.Load(), nil },
		elections: c.elections, patience: cmp.Or(c.patience, harness.Timeout), tick: c.tick, ending: c.ending,
	}
}

// halt ends a server in good order.
func (c *trio) halt(s *server) {
	c.t.Helper()
	if s.stop == nil {
		return
	}
	s.stop()
	if err := <-s.stopped; err != nil {
		c.t.Errorf("Run: %v", err)
	}
	s.stop = nil
	s.host.Close()
}

// kill takes a server's connections away first, so that it can hand nothing over
// and nobody hears of it.
func (c *trio) kill(s *server) {
	s.host.Close()
	s.stop()
	<-s.stopped
	s.stop = nil
}

func (c *trio) leader() *server {
	c.t.Helper()
	var leader *server
	harness.Await(c.t, "a leader", func() bool {
		for _, s := range c.servers {
			if s.stop != nil && s.Status().State == "Leader" {
				leader = s
				return true
			}
		}
		return false
	})
	return leader
}

func (c *trio) others(not *server) []*server {
	var out []*server
	for _, s := range c.servers {
		if s != not && s.stop != nil {
			out = append(out, s)
		}
	}
	return out
}

func (s *server) propose(t testing.TB, command []byte) uint64 {
	t.Helper()
	_, index, err := s.Propose(harness.Within(t), command)
	if err != nil {
		t.Fatalf("Propose: %v", err)
	}
	return index
}
