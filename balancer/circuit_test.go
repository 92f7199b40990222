package balancer_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/rendezvous/circuit"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/testnet/harness"
)

const echoProtocol = "/test/echo"

func echo(h host.Host) {
	h.SetStreamHandler(echoProtocol, func(s network.Stream) {
		defer s.Close()
		io.Copy(s, s)
	})
}

// dial follows an assignment.
func dial(t *testing.T, h host.Host, id peer.ID, addrs []ma.Multiaddr) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	return h.Connect(ctx, peer.AddrInfo{ID: id, Addrs: addrs})
}

// TestCircuit: a client and a server that listens nowhere talk through the
// balancer, and the server sees the client's own peer ID.
func TestCircuit(t *testing.T) {
	for _, listen := range []string{
		"/ip4/127.0.0.1/tcp/0", "/ip4/0.0.0.0/tcp/0",
		"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/0.0.0.0/udp/0/quic-v1",
	} {
		t.Run(listen, func(t *testing.T) {
			o := newOperator(t)
			b, _ := startBalancer(t, o, func(c *balancer.Config) { c.Listen = []ma.Multiaddr{ma.StringCast(listen)} })
			server, _ := startServer(t, o, infoOf(t, b))
			echo(server)
			awaitReady(t, b, 1)
			client := newHost(t)
			id, addrs := assigned(t, o, ask(t, client, infoOf(t, b)))
			if err := dial(t, client, id, addrs); err != nil {
				t.Fatalf("%s: %v", addrs, err)
			}
			if len(server.Network().ConnsToPeer(client.ID())) != 1 {
				t.Fatal("the server does not know the client by its peer ID")
			}
			echoes(t, client, id)
		})
	}
}

// echoes sends a megabyte and expects it back. The stream must not be a limited
// one: nothing in the context allows those.
func echoes(t *testing.T, client host.Host, server peer.ID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	s, err := client.NewStream(ctx, server, echoProtocol)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Reset()
	if err := s.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
		t.Fatal(err)
	}
	sent := make([]byte, 1<<20)
	rand.Read(sent)
	go func() {
		s.Write(sent) // its failure shows in what comes back
		s.CloseWrite()
	}()
	got, err := io.ReadAll(s)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes came back: %v", len(got), len(sent), err)
	}
}

// TestNoCircuitToStrangers: the relay leads to servers of the cluster only.
func TestNoCircuitToStrangers(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	stranger, client := newHost(t), newHost(t)
	ask(t, stranger, infoOf(t, b)) // is connected
	addrs := circuit.Addrs(infoOf(t, b))
	if err := dial(t, client, stranger.ID(), addrs); err == nil {
		t.Fatal("reached a stranger through the relay")
	}
}

// TestServerKilled: when a server's process is gone its clients are given
// another, and find their circuit closed.
func TestServerKilled(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	servers := make(map[peer.ID]host.Host)
	for range 2 {
		h, _ := startServer(t, o, infoOf(t, b))
		echo(h)
		servers[h.ID()] = h
	}
	awaitReady(t, b, 2)
	client := newHost(t)
	first, addrs := assigned(t, o, ask(t, client, infoOf(t, b)))
	if err := dial(t, client, first, addrs); err != nil {
		t.Fatal(err)
	}
	if err := servers[first].Close(); err != nil { // its Attachment goes on, as it cannot know
		t.Fatal(err)
	}
	harness.Await(t, "circuit closed", func() bool {
		return client.Network().Connectedness(first) == network.NotConnected
	})
	harness.Await(t, "server out of the pool", func() bool { return len(b.Loads()) == 1 })
	second, addrs := assigned(t, o, ask(t, client, infoOf(t, b)))
	if second == first {
		t.Fatal("given the server that is gone")
	}
	if err := dial(t, client, second, addrs); err != nil {
		t.Fatal(err)
	}
	echoes(t, client, second)
}

// TestBalancerRestarts: a balancer that is back on the same key and port has
// its servers and their circuits back by itself.
func TestBalancerRestarts(t *testing.T) {
	o := newOperator(t)
	key := newKey(t)
	again := func(c *balancer.Config) { c.Key = key }
	b, stop := startBalancer(t, o, again)
	info := infoOf(t, b)
	server, _ := startServer(t, o, info)
	echo(server)
	awaitReady(t, b, 1)
	stop()
	dials := server.Network().(*swarm.Swarm).Backoff()
	harness.Await(t, "server dials in vain", func() bool { return dials.Backoff(info.ID, info.Addrs[0]) })
	b, _ = startBalancer(t, o, func(c *balancer.Config) { again(c); c.Listen = info.Addrs })
	awaitReady(t, b, 1) // although libp2p remembers the dial that failed; see TestMain
	client := newHost(t)
	id, addrs := assigned(t, o, ask(t, client, info))
	if err := dial(t, client, id, addrs); err != nil {
		t.Fatal(err)
	}
	echoes(t, client, id)
}

// TestManyCircuits: far more than libp2p's default of 16 lead to one server.
func TestManyCircuits(t *testing.T) {
	const circuits = 40
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	server, _ := startServer(t, o, infoOf(t, b))
	awaitReady(t, b, 1)
	for range circuits {
		client := newHost(t)
		id, addrs := assigned(t, o, ask(t, client, infoOf(t, b)))
		if err := dial(t, client, id, addrs); err != nil {
			t.Fatal(err)
		}
	}
	stops := 0
	for _, c := range server.Network().ConnsToPeer(infoOf(t, b).ID) {
		for _, s := range c.GetStreams() {
			if s.Protocol() == proto.ProtoIDv2Stop {
				stops++
			}
		}
	}
	if stops != circuits {
		t.Fatalf("%d circuits end at the server, want %d", stops, circuits)
	}
}

// TestStopsWithEverythingOpen: Run ends although servers, clients and circuits
// are there.
func TestStopsWithEverythingOpen(t *testing.T) {
	o := newOperator(t)
	b, stop := startBalancer(t, o, nil)
	server, _ := startServer(t, o, infoOf(t, b))
	echo(server)
	awaitReady(t, b, 1)
	client := newHost(t)
	id, addrs := assigned(t, o, ask(t, client, infoOf(t, b)))
	if err := dial(t, client, id, addrs); err != nil {
		t.Fatal(err)
	}
	idle := open(t, client, infoOf(t, b), wire.Balancer) // never asks
	stop()
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("a stream outlives the balancer")
	}
	harness.Await(t, "circuit closed", func() bool {
		return client.Network().Connectedness(id) == network.NotConnected
	})
}
