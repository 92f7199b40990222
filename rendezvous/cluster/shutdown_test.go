package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// busy is a server whose state machine is held up, with commands and a barrier that wait
// behind it. Raft takes what waits there at a toss, or its end, so that of so many it
// certainly leaves some without an answer.
func busy(t *testing.T, c *trio) (s *server, release func()) {
	t.Helper()
	s = c.leader()
	s.propose(t, directorytest.NewPerson("first1").SignUp())
	s.events.mu.Lock()
	ctx := harness.Within(t)
	const waiting = 20
	done := make(chan struct{}, waiting+1)
	for i := range waiting {
		before := s.Status().Committed
		go func() {
			_, _, _ = s.Propose(ctx, directorytest.NewPerson(record.Account(fmt.Sprintf("p%d", i))).SignUp())
			done <- struct{}{}
		}()
		harness.Await(t, "a command to be committed", func() bool { return s.Status().Committed > before })
	}
	before := s.Status().Committed
	go func() {
		_ = s.Barrier(ctx)
		done <- struct{}{}
	}()
	harness.Await(t, "a barrier to be committed", func() bool { return s.Status().Committed > before })
	return s, s.events.mu.Unlock
}

// A server ends though Raft leaves proposals without an answer.
func TestShutdownWithProposals(t *testing.T) {
	c := newCluster(t, 1)
	s, release := busy(t, c)
	s.stop()
	release()
	if err := harness.Receive(t, "the server's end", s.stopped); err != nil {
		t.Error(err)
	}
	s.stop = nil
	s.host.Close() // which waits for streams
}

// One whose state cannot be written any more does not wait for that.
func TestShutdownWhileStuck(t *testing.T) {
	c := &trio{t: t, ending: 100 * time.Millisecond}
	c.open(1)
	s, release := busy(t, c)
	s.stop()
	if err := harness.Receive(t, "the server's end", s.stopped); !errors.Is(err, errStuck) {
		t.Errorf("Run: %v", err)
	}
	s.stop = nil
	release()
	harness.Await(t, "what was stuck to end", func() bool { return s.Status().State == "Shutdown" })
	s.host.Close()
}

// A server that is being sent a snapshot, by one that has fallen silent, ends all the same.
func TestShutdownWhileTakingSnapshot(t *testing.T) {
	keys := []directorytest.Key{directorytest.NewKey(), directorytest.NewKey()}
	silent := newHost(t, libp2p.Identity(keys[1].Private()))
	s := &server{id: libp2p.Identity(keys[0].Private()), peer: keys[0].ID(), dir: t.TempDir()}
	s.free.Store(minFree)
	c := &trio{t: t, servers: []*server{s}, members: []Server{{ID: keys[0].ID()}, {ID: keys[1].ID()}}}
	c.start(s)
	silent.Peerstore().SetAddrs(s.peer, s.host.Addrs(), peerstore.PermanentAddrTTL)
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: listen(silent, func(peer.ID) bool { return true }), MaxPool: 1, Timeout: harness.Timeout, Logger: hclogTo(slog.New(slog.DiscardHandler)),
	})
	first := Config{Servers: c.members}
	const size = 1 << 20
	sending, cancel := context.WithCancel(t.Context())
	sent := make(chan error, 1)
	go func() {
		sent <- transport.InstallSnapshot(serverID(s.peer), Server{ID: s.peer}.address(), &raft.InstallSnapshotRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(serverID(silent.ID())), Addr: []byte(Server{ID: silent.ID()}.address())},
			Term:      1 << 20, Leader: []byte(Server{ID: silent.ID()}.address()), LastLogIndex: 100, LastLogTerm: 1,
			Configuration: raft.EncodeConfiguration(first.first()), ConfigurationIndex: 1, Size: size, SnapshotVersion: raft.SnapshotVersionMax,
		}, new(raft.InstallSnapshotResponse), io.MultiReader(bytes.NewReader(make([]byte, size/2)), silence{sending}))
	}()
	harness.Await(t, "the snapshot to begin", func() bool { leader, _ := s.Leader(); return leader == silent.ID() })
	s.stop()
	if err := harness.Receive(t, "the server's end", s.stopped); err != nil {
		t.Error(err)
	}
	s.stop = nil
	cancel()
	if err := errors.Join(transport.Close(), <-sent); err == nil {
		t.Error("the snapshot was taken")
	}
}

// silence is what a reader gets nothing of until its context ends.
type silence struct{ ctx context.Context }

func (s silence) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}
