package balancer_test

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	circuitv2 "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// abuses has for each row of a balancer's limits how one client exceeds it. Each is over
// when the row has refused something.
var abuses = map[string]func(*testing.T, *arena){
	quota.BalancerAddressConns.Name: func(t *testing.T, a *arena) {
		const step = 512 // below what may come at once
		for n := 0; a.refusals(t, quota.BalancerAddressConns) == 0; n += step {
			if n > quota.BalancerAddressConns.Burst {
				t.Fatalf("%d connections", n)
			}
			for range step {
				a.connect(t)
			}
			a.b.Forget() // a minute passes
		}
	},
	quota.BalancerNewConns.Name: func(t *testing.T, a *arena) {
		a.until(t, quota.BalancerNewConns, func() { a.connect(t).Close() })
	},
	quota.BalancerDeviceConns.Name: func(t *testing.T, a *arena) {
		key := newKey(t)
		a.until(t, quota.BalancerDeviceConns, func() {
			h := a.host(t, abuser, identity(key))
			_ = h.Connect(t.Context(), infoOf(t, a.b)) // the last is refused
		})
	},
	quota.BalancerStrangerStreams.Name: func(t *testing.T, a *arena) {
		silentStreams(t, a, a.host(t, abuser), quota.BalancerStrangerStreams)
	},
	quota.BalancerDeviceStreams.Name: func(t *testing.T, a *arena) {
		silentStreams(t, a, a.device(t, abuser), quota.BalancerDeviceStreams)
	},
	quota.BalancerQuestions.Name: func(t *testing.T, a *arena) {
		h := a.host(t, abuser)
		a.until(t, quota.BalancerQuestions, func() { _, _ = question(t.Context(), h, infoOf(t, a.b)) })
	},
	quota.BalancerDeviceQuestions.Name: func(t *testing.T, a *arena) {
		h := a.device(t, abuser)
		a.until(t, quota.BalancerDeviceQuestions, func() { open(t, h, infoOf(t, a.b), wire.Balancer).Write([]byte{1}) })
	},
	quota.BalancerBackends.Name: func(t *testing.T, a *arena) {
		h := a.device(t, abuser)
		a.until(t, quota.BalancerBackends, func() { open(t, h, infoOf(t, a.b), wire.Backend).Write([]byte{1}) })
	},
	quota.BalancerStrangerCircuits.Name: func(t *testing.T, a *arena) {
		h, sink := a.host(t, abuser), a.sink(t)
		for i := range quota.BalancerStrangerCircuits.Burst {
			if !circuitTo(t, a, h, sink) {
				t.Fatalf("a stranger has no circuit %d", i+1)
			}
		}
		if circuitTo(t, a, h, sink) {
			t.Error("a stranger has one too many")
		}
	},
	quota.BalancerDeviceCircuits.Name: func(t *testing.T, a *arena) {
		h, sink := a.device(t, abuser), a.sink(t)
		for i := range quota.BalancerDeviceCircuits.Burst {
			if !circuitTo(t, a, h, sink) {
				t.Fatalf("a device has no circuit %d", i+1)
			}
		}
		if circuitTo(t, a, h, sink) {
			t.Error("a device has one too many")
		}
	},
	quota.BalancerAddressCircuits.Name: func(t *testing.T, a *arena) {
		sink := a.sink(t)
		had := 0
		for ; a.refusals(t, quota.BalancerAddressCircuits) == 0; a.b.Forget() { // a minute passes
			if had > quota.BalancerAddressCircuits.Burst {
				break
			}
			for h := a.device(t, abuser); circuitTo(t, a, h, sink); had++ {
			}
		}
		if had != quota.BalancerAddressCircuits.Burst {
			t.Errorf("one address had %d circuits", had)
		}
	},
	quota.BalancerNewCircuits.Name: func(t *testing.T, a *arena) {
		h := a.host(t, abuser)
		a.until(t, quota.BalancerNewCircuits, func() { circuitTo(t, a, h, h.ID()) })
	},
	quota.BalancerPlaces.Name: func(t *testing.T, a *arena) {
		h := a.device(t, abuser)
		a.until(t, quota.BalancerPlaces, func() { _, _ = circuitv2.Reserve(t.Context(), h, infoOf(t, a.b)) })
	},
}

