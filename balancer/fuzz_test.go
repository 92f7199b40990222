package balancer

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

type signer ed25519.PrivateKey

// Sign implements record.Signer.
func (s signer) Sign(message []byte) []byte { return ed25519.Sign(ed25519.PrivateKey(s), message) }

// FuzzHello: a server's first frame is taken only with a certificate that the
// cluster key has signed, and with addresses that clients can parse.
func FuzzHello(f *testing.F) {
	cluster := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := cluster.Public().(ed25519.PublicKey)
	serverKey, err := crypto.UnmarshalEd25519PublicKey(public) // any key will do
	if err != nil {
		f.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(serverKey)
	if err != nil {
		f.Fatal(err)
	}
	// The same in every run: what an earlier run has found is tried again.
	certificate := record.Certificate{
		Server: id, From: time.Unix(0, 0), Until: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}.Sign(signer(cluster))
	hello := &pb.Backend{Certificate: certificate, Addresses: [][]byte{ma.StringCast("/ip4/192.0.2.1/tcp/1").Bytes()}}
	raw, err := proto.Marshal(hello)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	b := &Balancer{cfg: Config{ClusterKey: public}}
	if _, err := b.verify(id, hello); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var hello pb.Backend
		if proto.Unmarshal(raw, &hello) != nil {
			return
		}
		server, err := b.verify(id, &hello)
		if err != nil {
			return
		}
		if string(server.signed) != string(certificate) || len(server.addrs) > maxAddrs {
			t.Fatalf("took %x at %d addresses", server.signed, len(server.addrs))
		}
		for _, addr := range server.addrs {
			if _, err := ma.NewMultiaddrBytes(addr); err != nil || len(addr) > maxAddrSize {
				t.Fatalf("address %x: %v", addr, err)
			}
		}
	})
}

// FuzzAvoid: whatever a client says it could not reach, there are few of them
// and they are peer IDs.
func FuzzAvoid(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0x02, 0x00, 0x00})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var question pb.BalancerRequest
		if proto.Unmarshal(raw, &question) != nil {
			return
		}
		ids, err := parseAvoid(question.GetAvoid())
		if err != nil {
			return
		}
		if len(ids) > maxAvoid {
			t.Fatalf("%d servers", len(ids))
		}
		for _, id := range ids {
			if id.Validate() != nil {
				t.Fatalf("%q is no peer ID", id)
			}
		}
	})
}

// FuzzPermit: a device is let onto the relay only with the very permit that a
// server of the cluster has signed for it.
func FuzzPermit(f *testing.F) {
	cluster := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := cluster.Public().(ed25519.PublicKey)
	key, err := crypto.UnmarshalEd25519PublicKey(public) // any key will do
	if err != nil {
		f.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(key)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0) // the same in every run, as in FuzzHello
	genuine := &pb.RelayRequest{
		Certificate: record.Certificate{Server: id, From: now.Add(-time.Hour), Until: now.Add(time.Hour)}.Sign(signer(cluster)),
		Permit:      record.Permit{Device: id, Until: now.Add(time.Hour)}.Sign(signer(cluster)),
	}
	raw, err := proto.Marshal(genuine)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{})
	b := &Balancer{cfg: Config{ClusterKey: public}}
	if _, err := b.verifyPermit(id, genuine, now); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var request pb.RelayRequest
		if proto.Unmarshal(raw, &request) != nil {
			return
		}
		if _, err := b.verifyPermit(id, &request, now); err == nil && string(request.Permit) != string(genuine.Permit) {
			t.Fatalf("took %x", request.Permit)
		}
	})
}
