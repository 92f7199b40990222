package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

func TestThreeServers(t *testing.T) {
	t.Parallel()
	run(t, newCluster(t, 3), map[string]func(*testing.T, *trio){
		"every server takes commands": everyServerTakesCommands,
		"one name, one account":       oneNameOneAccount,
		"barrier":                     barrierReadsWhatWasAcknowledged,
		"strangers are refused":       strangersAreRefused,
		"command sizes":               commandSizes,
		"WaitApplied ends with ctx":   waitAppliedEndsWithContext,
	})
}

// run runs tests that do not get in each other's way on one cluster.
func run(t *testing.T, c *trio, tests map[string]func(*testing.T, *trio)) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

func everyServerTakesCommands(t *testing.T, c *trio) {
	var last uint64
	for i, s := range c.servers {
		p := directorytest.NewPerson(record.Account(fmt.Sprintf("each%d", i)))
		index := s.propose(t, p.SignUp())
		if index <= last {
			t.Errorf("index %d after %d", index, last)
		}
		last = index
		for _, reader := range c.servers {
			if err := reader.WaitApplied(harness.Within(t), index); err != nil {
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
		harness.Await(t, "ready server", s.Ready)
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
	if err := s.WaitApplied(harness.Within(t), index); err != nil {
		t.Fatal(err)
	}
	if err := s.Barrier(harness.Within(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Directory().Account(p.Account); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
}

func oneNameOneAccount(t *testing.T, c *trio) {
	first, second := directorytest.NewPerson("alice1"), directorytest.NewPerson("alice1")
	errs := make(chan error, 2)
	for i, p := range []*directorytest.Person{first, second} {
		go func() {
			_, _, err := c.servers[i].Propose(harness.Within(t), p.SignUp())
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
func barrierReadsWhatWasAcknowledged(t *testing.T, c *trio) {
	for i := range 10 {
		p := directorytest.NewPerson(record.Account(fmt.Sprintf("read%d", i)))
		c.servers[i%3].propose(t, p.SignUp())
		reader := c.servers[(i+1)%3]
		errs := make(chan error, 8)
		for range cap(errs) {
			go func() { errs <- reader.Barrier(harness.Within(t)) }()
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

func waitAppliedEndsWithContext(t *testing.T, c *trio) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.servers[0].WaitApplied(ctx, 1<<62); !errors.Is(err, wire.ErrUnavailable) {
		t.Errorf("WaitApplied: %v, want ErrUnavailable", err)
	}
	if err := c.servers[0].WaitApplied(ctx, 0); err != nil {
		t.Errorf("WaitApplied for nothing: %v", err)
	}
}

// Whoever is not a server gets nothing on the servers' protocols.
func strangersAreRefused(t *testing.T, c *trio) {
	s := c.leader()
	stranger := newHost(t)
	stranger.Peerstore().SetAddrs(s.peer, s.host.Addrs(), peerstore.PermanentAddrTTL)
	for _, p := range []protocol.ID{wire.Raft, wire.Forward} {
		stream, err := stranger.NewStream(harness.Within(t), s.peer, p)
		if err != nil {
			continue // refused as early as that
		}
		stream.SetDeadline(time.Now().Add(harness.Timeout))
		wire.WriteFrame(stream, &pb.Forward{Command: directorytest.NewPerson("mallory1").SignUp()})
		if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, network.ErrReset) {
			t.Errorf("%s: read %v, want a reset", p, err)
		}
	}
	if _, err := s.Directory().Account("mallory1"); !errors.Is(err, wire.ErrNoAccount) {
		t.Errorf("a stranger's command: %v", err)
	}
}

func commandSizes(t *testing.T, c *trio) {
	s := c.servers[0]
	if _, _, err := s.Propose(harness.Within(t), nil); !errors.Is(err, wire.ErrBadRequest) {
		t.Errorf("empty command: %v", err)
	}
	if _, _, err := s.Propose(harness.Within(t), make([]byte, directory.MaxCommand+1)); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("large command: %v", err)
	}
	if _, _, err := s.Propose(harness.Within(t), make([]byte, directory.MaxCommand)); !errors.Is(err, wire.ErrBadRequest) {
		t.Errorf("nonsense as large as allowed: %v", err)
	}
}
