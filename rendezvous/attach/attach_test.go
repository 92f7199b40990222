package attach

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// The real balancer's tests drive this package end to end. Here the other side
// is a script, so that it can misbehave.

func newHost(t *testing.T, options ...libp2p.Option) host.Host {
	t.Helper()
	h, err := libp2p.New(append(options,
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics(),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// newBalancer returns a listening host that runs script for every backend
// stream.
func newBalancer(t *testing.T, script func(s network.Stream, frames *wire.Reader)) host.Host {
	t.Helper()
	h := newHost(t, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
	h.SetStreamHandler(wire.Backend, func(s network.Stream) {
		defer s.Reset()
		script(s, wire.NewReader(s, wire.MaxBalancer))
	})
	return h
}

func withRelay(t *testing.T, h host.Host) {
	t.Helper()
	r, err := relay.New(h, relay.WithInfiniteLimits())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
}

func infoOf(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

// run attaches until the test ends, and returns the attachment and how to stop
// it and wait for its end.
func run(t *testing.T, cfg Config) (a *Attachment, stop func()) {
	t.Helper()
	if cfg.Certificate == nil {
		cfg.Certificate = []byte("certificate")
	}
	if cfg.BeatTimeout == 0 {
		cfg.BeatTimeout = harness.Timeout // a busy machine is no frozen balancer, except where that is the point
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a, harness.Run(t, a.Run)
}

// reply answers beats until the stream ends, and passes each on.
func reply(s network.Stream, frames *wire.Reader, beats chan<- *pb.Backend) error {
	for {
		var beat pb.Backend
		if err := frames.Read(&beat); err != nil {
			return err
		}
		select {
		case beats <- &beat:
		default: // the test has seen enough
		}
		if err := wire.WriteFrame(s, &pb.BackendReply{}); err != nil {
			return err
		}
	}
}

func TestBeats(t *testing.T) {
	beats := make(chan *pb.Backend, 100)
	ended := make(chan error, 10)
	balancer := newBalancer(t, func(s network.Stream, frames *wire.Reader) { ended <- reply(s, frames, beats) })
	withRelay(t, balancer)
	var ready atomic.Bool
	server := newHost(t, libp2p.NoListenAddrs, libp2p.EnableRelay())
	a, stop := run(t, Config{
		Host:         server,
		Balancers:    []peer.AddrInfo{infoOf(balancer)},
		Ready:        ready.Load,
		BeatInterval: 10 * time.Millisecond,
	})
	first := harness.Receive(t, "first frame", beats)
	if string(first.GetCertificate()) != "certificate" || first.GetReady() || len(first.GetAddresses()) != 0 {
		t.Fatalf("first frame %v", first)
	}
	for range 5 {
		if b := harness.Receive(t, "beat", beats); len(b.GetCertificate()) != 0 || b.GetReady() {
			t.Fatalf("beat %v, though the server is not ready", b)
		}
	}
	ready.Store(true)
	for !harness.Receive(t, "a beat that says ready", beats).GetReady() {
	}
	if a.Attached() != 1 {
		t.Fatalf("attached to %d", a.Attached())
	}
	stop()
	if err := harness.Receive(t, "the stream's end", ended); !errors.Is(err, io.EOF) {
		t.Fatalf("the stream did not end cleanly: %v", err)
	}
	if server.Network().Connectedness(balancer.ID()) != network.Connected {
		t.Fatal("leaving cut the connection, and circuits with it")
	}
	if a.Attached() != 0 {
		t.Fatalf("attached to %d", a.Attached())
	}
}

// TestNotReadyWithoutReservation: whatever the server thinks, nobody could
// come.
func TestNotReadyWithoutReservation(t *testing.T) {
	beats := make(chan *pb.Backend, 100)
	balancer := newBalancer(t, func(s network.Stream, frames *wire.Reader) { reply(s, frames, beats) })
	run(t, Config{
		Host:         newHost(t, libp2p.NoListenAddrs, libp2p.EnableRelay()),
		Balancers:    []peer.AddrInfo{infoOf(balancer)}, // no relay there
		BeatInterval: time.Millisecond,
	})
	for range 20 {
		if harness.Receive(t, "beat", beats).GetReady() {
			t.Fatal("ready without a circuit")
		}
	}
}

func TestAdvertised(t *testing.T) {
	addr := ma.StringCast("/ip4/192.0.2.1/tcp/4001")
	beats := make(chan *pb.Backend, 100)
	balancer := newBalancer(t, func(s network.Stream, frames *wire.Reader) { reply(s, frames, beats) })
	run(t, Config{
		Host:         newHost(t, libp2p.NoListenAddrs),
		Balancers:    []peer.AddrInfo{infoOf(balancer)},
		Advertise:    []ma.Multiaddr{addr},
		BeatInterval: time.Millisecond,
	})
	first := harness.Receive(t, "first frame", beats)
	if len(first.GetAddresses()) != 1 || string(first.GetAddresses()[0]) != string(addr.Bytes()) {
		t.Fatalf("first frame %v", first)
	}
	for !harness.Receive(t, "a beat that says ready", beats).GetReady() {
	}
}

// TestComesBack: whatever the balancer does, the server tries again over a new
// connection.
func TestComesBack(t *testing.T) {
	for name, misbehave := range map[string]func(s network.Stream, frames *wire.Reader){
		"freezes": func(s network.Stream, frames *wire.Reader) {
			io.Copy(io.Discard, s) // reads, says nothing
		},
		"closes": func(s network.Stream, frames *wire.Reader) { s.Close() },
		"resets": func(s network.Stream, frames *wire.Reader) { s.Reset() },
		"garbage": func(s network.Stream, frames *wire.Reader) {
			s.Write([]byte{4, 0xff, 0xff, 0xff, 0xff})
			io.Copy(io.Discard, s)
		},
		"too long": func(s network.Stream, frames *wire.Reader) {
			s.Write([]byte{0xff, 0xff, 0xff, 0x7f})
			io.Copy(io.Discard, s)
		},
		"freezes later": func(s network.Stream, frames *wire.Reader) {
			wire.WriteFrame(s, &pb.BackendReply{})
			io.Copy(io.Discard, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conns := make(chan network.Conn, 10)
			balancer := newBalancer(t, func(s network.Stream, frames *wire.Reader) {
				select {
				case conns <- s.Conn():
				default:
				}
				misbehave(s, frames)
			})
			run(t, Config{
				Host:         newHost(t, libp2p.NoListenAddrs),
				Balancers:    []peer.AddrInfo{infoOf(balancer)},
				Advertise:    []ma.Multiaddr{ma.StringCast("/ip4/192.0.2.1/tcp/4001")},
				BeatInterval: 20 * time.Millisecond,
				BeatTimeout:  200 * time.Millisecond,
			})
			first, second := harness.Receive(t, "a stream", conns), harness.Receive(t, "another stream", conns)
			if first == second {
				t.Fatal("tried again over the connection that failed")
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	h := newHost(t, libp2p.NoListenAddrs)
	certificate := []byte("certificate")
	for name, cfg := range map[string]Config{
		"no host":                    {Certificate: certificate},
		"no certificate":             {Host: h},
		"balancer without addresses": {Host: h, Certificate: certificate, Balancers: []peer.AddrInfo{{ID: h.ID()}}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
