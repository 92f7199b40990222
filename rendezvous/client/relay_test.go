package client

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// permitBy answers every request with a permit for a device.
func permitBy(server directorytest.Key, certificate []byte, device peer.ID, until time.Time) *pb.Response {
	return &pb.Response{Kind: &pb.Response_Permit{Permit: &pb.Permit{
		Permit: record.Permit{Device: device, Until: until}.Sign(server), Certificate: certificate,
	}}}
}

// gatekeeper makes the stage's balancer a relay that admits who has shown it a
// permit on this connection.
type gatekeeper struct {
	*stage

	mu     sync.Mutex
	refuse error
	shown  map[peer.ID]int // how often
}

func (st *stage) relays() *gatekeeper {
	st.Helper()
	g := &gatekeeper{stage: st, shown: make(map[peer.ID]int)}
	r, err := relay.New(st.balancer, relay.WithInfiniteLimits(), relay.WithACL(g),
		relay.WithReservationAddressFilter(func(ma.Multiaddr) bool { return true }))
	if err != nil {
		st.Fatal(err)
	}
	st.Cleanup(func() { r.Close() })
	st.balancer.SetStreamHandler(wire.Relay, g.serve)
	return g
}

func (g *gatekeeper) serve(s network.Stream) {
	defer s.Close()
	var req pb.RelayRequest
	if wire.NewReader(s, wire.MaxBalancer).Read(&req) != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	reply := new(pb.RelayReply)
	if g.refuse != nil {
		reply.Error = wire.ToWire(g.refuse)
	} else if p, err := record.VerifyPermit(req.GetPermit(), req.GetCertificate(), g.cluster.Public(), time.Now()); err != nil || p.Device != s.Conn().RemotePeer() {
		reply.Error = wire.ToWire(wire.ErrRefused)
	} else {
		g.shown[p.Device]++
	}
	_ = wire.WriteFrame(s, reply)
}

func (g *gatekeeper) AllowReserve(p peer.ID, _ ma.Multiaddr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shown[p] > 0
}

func (g *gatekeeper) AllowConnect(peer.ID, ma.Multiaddr, peer.ID) bool { return true }

// keepRelayed runs KeepRelayed until the test ends and passes on what it says.
func keepRelayed(t testing.TB, c *Client) <-chan []ma.Multiaddr {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	said, done := make(chan []ma.Multiaddr, 100), make(chan error, 1)
	go func() { done <- c.KeepRelayed(ctx, func(circuits []ma.Multiaddr) { said <- circuits }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("KeepRelayed: %v", err)
		}
	})
	return said
}

func hear(t testing.TB, said <-chan []ma.Multiaddr) []ma.Multiaddr {
	t.Helper()
	return harness.Receive(t, "word of the circuits", said)
}

// A device is reached through the balancer, and again after the balancer has
// lost it.
func TestKeepRelayed(t *testing.T) {
	st := newStage(t, "server")
	g := st.relays()
	c := st.client()
	st.servers[0].vouches(t, st, c.host.ID())
	said := keepRelayed(t, c)
	circuits := hear(t, said)
	if len(circuits) != len(st.balancer.Addrs()) {
		t.Fatalf("reached at %v", circuits)
	}
	other, err := libp2p.New(libp2p.NoListenAddrs, libp2p.EnableRelay(), libp2p.Transport(tcp.NewTCPTransport), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Connect(t.Context(), peer.AddrInfo{ID: c.host.ID(), Addrs: circuits}); err != nil {
		t.Errorf("through the balancer: %v", err)
	}
	for range 2 {
		g.mu.Lock()
		delete(g.shown, c.host.ID()) // the balancer has forgotten the device
		g.mu.Unlock()
		st.balancer.Network().ClosePeer(c.host.ID())
		if lost := hear(t, said); len(lost) != 0 {
			t.Fatalf("without a balancer reached at %v", lost)
		}
		if again := hear(t, said); len(again) != len(circuits) {
			t.Fatalf("again at %v", again)
		}
	}
}

// A balancer that refuses, or a server that gives no permit, costs the place and
// nothing else, and is asked again.
func TestRefusedRelay(t *testing.T) {
	for name, refuse := range map[string]func(*gatekeeper, *actor) (relent func()){
		"by the balancer": func(g *gatekeeper, a *actor) func() {
			set := func(err error) { g.mu.Lock(); defer g.mu.Unlock(); g.refuse = err }
			set(wire.ErrFull)
			return func() { set(nil) }
		},
		"by the server": func(g *gatekeeper, a *actor) func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			answer := a.answer
			a.answer = func(*pb.Request) *pb.Response {
				return &pb.Response{Kind: &pb.Response_Error{Error: wire.ToWire(wire.ErrNotLoggedIn)}}
			}
			return func() { a.says(answer) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, "server")
			g := st.relays()
			c := st.client()
			st.servers[0].vouches(t, st, c.host.ID())
			relent := refuse(g, st.servers[0])
			expect[Linked](t, c)
			if _, err := c.reserve(t.Context(), st.balancer.ID()); !errors.Is(err, wire.ErrFull) && !errors.Is(err, wire.ErrNotLoggedIn) {
				t.Fatalf("reserve: %v", err)
			}
			said := keepRelayed(t, c)
			relent()
			if circuits := hear(t, said); len(circuits) == 0 || !c.Linked() {
				t.Errorf("reached at %v, linked %t", circuits, c.Linked())
			}
		})
	}
}

// vouches makes a server answer everything with a permit for a device.
func (a *actor) vouches(t testing.TB, st *stage, device peer.ID) {
	t.Helper()
	server, now := a.key(t), time.Now()
	certificate := record.Certificate{Server: a.host.ID(), Name: a.name, From: now.Add(-time.Hour), Until: now.Add(time.Hour)}.Sign(st.cluster)
	a.says(func(*pb.Request) *pb.Response {
		return permitBy(server, certificate, device, time.Now().Add(record.PermitLifetime))
	})
}

// key returns the key behind the server's peer ID.
func (a *actor) key(t testing.TB) directorytest.Key {
	t.Helper()
	raw, err := a.host.Peerstore().PrivKey(a.host.ID()).Raw()
	if err != nil {
		t.Fatal(err)
	}
	return directorytest.Key(raw)
}
