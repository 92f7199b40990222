package balancer_test

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	circuitv2 "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/rendezvous/circuit"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// voucher is a server's key, which signs permits.
type voucher struct {
	key crypto.PrivKey
	id  peer.ID
}

func newVoucher(t *testing.T) voucher {
	t.Helper()
	key := newKey(t)
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return voucher{key, id}
}

// Sign implements record.Signer.
func (v voucher) Sign(message []byte) []byte {
	raw, err := v.key.Raw()
	if err != nil {
		panic(err)
	}
	return ed25519.Sign(raw, message)
}

// request is a device's permit by a server of the cluster.
func (v voucher) request(o operator, device peer.ID, lasts time.Duration) *pb.RelayRequest {
	return &pb.RelayRequest{
		Certificate: o.certify(v.id, -time.Hour, time.Hour),
		Permit:      record.Permit{Device: device, Until: time.Now().Add(lasts)}.Sign(v),
	}
}

// present shows a permit and returns the balancer's word.
func present(t *testing.T, h host.Host, b *balancer.Balancer, request *pb.RelayRequest) error {
	t.Helper()
	var reply pb.RelayReply
	say(t, open(t, h, infoOf(t, b), wire.Relay), request, &reply)
	return wire.FromWire(reply.GetError())
}

// reserves reports whether a connected host gets a place on the relay.
func reserves(t *testing.T, h host.Host, b *balancer.Balancer) bool {
	t.Helper()
	_, err := circuitv2.Reserve(t.Context(), h, infoOf(t, b))
	return err == nil
}

// TestPermittedDevice: two devices that listen nowhere talk through the relay,
// the one that is reached with a permit, the other with none.
func TestPermittedDevice(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	v, device := newVoucher(t), newHost(t)
	if err := present(t, device, b, v.request(o, device.ID(), time.Hour)); err != nil {
		t.Fatal(err)
	}
	if !reserves(t, device, b) {
		t.Fatal("a device with a permit has no place")
	}
	echo(device)
	other := newHost(t)
	if err := dial(t, other, device.ID(), circuit.Addrs(infoOf(t, b))); err != nil {
		t.Fatal(err)
	}
	echoes(t, other, device.ID())
}

func TestNoPermit(t *testing.T) {
	o, elsewhere := newOperator(t), newOperator(t)
	b, _ := startBalancer(t, o, nil)
	v, neighbour := newVoucher(t), newHost(t).ID()
	flipped := func(r *pb.RelayRequest, field []byte) *pb.RelayRequest { field[len(field)/2] ^= 1; return r }
	for name, request := range map[string]func(peer.ID) *pb.RelayRequest{
		"none":              func(peer.ID) *pb.RelayRequest { return new(pb.RelayRequest) },
		"garbage":           func(peer.ID) *pb.RelayRequest { return &pb.RelayRequest{Permit: make([]byte, 200)} },
		"another device's":  func(peer.ID) *pb.RelayRequest { return v.request(o, neighbour, time.Hour) },
		"another cluster's": func(id peer.ID) *pb.RelayRequest { return v.request(elsewhere, id, time.Hour) },
		"another server's": func(id peer.ID) *pb.RelayRequest {
			r := v.request(o, id, time.Hour)
			r.Certificate = o.certify(neighbour, -time.Hour, time.Hour)
			return r
		},
		"its own": func(id peer.ID) *pb.RelayRequest {
			r := v.request(o, id, time.Hour)
			r.Permit = record.Permit{Device: id, Until: time.Now().Add(time.Hour)}.Sign(newVoucher(t))
			return r
		},
		"flipped": func(id peer.ID) *pb.RelayRequest { r := v.request(o, id, time.Hour); return flipped(r, r.Permit) },
		"certificate flipped": func(id peer.ID) *pb.RelayRequest {
			r := v.request(o, id, time.Hour)
			return flipped(r, r.Certificate)
		},
		"expired":  func(id peer.ID) *pb.RelayRequest { return v.request(o, id, -time.Second) },
		"for ever": func(id peer.ID) *pb.RelayRequest { return v.request(o, id, 1000*time.Hour) },
		"of a past server": func(id peer.ID) *pb.RelayRequest {
			r := v.request(o, id, time.Hour)
			r.Certificate = o.certify(v.id, -2*time.Hour, -time.Hour)
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			if err := present(t, h, b, request(h.ID())); !errors.Is(err, wire.ErrRefused) {
				t.Errorf("got %v", err)
			}
			if reserves(t, h, b) {
				t.Error("it has a place on the relay all the same")
			}
		})
	}
}

// TestPermitEnds: with its time over, no new circuit leads to a device though
// its reservation stands, and with its connection gone the permit is too.
func TestPermitEnds(t *testing.T) {
	o := newOperator(t)
	b, _ := startBalancer(t, o, nil)
	v, device := newVoucher(t), newHost(t)
	around := circuit.Addrs(infoOf(t, b))
	// A second is what a permit counts in; the wait for its end is up to two.
	if err := present(t, device, b, v.request(o, device.ID(), 2*time.Second)); err != nil {
		t.Fatal(err)
	}
	if !reserves(t, device, b) {
		t.Fatal("no place with a permit")
	}
	harness.Await(t, "no circuit to a device whose permit is over", func() bool {
		h := newHost(t)
		return h.Connect(t.Context(), peer.AddrInfo{ID: device.ID(), Addrs: around}) != nil
	})
	if reserves(t, device, b) {
		t.Error("a place without a permit")
	}
	if err := present(t, device, b, v.request(o, device.ID(), time.Hour)); err != nil || !reserves(t, device, b) {
		t.Errorf("renewed: %v", err)
	}
	id := infoOf(t, b).ID
	device.Network().ClosePeer(id)
	harness.Await(t, "the connection gone", func() bool {
		return device.Network().Connectedness(id) == network.NotConnected
	})
	harness.Await(t, "no place after the connection", func() bool {
		h := device
		if err := h.Connect(t.Context(), infoOf(t, b)); err != nil {
			t.Fatal(err)
		}
		had := reserves(t, h, b)
		if had { // the balancer had not seen the old connection close yet
			h.Network().ClosePeer(id)
		}
		return !had
	})
}
