package presence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// TestMain makes libp2p remember a dial that failed for longer than any test
// waits: what finds its way back without the memory fading was not held up by
// it, however busy the machine is.
func TestMain(m *testing.M) {
	swarm.BackoffBase = time.Hour
	os.Exit(m.Run())
}

// server is one of a cluster, with what it told its watchers.
type server struct {
	host   host.Host
	gossip *Gossip
	stop   func()

	mu      sync.Mutex
	changes []Presence
}

func (s *server) changed(p Presence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = append(s.changes, p)
}

func (s *server) told(account record.Account, up bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, p := range s.changes {
		if p.Account == account && (p.Record != nil) == up {
			n++
		}
	}
	return n
}

func newHost(t *testing.T) host.Host {
	t.Helper()
	return newHostAt(t, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
}

func newHostAt(t *testing.T, options ...libp2p.Option) host.Host {
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

// newHosts returns hosts that know each other's addresses.
func newHosts(t *testing.T, n int) (hosts []host.Host, ids []peer.ID) {
	t.Helper()
	for range n {
		h := newHost(t)
		hosts, ids = append(hosts, h), append(ids, h.ID())
	}
	for _, a := range hosts {
		for _, b := range hosts {
			a.Peerstore().AddAddrs(b.ID(), b.Addrs(), peerstore.PermanentAddrTTL)
		}
	}
	return hosts, ids
}

func startServer(t *testing.T, h host.Host, servers []peer.ID) *server {
	t.Helper()
	s := &server{host: h}
	g, err := New(Config{Host: h, Servers: servers, Changed: s.changed})
	if err != nil {
		t.Fatal(err)
	}
	s.gossip = g
	s.stop = harness.Run(t, g.Run)
	return s
}

func startCluster(t *testing.T, n int) []*server {
	t.Helper()
	hosts, ids := newHosts(t, n)
	var servers []*server
	for _, h := range hosts {
		servers = append(servers, startServer(t, h, ids))
	}
	return servers
}

func (s *server) announce(t *testing.T, account record.Account, d device, seq uint64) {
	t.Helper()
	if err := s.gossip.Announce(account, d.id, d.record(t, seq)); err != nil {
		t.Fatal(err)
	}
}

func (s *server) finds(account record.Account, n int) func() bool {
	return func() bool { return len(s.gossip.Find(account)) == n }
}

func TestEveryServerHears(t *testing.T) {
	servers := startCluster(t, 3)
	d := newDevice(t)
	servers[0].announce(t, alice, d, 1)
	for i, s := range servers {
		harness.Await(t, fmt.Sprintf("server %d finds alice", i), s.finds(alice, 1))
		harness.Await(t, fmt.Sprintf("server %d tells its watchers", i), func() bool { return s.told(alice, true) == 1 })
	}
	servers[1].gossip.Withdraw(d.id)
	for i, s := range servers {
		harness.Await(t, fmt.Sprintf("server %d hears that she left", i), s.finds(alice, 0))
		harness.Await(t, fmt.Sprintf("server %d tells its watchers", i), func() bool { return s.told(alice, false) == 1 })
	}
	servers[2].announce(t, alice, d, 2)
	for i, s := range servers {
		harness.Await(t, fmt.Sprintf("server %d hears that she is back", i), s.finds(alice, 1))
	}
}

func TestRenewalsAreNoNews(t *testing.T) {
	servers := startCluster(t, 2)
	// From then on the other server hears things in the order in which they
	// happen; what was before comes in any.
	servers[0].announce(t, bob, newDevice(t), 1)
	harness.Await(t, "they are connected", servers[1].finds(bob, 1))
	d := newDevice(t)
	for range 5 {
		servers[0].announce(t, alice, d, 1)
	}
	servers[0].announce(t, "carol9", newDevice(t), 1)
	harness.Await(t, "carol is heard of", servers[1].finds("carol9", 1))
	if n := servers[1].told(alice, true); n != 1 {
		t.Fatalf("watchers were told %d times", n)
	}
}

func TestLateServerGetsEverything(t *testing.T) {
	const devices = 3*maxBatch + 5 // more than one frame
	hosts, ids := newHosts(t, 2)
	early := startServer(t, hosts[0], ids)
	for i := range devices {
		early.announce(t, record.Account(fmt.Sprintf("alice%d", i)), newDevice(t), 1)
	}
	gone := newDevice(t)
	early.announce(t, bob, gone, 3)
	early.gossip.Withdraw(gone.id)

	late := startServer(t, hosts[1], ids)
	harness.Await(t, "the late server knows all", func() bool { return late.gossip.Len() == devices+1 })
	if err := late.gossip.Announce(bob, gone.id, gone.record(t, 3)); !errors.Is(err, ErrStale) {
		t.Fatalf("withdrawals were not passed on: %v", err)
	}
}

func TestRestartedServer(t *testing.T) {
	hosts, ids := newHosts(t, 2)
	one := startServer(t, hosts[0], ids)
	two := startServer(t, hosts[1], ids)
	two.announce(t, alice, newDevice(t), 1)
	harness.Await(t, "one knows", one.finds(alice, 1))
	two.stop()
	two = startServer(t, hosts[1], ids) // with an empty table
	harness.Await(t, "it has its own back from the other", two.finds(alice, 1))
}

// TestServerBackAfterVainDials: libp2p would not dial again for a while; see
// TestMain.
func TestServerBackAfterVainDials(t *testing.T) {
	hosts, ids := newHosts(t, 2)
	one := startServer(t, hosts[0], ids)
	one.announce(t, alice, newDevice(t), 1)
	key, addrs := hosts[1].Peerstore().PrivKey(ids[1]), hosts[1].Addrs()
	if err := hosts[1].Close(); err != nil {
		t.Fatal(err)
	}
	dials := hosts[0].Network().(*swarm.Swarm).Backoff()
	harness.Await(t, "dials in vain", func() bool { return dials.Backoff(ids[1], addrs[0]) })
	two := startServer(t, newHostAt(t, libp2p.Identity(key), libp2p.ListenAddrs(addrs...)), ids)
	harness.Await(t, "the other hears", two.finds(alice, 1))
}

// TestLaggingServer: one that cannot keep up is cut off and gets everything
// anew; nobody waits for it.
func TestLaggingServer(t *testing.T) {
	servers := startCluster(t, 2)
	servers[0].announce(t, bob, newDevice(t), 1)
	harness.Await(t, "they are connected", servers[1].finds(bob, 1))
	d := newDevice(t)
	signed := d.record(t, 1)
	for range 3 * maxQueue {
		if err := servers[0].gossip.Announce(alice, d.id, signed); err != nil {
			t.Fatal(err)
		}
	}
	servers[0].announce(t, "carol9", newDevice(t), 1)
	harness.Await(t, "the last one is heard of", servers[1].finds("carol9", 1))
}

func TestOverflowClosesTheQueueOnce(t *testing.T) {
	g, err := New(Config{Host: newHost(t)})
	if err != nil {
		t.Fatal(err)
	}
	q, _ := g.subscribe("another server")
	d := newDevice(t)
	signed := d.record(t, 1)
	for range maxQueue + 2 {
		if err := g.Announce(alice, d.id, signed); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-q.overflow:
	default:
		t.Fatal("a full queue was not given up")
	}
}

// TestStrangersAreNotListenedTo: nor is a server that talks nonsense.
func TestStrangersAreNotListenedTo(t *testing.T) {
	hosts, ids := newHosts(t, 2)
	s := startServer(t, hosts[0], ids)
	member, stranger := hosts[1], newHost(t)
	stranger.Peerstore().AddAddrs(s.host.ID(), s.host.Addrs(), peerstore.PermanentAddrTTL)
	d, other := newDevice(t), newDevice(t)

	good := toWire(Presence{Account: alice, Device: d.id, Record: d.record(t, 1), Until: time.Now().Add(life)}, time.Now())
	forged := toWire(Presence{Account: bob, Device: d.id, Record: other.record(t, 1), Until: time.Now().Add(life)}, time.Now())
	for name, c := range map[string]struct {
		from   host.Host
		rumour *pb.Rumour
	}{
		"a stranger":           {stranger, good},
		"a forged record":      {member, forged},
		"an impossible name":   {member, &pb.Rumour{Account: "Alice 42", Device: good.Device, Record: good.Record}},
		"an impossible device": {member, &pb.Rumour{Account: string(alice), Device: []byte("x"), Record: good.Record}},
	} {
		if hangsUp(t, c.from, s.host.ID(), c.rumour); s.gossip.Len() != 0 {
			t.Fatalf("%s was believed", name)
		}
	}
	stream := open(t, member, s.host.ID())
	if err := wire.WriteFrame(stream, &pb.Rumours{Rumours: []*pb.Rumour{good}}); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "a member is believed", s.finds(alice, 1))
}

func open(t *testing.T, h host.Host, to peer.ID) network.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	s, err := h.NewStream(ctx, to, wire.Presence)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Reset() })
	if err := s.SetDeadline(time.Now().Add(harness.Timeout)); err != nil {
		t.Fatal(err)
	}
	return s
}

