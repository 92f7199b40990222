package balancer

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/quota"
)

// These ask the resource manager itself, for addresses that no test can dial from; those
// of abuse_test.go are of the real thing.

func resourcesFor(t *testing.T, vouched ...peer.ID) *resources {
	t.Helper()
	known := make(map[peer.ID]bool)
	for _, id := range vouched {
		known[id] = true
	}
	m, err := newResources(newRefusals(), func(id peer.ID) bool { return known[id] })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func inbound(m network.ResourceManager, from string) error {
	_, err := m.OpenConnection(network.DirInbound, true, ma.StringCast(from))
	return err
}

func TestACampusBehindOneAddress(t *testing.T) {
	for from, other := range map[string]string{
		"/ip4/192.0.2.7/tcp/4000":    "/ip4/192.0.2.8/tcp/4000",
		"/ip6/2001:db8::7/tcp/4000":  "/ip6/2001:db8:0:100::7/tcp/4000",
		"/ip4/127.0.0.2/tcp/4000":    "/ip4/127.0.0.3/tcp/4000",
		"/ip6/::ffff:7f00:2/tcp/400": "/ip4/127.0.0.3/tcp/4000",
	} {
		m := resourcesFor(t)
		for i := range quota.BalancerNewConns.Burst {
			if err := inbound(m, from); err != nil {
				t.Fatalf("%s: connection %d at once: %v", from, i, err)
			}
		}
		refusals := 0
		for range quota.BalancerNewConns.Burst {
			if inbound(m, from) != nil {
				refusals++
			}
		}
		if refusals == 0 {
			t.Errorf("%s may open any number of connections", from)
		}
		if err := inbound(m, other); err != nil {
			t.Errorf("somebody else is refused too: %v", err)
		}
	}
}

// An IPv6 site does not get more by asking from all its networks.
func TestASite(t *testing.T) {
	m := newMeter(quota.Limit{Burst: 2, Rate: quota.Every(time.Hour)})
	networks := []string{"/ip6/2001:db8::1/tcp/1", "/ip6/2001:db8:0:100::1/tcp/1", "/ip6/2001:db8:0:200::1/tcp/1", "/ip6/2001:db8:0:300::1/tcp/1", "/ip6/2001:db8:0:400::1/tcp/1"}
	granted := 0
	for range 10 {
		for _, from := range networks {
			if m.take(ma.StringCast(from), start) {
				granted++
			}
		}
	}
	if granted != 2*quota.SiteFactor {
		t.Errorf("a site got %d, want %d", granted, 2*quota.SiteFactor)
	}
	if !m.take(ma.StringCast("/ip6/2001:db8:1::1/tcp/1"), start) {
		t.Error("another site is refused too")
	}
}

func TestThisMachineIsNotLimited(t *testing.T) {
	for _, from := range []string{"/ip4/127.0.0.1/tcp/4000", "/ip6/::1/tcp/4000"} {
		m := resourcesFor(t)
		for i := range quota.BalancerAddressConns.Burst + 1 {
			if err := inbound(m, from); err != nil {
				t.Fatalf("connection %d from %s: %v", i, from, err)
			}
		}
	}
}

// TestOnePeer: a stranger opens few streams here, a device that is vouched for more, and
// the balancer many towards a server.
func TestOnePeer(t *testing.T) {
	m := resourcesFor(t, "a device", "a server")
	count := func(id peer.ID, dir network.Direction) int {
		for n := range maxCircuits + 1 {
			s, err := m.OpenStream(id, dir)
			if err != nil {
				return n
			}
			// libp2p sets it as soon as the two sides have agreed; until then
			// the stream is transient.
			if err := s.SetProtocol("/test"); err != nil {
				return n
			}
		}
		return maxCircuits + 1
	}
	if n := count("a stranger", network.DirInbound); n != quota.BalancerStrangerStreams.Burst {
		t.Errorf("a stranger may open %d streams", n)
	}
	if n := count("a device", network.DirInbound); n < quota.BalancerDeviceCircuits.Burst || n > quota.BalancerDeviceStreams.Burst {
		t.Errorf("a device may open %d streams", n)
	}
	if n := count("a server", network.DirOutbound); n != maxCircuits {
		t.Errorf("%d circuits may lead to a server, want %d", n, maxCircuits)
	}
}

// Strangers give way before anybody is refused, and a full crowd of circuits stays.
func TestRoom(t *testing.T) {
	r := wholeRoom()
	if r.low <= maxCircuits || r.high <= r.low || maxConns <= r.high {
		t.Errorf("%d circuits, %d to %d connections, %d in all", maxCircuits, r.low, r.high, maxConns)
	}
}

// One address cannot have all circuits, whoever is behind it.
func TestCircuitsOfOneAddress(t *testing.T) {
	if quota.SiteFactor*quota.BalancerAddressCircuits.Burst >= maxCircuits {
		t.Error("one site may have all circuits")
	}
}

var start = time.Unix(1_700_000_000, 0)
