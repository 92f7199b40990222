package transport

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/node/wire"
)

func TestConfigIsChecked(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(nil)
	for _, cfg := range []Config{{}, {Key: key[:31]}, {Key: key, ListenPort: -1}, {Key: key, ListenPort: 65536}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("made a host of port %d and a key of %d bytes", cfg.ListenPort, len(cfg.Key))
		}
	}
}

func TestHostIsTheDeviceKey(t *testing.T) {
	h := newHost(t)
	signed, err := h.SignedRecord()
	if err != nil {
		t.Fatal(err)
	}
	envelope, rec, err := record.ConsumeEnvelope(signed, peer.PeerRecordEnvelopeDomain)
	if err != nil {
		t.Fatal(err)
	}
	r := rec.(*peer.PeerRecord)
	if !envelope.PublicKey.Equals(h.key.GetPublic()) || r.PeerID != h.ID() || len(r.Addrs) != 2 {
		t.Errorf("record of %s with %v", r.PeerID, r.Addrs)
	}
	if h.key.Type() != crypto.Ed25519 {
		t.Error("not an Ed25519 key")
	}
	again, err := h.SignedRecord()
	if err != nil {
		t.Fatal(err)
	}
	_, rec, err = record.ConsumeEnvelope(again, peer.PeerRecordEnvelopeDomain)
	if err != nil || rec.(*peer.PeerRecord).Seq <= r.Seq {
		t.Errorf("the second record is not newer: %v", err)
	}
}

// Circuits are announced behind the host's own addresses, and have room whatever
// the machine's number of addresses.
// A port that somebody else has is said to be taken, though libp2p is content with
// the other transport or with IPv6.
func TestPortThatIsTaken(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	port := other.Addr().(*net.TCPAddr).Port
	_, raw, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, loopback := range []bool{true, false} {
		h, err := New(Config{Key: raw, ListenPort: port, LoopbackOnly: loopback})
		if err == nil {
			h.Close()
		}
		if !errors.Is(err, ErrPortTaken) {
			t.Errorf("loopback only %t: %v", loopback, err)
		}
	}
}

func TestSignedRecordNamesCircuits(t *testing.T) {
	addrs := func(h *Host) []multiaddr.Multiaddr {
		t.Helper()
		signed, err := h.SignedRecord()
		if err != nil {
			t.Fatal(err)
		}
		_, rec, err := record.ConsumeEnvelope(signed, peer.PeerRecordEnvelopeDomain)
		if err != nil {
			t.Fatal(err)
		}
		return rec.(*peer.PeerRecord).Addrs
	}
	h := newHost(t)
	around := "/ip4/192.0.2.1/tcp/1/p2p/" + newHost(t).ID().String() + "/p2p-circuit"
	h.SetCircuits([]multiaddr.Multiaddr{multiaddr.StringCast(around)})
	if got := addrs(h); len(got) != 3 || isCircuit(got[0]) || got[2].String() != around {
		t.Errorf("announced %v", got)
	}
	many := make([]multiaddr.Multiaddr, maxAddrs-1)
	for i := range many {
		many[i] = multiaddr.StringCast(around)
	}
	h.SetCircuits(many)
	if got := addrs(h); len(got) != maxAddrs || isCircuit(got[0]) || !isCircuit(got[1]) {
		t.Errorf("%d are announced", len(got))
	}
	h.SetCircuits(nil)
	if got := addrs(h); len(got) != 2 {
		t.Errorf("afterwards %v", got)
	}
}

