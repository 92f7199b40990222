package balancer_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	circuitv2 "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/rendezvous/attach"
	"github.com/tryst-chat/tryst/rendezvous/circuit"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

func TestUncertifiedServers(t *testing.T) {
	o, other := newOperator(t), newOperator(t)
	b, _ := startBalancer(t, o, nil)
	neighbour := newHost(t).ID()
	for name, certificate := range map[string]func(peer.ID) []byte{
		"none":            func(peer.ID) []byte { return nil },
		"garbage":         func(peer.ID) []byte { return make([]byte, 200) },
		"other cluster's": func(id peer.ID) []byte { return other.certify(id, -time.Hour, time.Hour) },
		"other server's":  func(peer.ID) []byte { return o.certify(neighbour, -time.Hour, time.Hour) },
		"expired":         func(id peer.ID) []byte { return o.certify(id, -2*time.Hour, -time.Hour) },
		"of tomorrow":     func(id peer.ID) []byte { return o.certify(id, time.Hour, 2*time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			s := open(t, h, infoOf(t, b), wire.Backend)
			var reply pb.BackendReply
			say(t, s, &pb.Backend{Certificate: certificate(h.ID()), Ready: true}, &reply)
			if err := wire.FromWire(reply.GetError()); !errors.Is(err, wire.ErrRefused) {
				t.Fatalf("got %v", err)
			}
			if len(b.Loads()) != 0 {
				t.Fatal("it is in the pool all the same")
			}
			if _, err := circuitv2.Reserve(t.Context(), h, infoOf(t, b)); err == nil {
				t.Fatal("it may reserve a circuit all the same")
			}
		})
	}
}

func TestAdvertisedAddresses(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	h := newHost(t)
	direct := ma.StringCast("/ip4/192.0.2.1/tcp/4001")
	a, err := attach.New(attach.Config{
		Host:        h,
		Balancers:   []peer.AddrInfo{infoOf(t, b)},
		Certificate: o.certify(h.ID(), -time.Hour, time.Hour),
		Advertise:   []ma.Multiaddr{direct},
	})
	if err != nil {
		t.Fatal(err)
	}
	harness.Run(t, a.Run)
	awaitReady(t, b, 1)
	id, addrs := assigned(t, o, ask(t, newHost(t), infoOf(t, b)))
	if id != h.ID() || len(addrs) != 1 || !addrs[0].Equal(direct) {
		t.Fatalf("assigned %s at %s", id, addrs)
	}
}

func TestAdvertisedNonsense(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	many := make([][]byte, 17)
	for i := range many {
		many[i] = ma.StringCast("/ip4/192.0.2.1/tcp/1").Bytes()
	}
	for name, addrs := range map[string][][]byte{"garbage": {{1, 2, 3}}, "empty": {{}}, "too many": many} {
		h := newHost(t)
		var reply pb.BackendReply
		s := open(t, h, infoOf(t, b), wire.Backend)
		say(t, s, &pb.Backend{Certificate: o.certify(h.ID(), -time.Hour, time.Hour), Addresses: addrs}, &reply)
		if err := wire.FromWire(reply.GetError()); !errors.Is(err, wire.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFrozenServer: a server whose connection stays but whose beats stop gets
// nobody new after the time-out, and the connection goes.
func TestFrozenServer(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, func(c *balancer.Config) { c.BeatTimeout = 50 * time.Millisecond })
	h := newHost(t)
	s := open(t, h, infoOf(t, b), wire.Backend)
	var reply pb.BackendReply
	say(t, s, &pb.Backend{Certificate: o.certify(h.ID(), -time.Hour, time.Hour), Ready: true}, &reply)
	if err := wire.FromWire(reply.GetError()); err != nil {
		t.Fatalf("it was not taken in: %v", err)
	}
	harness.Await(t, "frozen server out of the pool", func() bool { return len(b.Loads()) == 0 })
	harness.Await(t, "connection closed", func() bool {
		return h.Network().Connectedness(infoOf(t, b).ID) == network.NotConnected
	})
}

// TestServerThatLeaves: a stream that ends cleanly takes the server out but
// leaves its connection, and so its clients' circuits, alone. New circuits do
// not lead there, though its reservation stands.
func TestServerThatLeaves(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	h := newHost(t)
	s := open(t, h, infoOf(t, b), wire.Backend)
	var reply pb.BackendReply
	say(t, s, &pb.Backend{Certificate: o.certify(h.ID(), -time.Hour, time.Hour), Ready: true}, &reply)
	if _, err := circuitv2.Reserve(t.Context(), h, infoOf(t, b)); err != nil {
		t.Fatal(err)
	}
	around := circuit.Addrs(infoOf(t, b))
	if err := dial(t, newHost(t), h.ID(), around); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "server out of the pool", func() bool { return len(b.Loads()) == 0 })
	// The balancer's end of the stream comes after everything it does.
	if _, err := io.Copy(io.Discard, s); err != nil && !errors.Is(err, network.ErrReset) {
		t.Fatal(err)
	}
	if h.Network().Connectedness(infoOf(t, b).ID) != network.Connected {
		t.Fatal("the connection was closed")
	}
	if err := dial(t, newHost(t), h.ID(), around); err == nil {
		t.Fatal("a circuit to a server that has left")
	}
}

func TestNotReadyGetsNobody(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	h := newHost(t)
	s := open(t, h, infoOf(t, b), wire.Backend)
	var reply pb.BackendReply
	say(t, s, &pb.Backend{Certificate: o.certify(h.ID(), -time.Hour, time.Hour)}, &reply)
	answer := ask(t, newHost(t), infoOf(t, b))
	if err := wire.FromWire(answer.GetError()); !errors.Is(err, wire.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	say(t, s, &pb.Backend{Ready: true}, &reply)
	assigned(t, o, ask(t, newHost(t), infoOf(t, b)))
}

// TestNewerStreamWins: when a server comes back before its old stream is known
// to be dead, the old one's end does not take it out.
func TestNewerStreamWins(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	h := newHost(t)
	hello := &pb.Backend{Certificate: o.certify(h.ID(), -time.Hour, time.Hour), Ready: true}
	var reply pb.BackendReply
	old := open(t, h, infoOf(t, b), wire.Backend)
	say(t, old, hello, &reply)
	newer := open(t, h, infoOf(t, b), wire.Backend)
	say(t, newer, hello, &reply)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, old) // until the balancer has ended it
	say(t, newer, &pb.Backend{Ready: true}, &reply)
	if ready(b) != 1 {
		t.Fatal("the end of an old stream took the server out")
	}
}

// TestCertificateEnds: a server is out once its certificate ends, however well
// it beats.
func TestCertificateEnds(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	h := newHost(t)
	// Certificates count whole seconds: this one lasts for one or two.
	certificate := o.certify(h.ID(), -time.Hour, 2*time.Second)
	s := open(t, h, infoOf(t, b), wire.Backend)
	replies := wire.NewReader(s, wire.MaxBalancer)
	harness.Await(t, "refused in the end", func() bool {
		if err := wire.WriteFrame(s, &pb.Backend{Certificate: certificate, Ready: true}); err != nil {
			t.Fatal(err)
		}
		var reply pb.BackendReply
		if err := replies.Read(&reply); err != nil {
			t.Fatal(err)
		}
		return errors.Is(wire.FromWire(reply.GetError()), wire.ErrRefused)
	})
	harness.Await(t, "out of the pool", func() bool { return len(b.Loads()) == 0 })
}
