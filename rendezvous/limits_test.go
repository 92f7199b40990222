package rendezvous

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	dto "github.com/prometheus/client_model/go"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// herd is many at once; libp2p's own limits let 192 of 600 through.
const herd = 2_000

// nobody is a peer ID that needs no key: limits only count.
func nobody(n int) peer.ID { return peer.ID(fmt.Sprintf("peer %d", n)) }

func newLimits(t *testing.T, balancers ...peer.AddrInfo) network.ResourceManager {
	t.Helper()
	m, err := newResourceManager(maxConns, balancers, newRefusals())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// admit opens connections from one address, each of another peer, and returns
// how many were let in.
func admit(t *testing.T, m network.ResourceManager, from ma.Multiaddr, peers int) int {
	t.Helper()
	admitted := 0
	for n := range peers {
		conn, err := m.OpenConnection(network.DirInbound, true, from)
		if err != nil {
			continue
		}
		if err := conn.SetPeer(nobody(n)); err == nil {
			admitted++
		}
	}
	return admitted
}

func TestHerdBehindABalancer(t *testing.T) {
	at := ma.StringCast("/ip4/192.0.2.9/tcp/4100")
	balancer := peer.AddrInfo{ID: nobody(herd), Addrs: []ma.Multiaddr{at}}
	if n := admit(t, newLimits(t, balancer), at, herd); n != herd {
		t.Errorf("%d of %d were let in", n, herd)
	}
	// By a name nobody can tell which address it will be.
	named := peer.AddrInfo{ID: nobody(herd), Addrs: []ma.Multiaddr{ma.StringCast("/dns4/tryst.example/tcp/4100")}}
	if n := admit(t, newLimits(t, named), at, herd); n != herd {
		t.Errorf("%d of %d were let in behind a name", n, herd)
	}
}

func TestOneAddressCannotTakeAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no time passes, however long it takes
		m, err := newResourceManager(maxConns, nil, newRefusals())
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		from := ma.StringCast("/ip4/198.51.100.7/tcp/4100")
		if n := admit(t, m, from, 2*quota.AddressNewConns.Burst); n != quota.AddressNewConns.Burst {
			t.Errorf("%d were let in, %d may come at once", n, quota.AddressNewConns.Burst)
		}
	})
}

// What one peer can open: a balancer a circuit for each client, a node its
// share.
func TestStreamsOfOnePeer(t *testing.T) {
	balancer := peer.AddrInfo{ID: nobody(herd)}
	refused := newRefusals()
	m, err := newResourceManager(maxConns, []peer.AddrInfo{balancer}, refused)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	server := nobody(herd + 1)
	if early, err := m.OpenStream(server, network.DirInbound); err != nil { // it came as a stranger
		t.Fatal(err)
	} else {
		early.Done()
	}
	if err := trust(m, server); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who  peer.ID
		id   protocol.ID
		most int
	}{
		{balancer.ID, "/libp2p/circuit/relay/0.2.0/stop", herd},
		{server, wire.Forward, herd},
		{nobody(3), wire.Forward, quota.DeviceStreams.Burst},
		{nobody(1), wire.Rendezvous, quota.DeviceRequestsAtOnce.Burst},
		{nobody(2), wire.Beat, quota.DeviceBeats.Burst},
	} {
		opened := 0
		for range herd {
			s, err := m.OpenStream(c.who, network.DirInbound)
			if err != nil {
				break
			}
			if err := s.SetProtocol(c.id); err != nil {
				s.Done()
				break
			}
			opened++
		}
		if opened != c.most {
			t.Errorf("%s: %d streams, want %d", c.id, opened, c.most)
		}
	}
	for limit, want := range map[string]float64{
		quota.DeviceStreams.Name: 1, quota.DeviceRequestsAtOnce.Name: 1, quota.DeviceBeats.Name: 1, allConns: 0,
	} {
		var counted dto.Metric
		if err := refused.by.WithLabelValues(limit).Write(&counted); err != nil || counted.GetCounter().GetValue() < want ||
			want == 0 && counted.GetCounter().GetValue() != 0 {
			t.Errorf("%v were refused by %s, want %v", counted.GetCounter().GetValue(), limit, want)
		}
	}
}
