package rendezvous_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// spoken are the protocols of a server's own.
var spoken = []protocol.ID{wire.Rendezvous, wire.Beat, wire.Raft, wire.Forward, wire.Presence, wire.Servers}

// junk is what nobody should write, whatever is expected.
func junk() [][]byte {
	noise := make([]byte, 4<<10)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	oversized := []byte{0xff, 0xff, 0xff, 0xff, 0x7f} // a length of 34 GB
	return [][]byte{nil, {0}, {5, 1, 2}, oversized, noise, bytes.Repeat([]byte{1, 0}, 100)}
}

// settled waits until a server holds no more streams, connections and goroutines than
// before somebody came and went.
func (w *world) settled(came func()) {
	w.Helper()
	s := w.servers[0]
	streams, conns, goroutines := s.Streams(), s.Conns(), runtime.NumGoroutine()
	came()
	harness.Await(w, "streams that end", func() bool { return s.Streams() <= streams })
	harness.Await(w, "connections that end", func() bool { return s.Conns() <= conns })
	// Of who is there all the time some come and go.
	const some = 20
	harness.Await(w, "goroutines that end", func() bool { return runtime.NumGoroutine() <= goroutines+some })
}

// Whatever is written to any protocol that a server speaks, to one it does not, or
// before there is any, the server goes on, and others notice nothing.
func TestGarbage(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	b := w.bystanders(ctx)
	server := peer.AddrInfo{ID: w.servers[0].ID(), Addrs: w.made.Servers[0].Addresses}
	w.settled(func() {
		h := newHost(t, directorytest.NewKey(), false)
		if err := h.Connect(ctx, server); err != nil {
			t.Fatal(err)
		}
		known, err := h.Peerstore().GetProtocols(server.ID) // Connect waits for identify
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range spoken {
			if !slices.Contains(known, id) {
				t.Errorf("the server does not speak %s", id)
			}
		}
		for _, id := range append(known, "/tryst/nothing/1.0.0") {
			for _, bytes := range junk() {
				s, err := h.Network().NewStream(ctx, server.ID)
				if err != nil {
					t.Fatalf("%s: %v", id, err)
				}
				s.Write(append(lines("/multistream/1.0.0", string(id)), bytes...)) // an error is as good: the server hung up
				s.CloseWrite()
				answered(s)
			}
		}
		for _, bytes := range junk() { // instead of multistream
			s, err := h.Network().NewStream(ctx, server.ID)
			if err != nil {
				t.Fatal(err)
			}
			s.Write(bytes)
			s.CloseWrite()
			answered(s)
		}
		b.noticeNothing(ctx, true)
		h.Close()
	})
	w.settled(func() {
		for _, bytes := range junk() {
			for _, so := range []func(*testing.T, context.Context, peer.AddrInfo) net.Conn{afterTCP, afterMultistream, afterNoise} {
				conn := so(t, ctx, server)
				conn.Write(bytes)
				if tcp, ok := conn.(*net.TCPConn); ok {
					tcp.CloseWrite()
				}
				conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				io.Copy(io.Discard, conn)
				conn.Close()
			}
		}
		b.noticeNothing(ctx, true)
	})
}

// answered reads what a server says until it hangs up, or says nothing.
func answered(s network.Stream) {
	s.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	io.Copy(io.Discard, s)
	s.Reset()
}

// lines are multistream's: each behind its length.
func lines(of ...string) (out []byte) {
	for _, line := range of {
		out = append(binary.AppendUvarint(out, uint64(len(line)+1)), line+"\n"...)
	}
	return out
}

// afterTCP is a connection on which nothing has been said.
func afterTCP(t *testing.T, ctx context.Context, server peer.AddrInfo) net.Conn {
	t.Helper()
	network, addr, err := manet.DialArgs(server.Addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// afterMultistream is one on which both sides have agreed on Noise.
func afterMultistream(t *testing.T, ctx context.Context, server peer.AddrInfo) net.Conn {
	t.Helper()
	conn := afterTCP(t, ctx, server)
	agreed := lines("/multistream/1.0.0", "/noise")
	if _, err := conn.Write(agreed); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len(agreed))
	if _, err := io.ReadFull(conn, answer); err != nil || !bytes.Equal(answer, agreed) {
		t.Fatalf("the server says %q, %v", answer, err)
	}
	return conn
}

// afterNoise is one that is encrypted.
func afterNoise(t *testing.T, ctx context.Context, server peer.AddrInfo) net.Conn {
	t.Helper()
	secure, err := noise.New(noise.ID, directorytest.NewKey().Private(), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := secure.SecureOutbound(ctx, afterMultistream(t, ctx, server), server.ID)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// Streams on which nothing is written, or a byte now and then, end by themselves,
// however many there are; meanwhile others notice nothing.
func TestSlowLoris(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	b := w.bystanders(ctx)
	server := peer.AddrInfo{ID: w.servers[0].ID(), Addrs: w.made.Servers[0].Addresses}
	frame := []byte{100} // the length of one that never comes whole
	stall := []struct {
		id    protocol.ID
		each  int
		begin []byte
	}{
		{"", 20, nil}, {"", 10, lines("/multistream/1.0.0")[:5]},
		{wire.Rendezvous, 30, nil}, {wire.Rendezvous, 30, frame}, {wire.Beat, 2, nil}, {wire.Beat, 2, frame},
	}
	const devices = 10
	w.settled(func() {
		over := make(chan struct{}) // when all streams have ended
		var open sync.WaitGroup
		for range devices {
			h := newHost(t, directorytest.NewKey(), false)
			defer h.Close()
			if err := h.Connect(ctx, server); err != nil {
				t.Fatal(err)
			}
			for _, how := range stall {
				for range how.each {
					s, err := h.Network().NewStream(ctx, server.ID)
					if err != nil {
						t.Fatal(err)
					}
					begin := how.begin
					if how.id != "" {
						begin = append(lines("/multistream/1.0.0", string(how.id)), begin...)
					}
					open.Go(func() { trickle(ctx, s, begin, how.begin != nil) })
				}
			}
		}
		go func() { open.Wait(); close(over) }()
		b.noticeNothing(ctx, true)
		harness.Receive(t, "the end of all streams", over)
		b.noticeNothing(ctx, false)
	})
}

// trickle writes a beginning, and then perhaps a byte now and then, until the other
// side has had enough.
func trickle(ctx context.Context, s network.Stream, begin []byte, more bool) {
	defer s.Reset()
	if len(begin) > 0 {
		s.Write(begin)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(io.Discard, s)
	}()
	ticker := time.NewTicker(wire.BeatInterval / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
			if more {
				s.Write([]byte{1})
			}
		}
	}
}
