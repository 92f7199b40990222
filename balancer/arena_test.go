package balancer_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	circuitv2 "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	pbv2 "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/pb"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/util"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// Addresses of this machine that are limited like any other: who abuses the balancer, and
// who must not notice.
const (
	abuser    = "127.0.0.2"
	neighbour = "127.0.0.3"
)

// arena is a balancer with a server, and a regular who was there before anything
// happened: it has a circuit to the server, and a stream that is to go on.
type arena struct {
	o      operator
	b      *balancer.Balancer
	v      voucher
	server host.Host
	beat   network.Stream

	ends []func() // of what there is only for a time; see during
}

func newArena(t *testing.T) *arena { return newArenaWith(t, nil) }

func newArenaWith(t *testing.T, change func(*balancer.Config)) *arena {
	t.Helper()
	a := &arena{o: newOperator(t), v: newVoucher(t)}
	a.b, _ = startBalancer(t, a.o, change)
	a.server, _ = startServer(t, a.o, infoOf(t, a.b))
	echo(a.server)
	awaitReady(t, a.b, 1)
	regular := newHost(t)
	id, addrs := assigned(t, a.o, ask(t, regular, infoOf(t, a.b)))
	if err := dial(t, regular, id, addrs); err != nil {
		t.Fatal(err)
	}
	var err error
	if a.beat, err = regular.NewStream(t.Context(), id, echoProtocol); err != nil {
		t.Fatal(err)
	}
	a.beats(t)
	return a
}

// beats has the regular's stream carry a byte there and back.
func (a *arena) beats(t *testing.T) {
	t.Helper()
	if err := a.beat.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.beat.Write([]byte{7}); err != nil {
		t.Fatalf("the regular's stream broke: %v", err)
	}
	if _, err := io.ReadFull(a.beat, make([]byte, 1)); err != nil {
		t.Fatalf("the regular's stream broke: %v", err)
	}
}

// unharmed checks that the regular's stream goes on, and that somebody who comes from an
// address now gets a server and a circuit to it.
func (a *arena) unharmed(t *testing.T, from string) {
	t.Helper()
	a.beats(t)
	h := a.host(t, from)
	id, addrs := assigned(t, a.o, ask(t, h, infoOf(t, a.b)))
	if id != a.server.ID() {
		t.Fatal("somebody else got another server")
	}
	if err := dial(t, h, id, addrs); err != nil {
		t.Fatalf("somebody else has no circuit: %v", err)
	}
	echoes(t, h, id)
	a.beats(t)
}

// held is what the balancer holds, and what runs here in all.
type held struct{ connections, streams, goroutines int }

func (a *arena) held() (h held) {
	h.connections, h.streams = a.b.Held()
	h.goroutines = runtime.NumGoroutine()
	return h
}

// returned waits until no more is held than before.
func (a *arena) returned(t *testing.T, before held) {
	t.Helper()
	const others = 20 // goroutines of this test's own questions for metrics
	harness.Await(t, "connections, streams and goroutines end", func() bool {
		now := a.held()
		return now.connections <= before.connections && now.streams <= before.streams && now.goroutines <= before.goroutines+others
	})
}

// during runs a part of a test, after which every client of it is gone.
func (a *arena) during(t *testing.T, part func(*testing.T)) {
	t.Helper()
	defer func() {
		for _, end := range a.ends {
			end()
		}
		a.ends = nil
	}()
	part(t)
}

// host returns a client that comes from an address of this machine.
func (a *arena) host(t *testing.T, from string, more ...libp2p.Option) host.Host {
	t.Helper()
	h := newHostFrom(t, from, append(more, libp2p.EnableRelay())...)
	a.ends = append(a.ends, func() { h.Close() })
	return h
}

func newHostFrom(t *testing.T, from string, more ...libp2p.Option) host.Host {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return newHostOver(t, libp2p.Transport(tcp.NewTCPTransport,
		tcp.WithDialerForAddr(func(ma.Multiaddr) (tcp.ContextDialer, error) { return dialer, nil })), more...)
}

func identity(key crypto.PrivKey) libp2p.Option { return libp2p.Identity(key) }

// device is host with a permit.
func (a *arena) device(t *testing.T, from string) host.Host {
	t.Helper()
	h := a.host(t, from)
	if err := present(t, h, a.b, a.v.request(a.o, h.ID(), time.Hour)); err != nil {
		t.Fatal(err)
	}
	return h
}

// connect connects to the balancer's port and says nothing.
func (a *arena) connect(t *testing.T) net.Conn {
	t.Helper()
	to, err := manet.ToNetAddr(infoOf(t, a.b).Addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(abuser)}}
	c, err := dialer.DialContext(harness.Within(t), to.Network(), to.String())
	if err != nil {
		t.Fatal(err)
	}
	a.ends = append(a.ends, func() { c.Close() })
	return c
}

// sink is a device that takes every circuit, and does nothing with it.
func (a *arena) sink(t *testing.T) peer.ID {
	t.Helper()
	h := newHostFrom(t, neighbour)
	a.ends = append(a.ends, func() { h.Close() })
	h.SetStreamHandler(proto.ProtoIDv2Stop, func(s network.Stream) {
		taken := &pbv2.StopMessage{Type: pbv2.StopMessage_STATUS.Enum(), Status: pbv2.Status_OK.Enum()}
		if util.NewDelimitedReader(s, maxHop).ReadMsg(new(pbv2.StopMessage)) != nil || util.NewDelimitedWriter(s).WriteMsg(taken) != nil {
			s.Reset()
			return
		}
		_, _ = io.Copy(io.Discard, s) // until it ends
		s.Reset()
	})
	if err := present(t, h, a.b, a.v.request(a.o, h.ID(), time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := circuitv2.Reserve(t.Context(), h, infoOf(t, a.b)); err != nil {
		t.Fatal(err)
	}
	return h.ID()
}

// maxHop is what libp2p takes as a message of its relay.
const maxHop = 4096

// hop asks for a circuit on a stream.
func hop(s network.Stream, to peer.ID) bool {
	connect := &pbv2.HopMessage{Type: pbv2.HopMessage_CONNECT.Enum(), Peer: util.PeerInfoToPeerV2(peer.AddrInfo{ID: to})}
	answer := new(pbv2.HopMessage)
	err := util.NewDelimitedWriter(s).WriteMsg(connect)
	if err == nil {
		err = util.NewDelimitedReader(s, maxHop).ReadMsg(answer)
	}
	if err != nil || answer.GetStatus() != pbv2.Status_OK {
		s.Reset()
		return false
	}
	return true
}

// hangsUp waits until the balancer closes what a client leaves open.
func hangsUp(t *testing.T, what string, r io.Reader) {
	t.Helper()
	if own, ok := r.(network.Stream); ok { // then the end must come from the other side
		if err := own.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan struct{})
	go func() { io.Copy(io.Discard, r); close(ended) }()
	harness.Receive(t, what+" is hung up on", ended)
}