// hangsUp sends a rumour and waits for the server to reset the stream.
func hangsUp(t *testing.T, h host.Host, to peer.ID, r *pb.Rumour) {
	t.Helper()
	s := open(t, h, to)
	wire.WriteFrame(s, &pb.Rumours{Rumours: []*pb.Rumour{r}}) // may fail: it may have hung up already
	if _, err := io.ReadAll(s); !errors.Is(err, network.ErrReset) {
		t.Fatalf("the server goes on listening: %v", err)
	}
}

func FuzzRumour(f *testing.F) {
	d := newDevice(f)
	f.Add(string(alice), []byte(d.id), d.record(f, 1), uint64(1), uint32(1000))
	f.Add("", []byte{}, []byte{}, uint64(0), uint32(0))
	f.Fuzz(func(t *testing.T, account string, device, signed []byte, seq uint64, left uint32) {
		r, err := fromWire(&pb.Rumour{Account: account, Device: device, Record: signed, Seq: seq, LeftMs: left})
		if err != nil {
			return
		}
		table := NewTable()
		if r.record == nil {
			table.Withdraw(r.account, r.device, r.seq, start, r.left)
		} else {
			table.Announce(r.account, r.device, r.record, start, r.left)
		}
		for _, p := range table.All(start) {
			if p.Until.After(start.Add(life)) {
				t.Fatalf("stands until %v", p.Until)
			}
		}
	})
}

// A server that comes later is told everything, and one that is taken out is not heard
// any more.
func TestServersComeAndGo(t *testing.T) {
	hosts, ids := newHosts(t, 3)
	a, b := startServer(t, hosts[0], ids[:2]), startServer(t, hosts[1], ids[:2])
	late := startServer(t, hosts[2], ids)
	first := newDevice(t)
	a.announce(t, "alice1", first, 1)
	harness.Await(t, "b to know", func() bool { return len(b.gossip.Find("alice1")) == 1 })
	if len(late.gossip.Find("alice1")) != 0 {
		t.Error("told to one that is not followed")
	}
	a.gossip.Follow(ids)
	b.gossip.Follow(ids)
	harness.Await(t, "the late one to know", func() bool { return len(late.gossip.Find("alice1")) == 1 })

	b.gossip.Follow(ids[1:]) // a is out
	harness.Await(t, "b to hang up on a", func() bool {
		b.gossip.mu.Lock()
		defer b.gossip.mu.Unlock()
		for s := range b.gossip.inbound {
			if s.Conn().RemotePeer() == ids[0] {
				return false
			}
		}
		return true
	})
}
