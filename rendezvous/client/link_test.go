package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// A server that neither answers nor hangs up is noticed by its beat, and the
// request that it holds is asked elsewhere.
func TestFrozenServer(t *testing.T) {
	st := newStage(t, "frozen", "sound")
	freeze := make(chan struct{})
	st.servers[0].beats(beatFor(freeze))
	st.servers[0].says(func(*pb.Request) *pb.Response { <-t.Context().Done(); return nil })
	c := st.client()
	c.Attend(true)
	expect[Resync](t, c)
	close(freeze)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	if err := c.Withdraw(ctx); err != nil {
		t.Fatal(err)
	}
	// The first to notice says why the link ended: the request would not for
	// wire.RequestTimeout.
	if gone := expect[Unlinked](t, c); !strings.HasPrefix(gone.Err.Error(), "beat of server frozen") {
		t.Errorf("it was not the beat that noticed: %v", gone.Err)
	}
	if linked := expect[Linked](t, c); linked.Server != "sound" {
		t.Errorf("linked to %s", linked.Server)
	}
}

// A request is tried elsewhere when a server hangs up on it or has no quorum;
// what a server refuses is refused.
func TestRetries(t *testing.T) {
	for name, answer := range map[string]*pb.Response{
		"hangs up":  nil,
		"no quorum": {Kind: &pb.Response_Error{Error: wire.ToWire(wire.ErrUnavailable)}},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, "bad", "good")
			st.servers[0].says(func(*pb.Request) *pb.Response { return answer })
			c := st.client()
			if err := c.Withdraw(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	st := newStage(t, "one", "two")
	st.servers[0].says(func(*pb.Request) *pb.Response {
		return &pb.Response{Kind: &pb.Response_Error{Error: wire.ToWire(wire.ErrRefused)}}
	})
	if err := st.client().Withdraw(t.Context()); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("refused: %v", err)
	}
}

func TestDrainingServer(t *testing.T) {
	st := newStage(t, "leaving", "staying")
	st.servers[0].beats(func(s network.Stream) {
		_ = wire.WriteFrame(s, &pb.Beat{Draining: true})
		<-t.Context().Done()
	})
	c := st.client()
	c.Attend(true)
	expect[Linked](t, c)
	if gone := expect[Unlinked](t, c); !errors.Is(gone.Err, errDraining) {
		t.Errorf("unlinked: %v", gone.Err)
	}
	if linked := expect[Linked](t, c); linked.Server != "staying" {
		t.Errorf("linked to %s", linked.Server)
	}
}

// When an assignment has had its time the client asks again, and goes where it
// is sent without a gap.
func TestAssignmentExpires(t *testing.T) {
	st := newStage(t, "first", "second")
	c := st.client()
	expect[Linked](t, c)
	st.mu.Lock()
	st.servers[0], st.servers[1] = st.servers[1], st.servers[0]
	st.mu.Unlock()
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()

	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	expired := newLink(l.server, l.name, time.Now())
	next := c.stay(ctx, expired, avoidance{})
	if next == nil || next.name != "second" {
		t.Fatalf("next is %+v", next)
	}
	if !expired.alive() {
		t.Error("the old link died before the new one was there")
	}
}

// A balancer that has no server to offer when an assignment is renewed costs
// neither the link nor the connection that the link may be a circuit over.
func TestRenewalIsRefused(t *testing.T) {
	st := newStage(t, "server")
	c := st.client()
	expect[Linked](t, c)
	st.mu.Lock()
	st.refuse = wire.ErrUnavailable
	st.mu.Unlock()
	if _, err := c.find(t.Context(), avoidance{}); !errors.Is(err, wire.ErrUnavailable) {
		t.Fatalf("found: %v", err)
	}
	st.balancer.RemoveStreamHandler(wire.Balancer)
	if _, err := c.find(t.Context(), avoidance{}); err == nil {
		t.Fatal("found a server with nobody's help")
	}
	if c.host.Network().Connectedness(st.balancer.ID()) != network.Connected || !c.Linked() {
		t.Error("the client broke with its balancer")
	}
}

func TestOffline(t *testing.T) {
	st := newStage(t, "only")
	st.balancer.Close()
	c := st.client()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Withdraw(ctx); !errors.Is(err, ErrOffline) {
		t.Errorf("with nobody there: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Withdraw(cancelled); !errors.Is(err, context.Canceled) || errors.Is(err, ErrOffline) {
		t.Errorf("called off: %v", err)
	}
}

// Without a key the first one shown is pinned; another one is refused.
func TestPinsAtFirstUse(t *testing.T) {
	st := newStage(t, "server")
	c, err := New(Config{
		Host:      newHost(t, directorytest.NewKey()),
		Balancers: []peer.AddrInfo{{ID: st.balancer.ID(), Addrs: st.balancer.Addrs()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.ClusterKey() != nil {
		t.Error("a key before any was seen")
	}
	harness.Run(t, c.Run)
	expect[Linked](t, c)
	if !c.ClusterKey().Equal(st.cluster.Public()) {
		t.Error("another key was pinned")
	}
	st.mu.Lock()
	st.cluster = directorytest.NewKey()
	st.mu.Unlock()
	c.host.Network().ClosePeer(st.servers[0].host.ID())
	expect[Unlinked](t, c)
	for found := false; !found; { // until it has asked the balancer again
		c.mu.Lock()
		cause, changed := c.cause, c.changed
		c.mu.Unlock()
		if found = errors.Is(cause, ErrUncertified); !found {
			harness.Receive(t, "another try", changed)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.Withdraw(ctx); !errors.Is(err, ErrUncertified) {
		t.Errorf("with another cluster: %v", err)
	}
}

func TestSlowReaderGetsResync(t *testing.T) {
	q := newQueue()
	for range maxNotices + 10 {
		q.put(KeysLow{})
	}
	waiting := q.take()
	if _, ok := waiting[0].(Resync); !ok || len(waiting) != 11 {
		t.Errorf("%T comes first of %d", waiting[0], len(waiting))
	}
}

func TestAvoidanceIsBoundedAndForgets(t *testing.T) {
	a, now := avoidance{}, time.Now()
	for i := range 3 * maxAvoid {
		a.add(peer.ID([]byte{byte(i)}), now)
	}
	if len(a.list(now)) != maxAvoid {
		t.Errorf("%d are avoided", len(a.list(now)))
	}
	if left := a.list(now.Add(avoidFor + 1)); len(left) != 0 {
		t.Errorf("%d are avoided for ever", len(left))
	}
}