// silentStreams opens streams and says nothing on them, not even what they are for.
func silentStreams(t *testing.T, a *arena, h host.Host, row quota.Limit) {
	t.Helper()
	if err := h.Connect(t.Context(), infoOf(t, a.b)); err != nil {
		t.Fatal(err)
	}
	c := h.Network().ConnsToPeer(a.b.ID())[0]
	a.until(t, row, func() {
		if s, err := c.NewStream(t.Context()); err == nil {
			t.Cleanup(func() { s.Reset() })
		}
	})
}

// TestAbuse: one client exceeds a limit, and nobody else notices anything.
func TestAbuse(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8 to connect from")
	}
	tested := 0
	for _, row := range quota.Table() {
		if row.At != quota.AtBalancer || row.Name == quota.BalancerIdleConns.Name { // which has a test of its own
			continue
		}
		exceed := abuses[row.Name]
		if exceed == nil {
			t.Errorf("nobody exceeds %q", row.Name)
			continue
		}
		tested++
		t.Run(row.Name, func(t *testing.T) {
			a := newArena(t)
			before := a.held()
			a.during(t, func(t *testing.T) {
				exceed(t, a)
				a.await(t, row)
				other := neighbour
				if row.Of != quota.Address { // not even somebody at the same address
					other = abuser
				}
				a.unharmed(t, other)
			})
			a.returned(t, before)
		})
	}
	if tested != len(abuses) {
		t.Errorf("%d limits are exceeded here, and %d are in the table", len(abuses), tested)
	}
}

// TestStrangersGiveWay: when it is nearly full, idle strangers go, and who has a permit,
// a circuit or is a server stays.
func TestStrangersGiveWay(t *testing.T) {
	const low, high = 20, 30
	a := newArenaWith(t, balancer.Crowded(low, high))
	var devices []host.Host
	for range low / 4 {
		devices = append(devices, a.device(t, "127.0.0.1"))
	}
	for _, h := range newHosts(t, 2*high) {
		if err := h.Connect(t.Context(), infoOf(t, a.b)); err != nil {
			t.Fatal(err)
		}
	}
	harness.Await(t, "strangers give way", func() bool { n, _ := a.b.Held(); return n <= high })
	for _, d := range devices {
		if d.Network().Connectedness(a.b.ID()) != network.Connected {
			t.Error("a device with a permit had to go")
		}
	}
	if len(a.b.Loads()) != 1 {
		t.Error("the server had to go")
	}
	a.unharmed(t, "127.0.0.1")
}

// until repeats what one client does until a limit has refused something.
func (a *arena) until(t *testing.T, row quota.Limit, act func()) {
	t.Helper()
	const patience = 8 // times what there may be at once: it is given back meanwhile
	for n := 0; n < patience*row.Burst; n++ {
		act()
		if (row.Rate == 0 || n%64 == 0) && a.refusals(t, row) > 0 {
			return
		}
	}
}

// await waits until a limit has refused something.
func (a *arena) await(t *testing.T, row quota.Limit) {
	t.Helper()
	harness.Await(t, "a refusal by "+row.Name, func() bool { return a.refusals(t, row) > 0 })
}

// refusals reads from the metrics how often a limit has refused something.
func (a *arena) refusals(t *testing.T, row quota.Limit) (n int) {
	t.Helper()
	_, text := get(t, a.b, "/metrics")
	_, rest, found := strings.Cut(text, balancer.RefusalsOf(row)+" ")
	if !found {
		t.Fatalf("the metrics do not know the limit %q", row.Name)
	}
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// circuitTo asks for a circuit, and reports whether there is one. It stays.
func circuitTo(t *testing.T, a *arena, h host.Host, to peer.ID) bool {
	t.Helper()
	return hop(open(t, h, infoOf(t, a.b), proto.ProtoIDv2Hop), to)
}
