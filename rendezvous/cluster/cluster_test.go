package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// patience bounds every wait of these tests; none of them needs a tenth of it
// on an idle machine.
const patience = 30 * time.Second

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
	t       testing.TB
	members []Server
	servers []*server
}

func newCluster(t testing.TB, n int) *trio {
	t.Helper()
	c := &trio{t: t}
	for range n {
		key := directorytest.NewKey()
		s := &server{id: libp2p.Identity(key.Private()), peer: key.ID(), dir: t.TempDir()}
		c.servers = append(c.servers, s)
		c.members = append(c.members, Server{ID: s.peer})
	}
	for _, s := range c.servers {
		c.start(s)
	}
	t.Cleanup(func() {
		for _, s := range c.servers {
			c.halt(s)
		}
	})
	return c
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
	s.Cluster, err = New(Config{
		Host: s.host, Dir: s.dir, Servers: c.members, Bootstrap: true,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), OnApply: s.events.add,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.stopped = cancel, make(chan error, 1)
	go func() { s.stopped <- s.Run(ctx) }()
}

// halt ends a server in good order; kill without warning.
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

func (c *trio) kill(s *server) {
	s.host.Close()
	s.stop()
	<-s.stopped
	s.stop = nil
}

func (c *trio) leader() *server {
	c.t.Helper()
	var leader *server
	eventually(c.t, "a leader", func() bool {
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

// eventually polls until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s after %v", what, patience)
		}
	}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (s *server) propose(t testing.TB, command []byte) uint64 {
	t.Helper()
	_, index, err := s.Propose(within(t), command)
	if err != nil {
		t.Fatalf("Propose: %v", err)
	}
	return index
}

func TestEveryServerTakesCommands(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	var last uint64
	for i, s := range c.servers {
		p := directorytest.NewPerson(record.Account(fmt.Sprintf("p%d", i)))
		index := s.propose(t, p.SignUp())
		if index <= last {
			t.Errorf("index %d after %d", index, last)
		}
		last = index
		for _, reader := range c.servers {
			if err := reader.WaitApplied(within(t), index); err != nil {
				t.Fatal(err)
			}
			if _, err := reader.Directory().Account(p.Account); err != nil {
				t.Errorf("Account after WaitApplied: %v", err)
			}
			if !reader.events.has(func(e directory.Event) bool { return e == directory.AccountChanged{Account: p.Account} }) {
				t.Error("a server did not tell of the sign-up")
			}
		}
	}
	for _, s := range c.servers {
		eventually(t, "ready server", s.Ready)
	}
}

func TestClusterOfOne(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	p := directorytest.NewPerson("alice1")
	index := s.propose(t, p.SignUp())
	c.halt(s)
	c.start(s)
	if err := s.WaitApplied(within(t), index); err != nil {
		t.Fatal(err)
	}
	if err := s.Barrier(within(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Directory().Account(p.Account); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
}

func TestOneNameOneAccount(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	first, second := directorytest.NewPerson("alice1"), directorytest.NewPerson("alice1")
	errs := make(chan error, 2)
	for i, p := range []*directorytest.Person{first, second} {
		go func() {
			_, _, err := c.servers[i].Propose(within(t), p.SignUp())
			errs <- err
		}()
	}
	a, b := <-errs, <-errs
	if a != nil {
		a, b = b, a
	}
	if a != nil || !errors.Is(b, wire.ErrNameTaken) {
		t.Fatalf("two sign-ups: %v and %v; want one to win, the other to hear that the name is taken", a, b)
	}
}

// A read behind a barrier sees what was acknowledged elsewhere before it.
func TestBarrier(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	for i := range 10 {
		p := directorytest.NewPerson(record.Account(fmt.Sprintf("p%d", i)))
		c.servers[i%3].propose(t, p.SignUp())
		reader := c.servers[(i+1)%3]
		errs := make(chan error, 8)
		for range cap(errs) {
			go func() { errs <- reader.Barrier(within(t)) }()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		if _, err := reader.Directory().Account(p.Account); err != nil {
			t.Fatalf("behind a barrier: %v", err)
		}
	}
}

func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	old := c.leader()
	old.propose(t, directorytest.NewPerson("before1").SignUp())
	rest := c.others(old)
	c.kill(old)
	rest[0].propose(t, directorytest.NewPerson("during1").SignUp())
	index := rest[1].propose(t, directorytest.NewPerson("after1").SignUp())

	c.start(old)
	if err := old.WaitApplied(within(t), index); err != nil {
		t.Fatalf("the old leader is back and does not catch up: %v", err)
	}
	for _, name := range []record.Account{"before1", "during1", "after1"} {
		if _, err := old.Directory().Account(name); err != nil {
			t.Errorf("Account(%s): %v", name, err)
		}
	}
	if now := c.leader(); now == old {
		t.Log("the old leader leads again") // allowed, but not before it has caught up
	}
}

// Not beside other tests: it counts elections, and a starved server starts one.
func TestLeadershipIsHandedOver(t *testing.T) {
	c := newCluster(t, 3)
	old := c.leader()
	rest := c.others(old)
	for _, s := range rest {
		eventually(t, "ready server", s.Ready)
	}
	term := old.Status().Term
	c.halt(old)
	next := c.leader()
	if got := next.Status().Term; got != term+1 {
		t.Errorf("term %d after a hand-over in term %d", got, term)
	}
}

// A server that was away for longer than the log reaches back gets the whole
// state, and goes on from there, also after another restart.
func TestCatchUpBySnapshot(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leader := c.leader()
	away := c.others(leader)[0]
	leader.propose(t, directorytest.NewPerson("before1").SignUp())
	c.halt(away)

	for i := range 5 {
		leader.propose(t, directorytest.NewPerson(record.Account(fmt.Sprintf("p%d", i))).SignUp())
	}
	// Entries that were dropped from the log's last file are served from it
	// all the same: fill one.
	for range segmentSize/directory.MaxCommand + 1 {
		if _, _, err := leader.Propose(within(t), make([]byte, directory.MaxCommand)); !errors.Is(err, wire.ErrBadRequest) {
			t.Fatalf("filling the log: %v", err)
		}
	}
	for _, s := range c.others(away) {
		eventually(t, "the same state", func() bool { return s.Directory().AppliedIndex() >= leader.Directory().AppliedIndex() })
		forgetLog(t, s)
	}
	index := leader.propose(t, directorytest.NewPerson("late1").SignUp())

	c.start(away)
	if err := away.WaitApplied(within(t), index); err != nil {
		t.Fatal(err)
	}
	if !away.events.has(func(e directory.Event) bool { return e == directory.Reset{} }) {
		t.Fatal("the server caught up from the log, not from a snapshot")
	}
	if _, err := away.Directory().Account("p4"); err != nil {
		t.Errorf("from the snapshot: %v", err)
	}

	c.halt(away)
	c.start(away)
	index = away.propose(t, directorytest.NewPerson("last1").SignUp())
	if err := away.WaitApplied(within(t), index); err != nil {
		t.Fatal(err)
	}
	if got := len(away.Status().Peers); got != 3 {
		t.Errorf("%d members after a restart, want 3", got)
	}
}

// forgetLog takes a snapshot and leaves one entry of the log behind it.
func forgetLog(t testing.TB, s *server) {
	t.Helper()
	r := s.running()
	conf := r.ReloadableConfig()
	conf.TrailingLogs = 1
	if err := r.ReloadConfig(conf); err != nil {
		t.Fatal(err)
	}
	if err := r.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
	if first, err := s.log.FirstIndex(); err != nil || first < 10 {
		t.Fatalf("log begins at %d: %v", first, err)
	}
}

// The log may be dropped up to entries that the state never sees, which a
// restart must know of.
func TestSnapshotBehindBarriers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	s.propose(t, directorytest.NewPerson("alice1").SignUp())
	for range 10 {
		if err := s.Barrier(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	last := s.Status().LastIndex
	forgetLog(t, s)
	if got := s.Directory().AppliedIndex(); got != last {
		t.Errorf("applied index %d after a snapshot at %d", got, last)
	}
	c.halt(s)
	c.start(s)
	s.propose(t, directorytest.NewPerson("bob1").SignUp())
}

func TestWaitAppliedEndsWithContext(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.servers[0].WaitApplied(ctx, 1<<62); !errors.Is(err, wire.ErrUnavailable) {
		t.Errorf("WaitApplied: %v, want ErrUnavailable", err)
	}
	if err := c.servers[0].WaitApplied(ctx, 0); err != nil {
		t.Errorf("WaitApplied for nothing: %v", err)
	}
}

// Without a quorum nothing is acknowledged, and the answer says so.
func TestNoQuorum(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leader := c.leader()
	leader.propose(t, directorytest.NewPerson("before1").SignUp())
	for _, s := range c.others(leader) {
		c.kill(s)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, _, err := leader.Propose(ctx, directorytest.NewPerson("alone1").SignUp()); !errors.Is(err, wire.ErrUnavailable) {
		t.Errorf("Propose: %v, want ErrUnavailable", err)
	}
	if err := leader.Barrier(ctx); !errors.Is(err, wire.ErrUnavailable) {
		t.Errorf("Barrier: %v, want ErrUnavailable", err)
	}
	eventually(t, "loss of readiness", func() bool { return !leader.Ready() })
}

// Whoever is not a server gets nothing on the servers' protocols.
func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	s.propose(t, directorytest.NewPerson("alice1").SignUp())
	stranger := newHost(t)
	stranger.Peerstore().SetAddrs(s.peer, s.host.Addrs(), peerstore.PermanentAddrTTL)
	for _, p := range []protocol.ID{wire.Raft, wire.Forward} {
		stream, err := stranger.NewStream(within(t), s.peer, p)
		if err != nil {
			continue // refused as early as that
		}
		stream.SetDeadline(time.Now().Add(patience))
		wire.WriteFrame(stream, &pb.Forward{Command: directorytest.NewPerson("mallory1").SignUp()})
		if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, network.ErrReset) {
			t.Errorf("%s: read %v, want a reset", p, err)
		}
	}
	if _, err := s.Directory().Account("mallory1"); !errors.Is(err, wire.ErrNoAccount) {
		t.Errorf("a stranger's command: %v", err)
	}
}

func TestCommandSizes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	if _, _, err := s.Propose(within(t), nil); !errors.Is(err, wire.ErrBadRequest) {
		t.Errorf("empty command: %v", err)
	}
	if _, _, err := s.Propose(within(t), make([]byte, directory.MaxCommand+1)); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("large command: %v", err)
	}
	if _, _, err := s.Propose(within(t), make([]byte, directory.MaxCommand)); !errors.Is(err, wire.ErrBadRequest) {
		t.Errorf("nonsense as large as allowed: %v", err)
	}
}

// What cannot be written any more makes Run return, so that the server leaves.
func TestFailureEndsRun(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.servers[0]
	s.propose(t, directorytest.NewPerson("alice1").SignUp())
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go s.Propose(ctx, directorytest.NewPerson("bob1").SignUp())
	select {
	case err := <-s.stopped:
		if err == nil {
			t.Error("Run returned without an error")
		}
		s.stop()
		s.stop = nil
	case <-ctx.Done():
		t.Fatal("Run goes on without its store")
	}
}
