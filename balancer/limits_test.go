package balancer

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Loopback is exempt from libp2p's limits per address, so that nothing that
// listens there can test them: these ask the resource manager itself.

func inbound(m network.ResourceManager, from string) error {
	addr := ma.StringCast(from)
	if _, err := m.OpenConnection(network.DirInbound, true, addr); err != nil {
		return err
	}
	return nil
}

func TestACampusBehindOneAddress(t *testing.T) {
	for _, from := range []string{"/ip4/192.0.2.7/tcp/4000", "/ip6/2001:db8::7/tcp/4000"} {
		m, err := newResourceManager(newRefusals())
		if err != nil {
			t.Fatal(err)
		}
		for i := range connBurstPerSubnet {
			if err := inbound(m, from); err != nil {
				t.Fatalf("%s: connection %d at once: %v", from, i, err)
			}
		}
		refusals := 0
		for range connsPerSubnet {
			if inbound(m, from) != nil {
				refusals++
			}
		}
		if refusals == 0 {
			t.Errorf("%s may open any number of connections", from)
		}
		if err := inbound(m, "/ip4/198.51.100.1/tcp/4000"); err != nil {
			t.Errorf("somebody else is refused too: %v", err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoopbackIsNotLimited(t *testing.T) {
	m, err := newResourceManager(newRefusals())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range 2 * connBurstPerSubnet {
		if err := inbound(m, "/ip4/127.0.0.1/tcp/4000"); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
}

// TestOnePeer: a client opens few streams here, the balancer many towards a
// server, whichever of the two a peer is.
func TestOnePeer(t *testing.T) {
	m, err := newResourceManager(newRefusals())
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
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
	if n := count("a client", network.DirInbound); n < circuitsPerClient || n > streamsPerPeer {
		t.Errorf("a client may open %d streams", n)
	}
	if n := count("a server", network.DirOutbound); n != maxCircuits {
		t.Errorf("%d circuits may lead to a server, want %d", n, maxCircuits)
	}
}
