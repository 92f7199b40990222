package client

import (
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// The servers of these tests lie, freeze and vanish, which real ones do not;
// package rendezvous tests the client with real ones.

func newHost(t testing.TB, k directorytest.Key) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.Identity(k.Private()), libp2p.Transport(tcp.NewTCPTransport), libp2p.DisableMetrics(),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// stage is a balancer and the servers that it assigns, all of them made up.
type stage struct {
	testing.TB
	cluster  directorytest.Key
	balancer host.Host

	mu       sync.Mutex
	servers  []*actor // the first that is not avoided is assigned
	lifetime time.Duration
	refuse   error // the balancer's answer, if set
}

// actor is a certified server that does as it is told.
type actor struct {
	host host.Host
	name string

	mu     sync.Mutex
	answer func(*pb.Request) *pb.Response // hello is answered without it
	beat   func(network.Stream)
}

func newStage(t testing.TB, names ...string) *stage {
	t.Helper()
	st := &stage{TB: t, cluster: directorytest.NewKey(), balancer: newHost(t, directorytest.NewKey()), lifetime: time.Hour}
	for _, name := range names {
		a := &actor{host: newHost(t, directorytest.NewKey()), name: name, beat: beatFor(nil)}
		a.host.SetStreamHandler(wire.Rendezvous, a.serve)
		a.host.SetStreamHandler(wire.Beat, func(s network.Stream) {
			a.mu.Lock()
			beat := a.beat
			a.mu.Unlock()
			defer s.Reset()
			beat(s)
		})
		st.servers = append(st.servers, a)
	}
	st.balancer.SetStreamHandler(wire.Balancer, st.assign)
	return st
}

func (st *stage) assign(s network.Stream) {
	defer s.Close()
	var req pb.BalancerRequest
	if wire.NewReader(s, wire.MaxBalancer).Read(&req) != nil {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.refuse != nil {
		_ = wire.WriteFrame(s, &pb.Assignment{Error: wire.ToWire(st.refuse)})
		return
	}
	a := st.servers[0]
	for _, next := range st.servers[1:] {
		for _, avoided := range req.GetAvoid() {
			if string(avoided) == string(a.host.ID()) {
				a = next
				break
			}
		}
	}
	answer := &pb.Assignment{Cluster: st.cluster.Public(), Lifetime: uint32(st.lifetime / time.Second)}
	now := time.Now()
	answer.Certificate = record.Certificate{Server: a.host.ID(), Name: a.name, From: now.Add(-time.Hour), Until: now.Add(time.Hour)}.Sign(st.cluster)
	for _, addr := range a.host.Addrs() {
		answer.Addresses = append(answer.Addresses, addr.Bytes())
	}
	_ = wire.WriteFrame(s, answer)
}

func (a *actor) serve(s network.Stream) {
	defer s.Close()
	var req pb.Request
	if wire.NewReader(s, wire.MaxRequest).Read(&req) != nil {
		return
	}
	resp := &pb.Response{Kind: &pb.Response_Done{Done: &pb.Done{}}}
	a.mu.Lock()
	answer := a.answer
	a.mu.Unlock()
	if req.GetHello() == nil && answer != nil {
		resp = answer(&req)
	}
	if resp == nil {
		s.Reset()
		return
	}
	_ = wire.WriteFrame(s, resp)
}

func (a *actor) says(answer func(*pb.Request) *pb.Response) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

func (a *actor) beats(beat func(network.Stream)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.beat = beat
}

// beatFor answers every frame with an empty one until freeze is closed, and
// then holds the stream open in silence.
func beatFor(freeze <-chan struct{}) func(network.Stream) {
	return func(s network.Stream) {
		frames := wire.NewReader(s, wire.MaxBeat)
		for frames.Read(new(pb.Beat)) == nil {
			select {
			case <-freeze:
				continue
			default:
			}
			if wire.WriteFrame(s, &pb.Beat{}) != nil {
				return
			}
		}
	}
}

// client returns a client that runs.
func (st *stage) client() *Client {
	st.Helper()
	c, err := New(Config{
		Host: newHost(st, directorytest.NewKey()), ClusterKey: st.cluster.Public(),
		Balancers: []peer.AddrInfo{{ID: st.balancer.ID(), Addrs: st.balancer.Addrs()}},
	})
	if err != nil {
		st.Fatal(err)
	}
	harness.Run(st, c.Run)
	return c
}

func expect[N Notice](t testing.TB, c *Client) N {
	t.Helper()
	after := time.After(harness.Timeout)
	for {
		select {
		case notice := <-c.Notices():
			if found, ok := notice.(N); ok {
				return found
			}
		case <-after:
			t.Fatalf("there never was a %T", *new(N))
		}
	}
}