// Two hosts of which neither can be dialled meet on a relay; the one that was
// dialled needs no address to know the other as reached.
func TestReachOverCircuit(t *testing.T) {
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
	a, b := newHidden(t), newHidden(t)
	at := peer.AddrInfo{ID: hub.ID(), Addrs: hub.Addrs()}
	if err := b.host.Connect(within(t), at); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Reserve(within(t), b.host, at); err != nil {
		t.Fatal(err)
	}
	around := hub.Addrs()[0].Encapsulate(multiaddr.StringCast("/p2p/" + hub.ID().String() + "/p2p-circuit"))
	if err := a.Reach(within(t), peer.AddrInfo{ID: b.ID(), Addrs: []multiaddr.Multiaddr{around}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "connected at the other end", func() bool { return b.connected(a.ID()) })
	if err := b.Reach(within(t), peer.AddrInfo{ID: a.ID()}); err != nil {
		t.Errorf("back: %v", err)
	}
	if there, back := a.Path(b.ID()), b.Path(a.ID()); there != PathRelayed || back != PathRelayed {
		t.Errorf("paths %q and %q", there, back)
	}
}

// newHidden returns a host that listens nowhere.
func newHidden(t *testing.T) *Host {
	t.Helper()
	_, key, _ := ed25519.GenerateKey(nil)
	h, err := New(Config{Key: key, NoListen: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	if got := h.addrs(); len(got) != 0 {
		t.Fatalf("it is reached at %v", got)
	}
	return h
}

func TestReachTakesTCPAndTellsWho(t *testing.T) {
	a, b := newHost(t), newHost(t)
	if err := a.Reach(within(t), peer.AddrInfo{ID: b.ID()}); !errors.Is(err, ErrNoAddress) {
		t.Errorf("without an address: %v", err)
	}
	reach(t, a, b)
	if ev := await(t, "a event", a.Peers()); ev != (PeerEvent{b.ID(), true}) {
		t.Errorf("event %v", ev)
	}
	for _, c := range a.host.Network().ConnsToPeer(b.ID()) {
		if _, err := c.RemoteMultiaddr().ValueForProtocol(multiaddr.P_TCP); err != nil {
			t.Errorf("connected over %s", c.RemoteMultiaddr())
		}
		if got := c.ConnState().Security; got != noise.ID {
			t.Errorf("secured by %s, which clocks that differ may end", got)
		}
	}
	if p := a.Path(b.ID()); p != PathLocal {
		t.Errorf("path %q", p)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if ev := await(t, "an event", a.Peers()); ev != (PeerEvent{b.ID(), false}) {
		t.Errorf("event %v", ev)
	}
	if p := a.Path(b.ID()); p != PathNone {
		t.Errorf("path %q", p)
	}
}

func TestReachAtANewAddressAfterFailures(t *testing.T) {
	a, b := newHost(t), newHost(t)
	dead := peer.AddrInfo{ID: b.ID(), Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")}}
	for range 3 {
		if err := a.Reach(within(t), dead); err == nil {
			t.Fatal("reached nobody")
		}
	}
	reach(t, a, b)
}

// A dial to where a peer was before, and where nobody answers, has succeeded when
// the peer comes by another way.
func TestOldDialSucceedsWhenThePeerComes(t *testing.T) {
	a, b := newHost(t), newHost(t)
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	old := fmt.Sprintf("/ip4/127.0.0.1/udp/%d/quic-v1", silent.LocalAddr().(*net.UDPAddr).Port)
	a.learn(peer.AddrInfo{ID: b.ID(), Addrs: []multiaddr.Multiaddr{multiaddr.StringCast(old)}})
	dialled := make(chan error, 1)
	go func() {
		dialled <- a.connect(network.WithForceDirectDial(t.Context(), "test"), b.ID(), time.Hour)
	}()
	if _, _, err := silent.ReadFrom(make([]byte, 2048)); err != nil { // the dial is under way
		t.Fatal(err)
	}
	reach(t, b, a)
	if err := await(t, "the end of the dial", dialled); err != nil {
		t.Errorf("the dial says %v", err)
	}
}

func TestPeersKeepsTheNewestStateForASlowReader(t *testing.T) {
	present := make(map[peer.ID]bool)
	arrive := event.EvtPeerIdentificationCompleted{Peer: "p", Protocols: []protocol.ID{wire.Message}}
	leave := event.EvtPeerConnectednessChanged{Peer: "p", Connectedness: network.NotConnected}
	server := event.EvtPeerIdentificationCompleted{Peer: "server", Protocols: []protocol.ID{"/other/1"}}
	for _, step := range []struct {
		event   any
		changed bool
	}{{leave, false}, {server, false}, {arrive, true}, {arrive, false}, {leave, true}, {leave, false}, {arrive, true}} {
		if _, changed := note(present, step.event); changed != step.changed {
			t.Errorf("%T: changed %t", step.event, changed)
		}
	}
	if !present["p"] || present["server"] {
		t.Errorf("present: %v", present)
	}
}

func TestRankTCPFirst(t *testing.T) {
	quic, public := multiaddr.StringCast("/ip4/127.0.0.1/udp/1/quic-v1"), multiaddr.StringCast("/ip4/8.8.8.8/tcp/1")
	tcp := multiaddr.StringCast("/ip4/192.168.1.1/tcp/1")
	ranked := rankTCPFirst([]multiaddr.Multiaddr{quic, public, tcp})
	if !ranked[0].Addr.Equal(tcp) || !ranked[1].Addr.Equal(public) || !ranked[2].Addr.Equal(quic) || ranked[0].Delay != 0 {
		t.Errorf("order %v", ranked)
	}
	if alone := rankTCPFirst([]multiaddr.Multiaddr{quic}); alone[0].Delay != 0 {
		t.Errorf("the only address waits %s", alone[0].Delay)
	}
	if len(rankTCPFirst(nil)) != 0 {
		t.Error("something of nothing")
	}
}

func TestCloseTwice(t *testing.T) {
	h := newHost(t)
	for range 2 {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := h.Link(within(t), "p"); !errors.Is(err, ErrClosed) {
		t.Errorf("link of a closed host: %v", err)
	}
}
