package transport

import (
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

// Who may not connect learns nothing but that the device is there, by whatever way
// it comes.
func TestWhoMayNotConnect(t *testing.T) {
	hub, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	service, err := relay.New(hub, relay.WithInfiniteLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	b, friend := newHost(t), newHost(t)
	at := peer.AddrInfo{ID: hub.ID(), Addrs: hub.Addrs()}
	if err := b.host.Connect(within(t), at); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Reserve(within(t), b.host, at); err != nil {
		t.Fatal(err)
	}
	own := b.host.Addrs()
	around := hub.Addrs()[0].Encapsulate(multiaddr.StringCast("/p2p/" + hub.ID().String() + "/p2p-circuit"))
	b.Admit(func(p peer.ID) bool { return p == friend.ID() })
	for _, way := range append(own, around) {
		stranger := newHost(t)
		// A dial may seem to succeed; but then the other side hangs up.
		_ = stranger.host.Connect(network.WithAllowLimitedConn(within(t), "test"), peer.AddrInfo{ID: b.ID(), Addrs: []multiaddr.Multiaddr{way}})
		eventually(t, "that the stranger is put out", func() bool { return !stranger.connected(b.ID()) })
		if b.connected(stranger.ID()) {
			t.Errorf("%s: the stranger is let in", way)
		}
		if spoken, err := stranger.host.Peerstore().GetProtocols(b.ID()); err != nil || len(spoken) > 0 {
			t.Errorf("%s: the stranger is told %v, %v", way, spoken, err)
		}
		for _, known := range stranger.host.Peerstore().Addrs(b.ID()) {
			if !known.Equal(way) {
				t.Errorf("%s: the stranger learns %s", way, known)
			}
		}
	}
	reach(t, friend, b)
	eventually(t, "the friend", func() bool { return b.connected(friend.ID()) })
	stranger := newHost(t)
	reach(t, b, stranger) // whom it dials it means to
	eventually(t, "connected at the other end", func() bool { return stranger.connected(b.ID()) })
}

// Connections that are open stay.
func TestConnectionsOutliveTheDoor(t *testing.T) {
	a, b := newHost(t), newHost(t)
	reach(t, a, b)
	eventually(t, "connected at the other end", func() bool { return b.connected(a.ID()) })
	b.Admit(func(peer.ID) bool { return false })
	if !b.connected(a.ID()) {
		t.Error("the connection is gone")
	}
}
