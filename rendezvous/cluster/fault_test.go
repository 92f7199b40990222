package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/badger"
	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/testnet/harness"
)

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
	if err := old.WaitApplied(harness.Within(t), index); err != nil {
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

// It counts elections, and a starved server starts one: hence the harness.Timeout.
func TestLeadershipIsHandedOver(t *testing.T) {
	t.Parallel()
	c := newPatientCluster(t, 3, 10*electionTimeout)
	old := c.leader()
	rest := c.others(old)
	for _, s := range rest {
		harness.Await(t, "ready server", s.Ready)
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
		if _, _, err := leader.Propose(harness.Within(t), make([]byte, directory.MaxCommand)); !errors.Is(err, wire.ErrBadRequest) {
			t.Fatalf("filling the log: %v", err)
		}
	}
	for _, s := range c.others(away) {
		harness.Await(t, "the same state", func() bool { return s.Directory().AppliedIndex() >= leader.Directory().AppliedIndex() })
		forgetLog(t, s)
	}
	index := leader.propose(t, directorytest.NewPerson("late1").SignUp())

	c.start(away)
	if err := away.WaitApplied(harness.Within(t), index); err != nil {
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
	if err := away.WaitApplied(harness.Within(t), index); err != nil {
		t.Fatal(err)
	}
	if got := len(away.Status().Members); got != 3 {
		t.Errorf("%d members after a restart, want 3", got)
	}
}

// A server ends after the state of another one has replaced its own and before
// Raft has dropped the log that went with it. It comes back all the same.
func TestKilledWhileASnapshotIsRestored(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leader := c.leader()
	away := c.others(leader)[0]
	if err := away.WaitApplied(harness.Within(t), leader.propose(t, directorytest.NewPerson("before1").SignUp())); err != nil {
		t.Fatal(err)
	}
	c.halt(away)
	index := leader.propose(t, directorytest.NewPerson("late1").SignUp())
	if err := c.others(leader)[0].WaitApplied(harness.Within(t), index); err != nil {
		t.Fatal(err)
	}

	var state bytes.Buffer
	if err := leader.store.Backup(&state); err != nil {
		t.Fatal(err)
	}
	store, err := badger.Open(filepath.Join(away.dir, "state"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.Restore(&state), store.Close()); err != nil {
		t.Fatal(err)
	}
	// Whoever leads next goes on from the state; the old leader would go on from
	// where it last saw this server's log.
	c.halt(leader)
	c.start(away)
	if err := away.WaitApplied(harness.Within(t), away.propose(t, directorytest.NewPerson("last1").SignUp())); err != nil {
		t.Fatal(err)
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

// A snapshot notes entries that no state ever sees. Reads wait for none of them, here or
// at another server: the next change may be a minute away.
func TestReadsAfterASnapshotBehindBarriers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	s := c.leader()
	changed := s.propose(t, directorytest.NewPerson("alice1").SignUp())
	for range 10 {
		if err := s.Barrier(harness.Within(t)); err != nil {
			t.Fatal(err)
		}
	}
	forgetLog(t, s)
	if s.directory.AppliedIndex() <= changed {
		t.Fatal("the snapshot has noted nothing beyond the change")
	}
	if err := s.Barrier(harness.Within(t)); err != nil {
		t.Errorf("a barrier: %v", err)
	}
	for _, other := range c.others(s) {
		if err := other.WaitApplied(harness.Within(t), s.directory.ChangeIndex()); err != nil {
			t.Errorf("a read that has seen what the leader tells: %v", err)
		}
		if err := other.Barrier(harness.Within(t)); err != nil {
			t.Errorf("a barrier at another server: %v", err)
		}
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
		if err := s.Barrier(harness.Within(t)); err != nil {
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
	harness.Await(t, "loss of readiness", func() bool { return !leader.Ready() })
}

// Who is cut off says so long before whoever asks gives up, so that they ask elsewhere.
func TestCutOffServerSaysSo(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	s := c.others(c.leader())[0]
	for _, other := range c.others(s) {
		c.kill(other)
	}
	c.halt(s)
	c.patience = time.Second // an hour would do as well, but for whoever waits for this test
	c.start(s)
	ctx := harness.Within(t)
	if _, _, err := s.Propose(ctx, directorytest.NewPerson("alone1").SignUp()); !errors.Is(err, wire.ErrUnavailable) || ctx.Err() != nil {
		t.Errorf("Propose: %v, want ErrUnavailable at once", err)
	}
	if err := s.Barrier(ctx); !errors.Is(err, wire.ErrUnavailable) {
		t.Errorf("Barrier: %v, want ErrUnavailable", err)
	}
	if err := s.WaitApplied(ctx, 1<<62); !errors.Is(err, wire.ErrUnavailable) || ctx.Err() != nil {
		t.Errorf("WaitApplied: %v, want ErrUnavailable at once", err)
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
	ctx, cancel := context.WithTimeout(context.Background(), harness.Timeout)
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

// A server whose disk is nearly full says so, hands the leadership over and leaves; it
// does not start before there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	c := newPatientCluster(t, 3, 10*electionTimeout)
	full := c.leader()
	full.propose(t, directorytest.NewPerson("before1").SignUp())
	rest := c.others(full)
	for _, s := range rest {
		harness.Await(t, "ready server", s.Ready)
	}
	term := full.Status().Term
	full.free.Store(minFree - 1)
	err := harness.Receive(t, "the end of Run", full.stopped)
	if !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), "63 MiB are free") {
		t.Errorf("Run: %v", err)
	}
	full.stop()
	full.stop = nil
	rest[0].propose(t, directorytest.NewPerson("during1").SignUp())
	if got := rest[0].Status().Term; got != term+1 {
		t.Errorf("term %d after a hand-over in term %d", got, term)
	}
	if _, err := New(c.config(full)); !errors.Is(err, ErrNoSpace) {
		t.Errorf("a start without room: %v", err)
	}
	full.free.Store(minFree)
	c.start(full)
	index := rest[1].propose(t, directorytest.NewPerson("after1").SignUp())
	if err := full.WaitApplied(harness.Within(t), index); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
