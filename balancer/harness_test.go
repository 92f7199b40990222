package balancer_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/rendezvous/attach"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/freeport"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// TestMain makes libp2p remember a dial that failed for longer than any test
// waits: what finds its way back without the memory fading was not held up by
// it, however busy the machine is.
func TestMain(m *testing.M) {
	swarm.BackoffBase = time.Hour
	os.Exit(m.Run())
}

// operator holds a cluster key, as a person does.
type operator struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey
}

func newOperator(t *testing.T) operator {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return operator{public, private}
}

// Sign implements record.Signer.
func (o operator) Sign(message []byte) []byte { return ed25519.Sign(o.private, message) }

func (o operator) certify(server peer.ID, from, until time.Duration) []byte {
	now := time.Now()
	return record.Certificate{Server: server, Name: "test", From: now.Add(from), Until: now.Add(until)}.Sign(o)
}

func newKey(t *testing.T) crypto.PrivKey {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func startBalancer(t *testing.T, o operator, change func(*balancer.Config)) (b *balancer.Balancer, stop func()) {
	t.Helper()
	ports, err := freeport.Draw(1)
	if err != nil {
		t.Fatal(err)
	}
	cfg := balancer.Config{
		Key:           newKey(t),
		Listen:        []ma.Multiaddr{ma.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", ports[0]))},
		ClusterKey:    o.public,
		MetricsListen: balancer.DefaultMetrics,
		BeatTimeout:   harness.Timeout, // a busy machine is no frozen server, except where that is the point
	}
	if change != nil {
		change(&cfg)
	}
	b, err = balancer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b, harness.Run(t, b.Run)
}

func infoOf(t *testing.T, b *balancer.Balancer) peer.AddrInfo {
	t.Helper()
	info, err := peer.AddrInfoFromP2pAddr(b.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	return *info
}

// newHost returns a host that listens nowhere but can dial and be reached
// through circuits.
func newHost(t *testing.T) host.Host {
	t.Helper()
	return newHostWith(t, libp2p.EnableRelay(), libp2p.Transport(quic.NewTransport))
}

// newHosts returns many clients that only ask, each as cheap as it gets.
func newHosts(t *testing.T, n int) []host.Host {
	t.Helper()
	hosts := make([]host.Host, n)
	for i := range hosts {
		hosts[i] = newHostWith(t, libp2p.Security(noise.ID, noise.New), libp2p.Ping(false))
	}
	return hosts
}

func newHostWith(t *testing.T, options ...libp2p.Option) host.Host {
	t.Helper()
	return newHostOver(t, libp2p.Transport(tcp.NewTCPTransport), options...)
}

func newHostOver(t *testing.T, transport libp2p.Option, options ...libp2p.Option) host.Host {
	t.Helper()
	h, err := libp2p.New(append([]libp2p.Option{
		libp2p.NoListenAddrs,
		transport,
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.SwarmOpts(swarm.WithDialTimeout(harness.Timeout), swarm.WithDialTimeoutLocal(harness.Timeout)),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// startServer attaches a server that is behind the balancer only.
func startServer(t *testing.T, o operator, balancers ...peer.AddrInfo) (h host.Host, stop func()) {
	t.Helper()
	h = newHost(t)
	a, err := attach.New(attach.Config{
		Host:        h,
		Balancers:   balancers,
		Certificate: o.certify(h.ID(), -time.Hour, time.Hour),
		BeatTimeout: harness.Timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h, harness.Run(t, a.Run)
}

// ready counts the servers that get new clients.
func ready(b *balancer.Balancer) int {
	n := 0
	for _, l := range b.Loads() {
		if l.Ready {
			n++
		}
	}
	return n
}

func awaitReady(t *testing.T, b *balancer.Balancer, n int) {
	t.Helper()
	harness.Await(t, "servers ready", func() bool { return ready(b) == n })
}

// open connects and opens a stream.
func open(t *testing.T, h host.Host, b peer.AddrInfo, id protocol.ID) network.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	if err := h.Connect(ctx, b); err != nil {
		t.Fatal(err)
	}
	s, err := h.NewStream(ctx, b.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Reset() })
	if err := s.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
		t.Fatal(err)
	}
	return s
}

// say sends one message and reads the answer.
func say(t *testing.T, s network.Stream, m, answer proto.Message) {
	t.Helper()
	if err := wire.WriteFrame(s, m); err != nil {
		t.Fatal(err)
	}
	if err := wire.NewReader(s, wire.MaxBalancer).Read(answer); err != nil {
		t.Fatal(err)
	}
}

// question asks for a server; any goroutine may call it.
func question(ctx context.Context, h host.Host, b peer.AddrInfo, avoid ...[]byte) (*pb.Assignment, error) {
	ctx, cancel := context.WithTimeout(ctx, harness.Timeout)
	defer cancel()
	if err := h.Connect(ctx, b); err != nil {
		return nil, err
	}
	s, err := h.NewStream(ctx, b.ID, wire.Balancer)
	if err != nil {
		return nil, err
	}
	defer s.Reset()
	if err := s.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
		return nil, err
	}
	if err := wire.WriteFrame(s, &pb.BalancerRequest{Avoid: avoid}); err != nil {
		return nil, err
	}
	var answer pb.Assignment
	return &answer, wire.NewReader(s, wire.MaxBalancer).Read(&answer)
}

// ask asks for a server.
func ask(t *testing.T, h host.Host, b peer.AddrInfo, avoid ...[]byte) *pb.Assignment {
	t.Helper()
	answer, err := question(t.Context(), h, b, avoid...)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// assigned checks an answer as a node does and returns whom it names.
func assigned(t *testing.T, o operator, a *pb.Assignment) (peer.ID, []ma.Multiaddr) {
	t.Helper()
	if err := wire.FromWire(a.GetError()); err != nil {
		t.Fatal(err)
	}
	c, err := record.VerifyCertificate(a.GetCertificate(), o.public, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var addrs []ma.Multiaddr
	for _, raw := range a.GetAddresses() {
		addr, err := ma.NewMultiaddrBytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, addr)
	}
	return c.Server, addrs
}
