package balancer_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	circuitv2 "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/security/noise"

	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// slow are clients that begin something and do not go on. Each returns what the balancer
// must close by itself, or nil where it waits as long as the client does.
var slow = map[string]func(*testing.T, *arena) io.Reader{
	"says nothing": func(t *testing.T, a *arena) io.Reader { return a.connect(t) },
	"says one byte": func(t *testing.T, a *arena) io.Reader {
		c := a.connect(t)
		c.Write([]byte{19}) // the length of "/multistream/1.0.0\n"
		return c
	},
	"half a handshake": func(t *testing.T, a *arena) io.Reader {
		c := a.connect(t)
		selectNoise(t, c)
		c.Write([]byte{0, 32, 1, 2, 3})
		return c
	},
	"no muxer": func(t *testing.T, a *arena) io.Reader { return secured(t, a) },
	"half a question": func(t *testing.T, a *arena) io.Reader {
		return begun(t, a, wire.Balancer)
	},
	"half a permit":        func(t *testing.T, a *arena) io.Reader { return begun(t, a, wire.Relay) },
	"half a circuit":       func(t *testing.T, a *arena) io.Reader { begun(t, a, proto.ProtoIDv2Hop); return nil },
	"a stream for nothing": func(t *testing.T, a *arena) io.Reader { return unnamed(t, a) },
	"half a protocol's name": func(t *testing.T, a *arena) io.Reader {
		s := unnamed(t, a)
		s.Write([]byte("\x13/multistream"))
		return s
	},
}

// begun is a stream of a protocol on which one byte of a message was written.
func begun(t *testing.T, a *arena, id protocol.ID) network.Stream {
	t.Helper()
	s := open(t, a.host(t, abuser), infoOf(t, a.b), id)
	s.Write([]byte{100})
	return s
}

// unnamed is a stream that has not said what it is for.
func unnamed(t *testing.T, a *arena) network.Stream {
	t.Helper()
	h := a.host(t, abuser)
	if err := h.Connect(t.Context(), infoOf(t, a.b)); err != nil {
		t.Fatal(err)
	}
	s, err := h.Network().ConnsToPeer(a.b.ID())[0].NewStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
		t.Fatal(err)
	}
	return s
}

// selectNoise agrees on a handshake, as multistream has it.
func selectNoise(t *testing.T, c net.Conn) {
	t.Helper()
	const words = "\x13/multistream/1.0.0\n\x07/noise\n"
	if _, err := io.WriteString(c, words); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len(words))
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != words {
		t.Fatalf("answered %q, %v", answer, err)
	}
}

// secured is a connection on which the handshake is done and nothing else.
func secured(t *testing.T, a *arena) net.Conn {
	t.Helper()
	c := a.connect(t)
	selectNoise(t, c)
	transport, err := noise.New(noise.ID, newKey(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := transport.SecureOutbound(harness.Within(t), c, a.b.ID())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSlowAndGarbage: who begins something and does not go on, or talks garbage before
// any protocol, is hung up on, and nobody else notices. What is said on the protocols is
// TestGarbage's.
func TestSlowAndGarbage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8 to connect from")
	}
	a := newArena(t)
	before := a.held()
	a.during(t, func(t *testing.T) {
		left := make(map[io.Reader]string)
		for name, begin := range slow {
			if r := begin(t, a); r != nil {
				left[r] = name
			}
		}
		for name, place := range a.places() {
			for _, b := range junk {
				rw := place(t)
				rw.Write(b) // may fail: it may have been hung up on already
				left[rw] = "garbage for " + name
			}
		}
		for _, b := range junk {
			if h := a.host(t, abuser); circuitTo(t, a, h, garbler(t, a, b).ID()) {
				t.Errorf("%q makes a circuit", b[:5])
			}
		}
		a.unharmed(t, neighbour)
		for r, what := range left { // libp2p gives a handshake 15 s
			hangsUp(t, what, r)
		}
	})
	a.returned(t, before)
}

// junk is what nobody speaks.
var junk = [][]byte{
	make([]byte, 1<<10), bytes.Repeat([]byte{0xff}, 1<<10), bytes.Repeat([]byte("garbage "), 1<<13),
	[]byte("GET / HTTP/1.1\r\n\r\n"), {0xff, 0xff, 0xff, 0xff, 0x0f},
}

// places are where something may be said before any protocol is.
func (a *arena) places() map[string]func(*testing.T) io.ReadWriter {
	return map[string]func(*testing.T) io.ReadWriter{
		"the port":    func(t *testing.T) io.ReadWriter { return a.connect(t) },
		"the muxer":   func(t *testing.T) io.ReadWriter { return secured(t, a) },
		"the streams": func(t *testing.T) io.ReadWriter { return unnamed(t, a) },
	}
}

// garbler is a device that answers circuits with garbage.
func garbler(t *testing.T, a *arena, junk []byte) host.Host {
	t.Helper()
	h := a.device(t, abuser)
	h.SetStreamHandler(proto.ProtoIDv2Stop, func(s network.Stream) {
		s.Write(junk)
		s.CloseWrite()
	})
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	if _, err := circuitv2.Reserve(ctx, h, infoOf(t, a.b)); err != nil {
		t.Fatal(err)
	}
	return h
}
