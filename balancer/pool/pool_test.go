package pool

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"
)

const lifetime = 10 * time.Minute

var (
	limits = Limits{Servers: 8, Clients: 50, Lifetime: lifetime}
	start  = time.Unix(1_800_000_000, 0)
)

func serverID(i int) peer.ID { return peer.ID(fmt.Sprintf("server %d", i)) }
func clientID(i int) peer.ID { return peer.ID(fmt.Sprintf("client %d", i)) }

func newPool(t *testing.T, servers int) *Pool {
	t.Helper()
	p := New(limits)
	for i := range servers {
		if err := p.ServerUp(serverID(i), true); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func assign(t *testing.T, p *Pool, c, at int) peer.ID {
	t.Helper()
	id, err := p.Assign(clientID(c), nil, start.Add(time.Duration(at)*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestEqualsTakeTurns(t *testing.T) {
	p := newPool(t, 3)
	for i := range 9 {
		if got, want := assign(t, p, i, 0), serverID(i%3); got != want {
			t.Fatalf("client %d went to %q, not to %q", i, got, want)
		}
	}
}

func TestTurnsGoOnWhenLoadsAreFreed(t *testing.T) {
	// Clients that come and go leave all loads at zero; without turns the first
	// server would get every one of them.
	p := newPool(t, 3)
	got := make(map[peer.ID]int)
	for i := range 9 {
		got[assign(t, p, i, 0)]++
		p.ClientGone(clientID(i))
	}
	for i := range 3 {
		if got[serverID(i)] != 3 {
			t.Fatalf("shares %v, want 3 each", got)
		}
	}
}

func TestRenewalStays(t *testing.T) {
	p := newPool(t, 3)
	for i := range 6 {
		assign(t, p, i, 0)
	}
	before := p.Loads(start)
	for i := range 6 {
		if got, want := assign(t, p, i, 60), serverID(i%3); got != want {
			t.Fatalf("client %d moved from %q to %q for nothing", i, want, got)
		}
	}
	if after := p.Loads(start); !slices.Equal(before, after) {
		t.Fatalf("loads %v became %v", before, after)
	}
}

// TestRenewalStaysAmongEquals: moving would only turn two against one into one
// against two.
func TestRenewalStaysAmongEquals(t *testing.T) {
	p := newPool(t, 2)
	for i := range 3 {
		assign(t, p, i, 0)
	}
	for _, c := range []int{0, 2, 0, 2} {
		if got := assign(t, p, c, 60); got != serverID(0) {
			t.Fatalf("client %d moved to %q for nothing", c, got)
		}
	}
}

func TestRenewalsFillAServerThatReturns(t *testing.T) {
	p := newPool(t, 2)
	p.ServerDown(serverID(1))
	for i := range 10 {
		assign(t, p, i, 0)
	}
	if err := p.ServerUp(serverID(1), true); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		assign(t, p, i, 60)
	}
	for _, l := range p.Loads(start) {
		if l.Assignments != 5 {
			t.Fatalf("loads %v, want 5 each", p.Loads(start))
		}
	}
}

func TestAvoid(t *testing.T) {
	p := newPool(t, 2)
	for i := range 5 {
		if id, err := p.Assign(clientID(i), []peer.ID{serverID(0)}, start); err != nil || id != serverID(1) {
			t.Fatalf("got %q, %v; want the server that is not avoided", id, err)
		}
	}
	id, err := p.Assign(clientID(9), []peer.ID{serverID(0), serverID(1)}, start)
	if err != nil || id != serverID(0) {
		t.Fatalf("got %q, %v; with all avoided the least loaded is better than none", id, err)
	}
}

func TestNoServer(t *testing.T) {
	p := New(limits)
	if _, err := p.Assign(clientID(0), nil, start); !errors.Is(err, ErrNoServer) {
		t.Fatalf("empty pool: %v", err)
	}
	if err := p.ServerUp(serverID(0), false); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Assign(clientID(0), nil, start); !errors.Is(err, ErrNoServer) {
		t.Fatalf("none ready: %v", err)
	}
	p.ServerReady(serverID(0), true)
	assign(t, p, 0, 0)
}

func TestExpiry(t *testing.T) {
	p := newPool(t, 1)
	assign(t, p, 0, 0)
	assign(t, p, 1, 60)
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{0, 2}, {lifetime - 1, 2}, {lifetime, 1}, {lifetime + time.Minute, 0}} {
		if got := p.Loads(start.Add(c.at))[0].Assignments; got != c.want {
			t.Errorf("after %v %d assignments live, want %d", c.at, got, c.want)
		}
	}
}

func TestFullPoolForgetsTheOldest(t *testing.T) {
	p := newPool(t, 1)
	for i := range limits.Clients + 5 {
		assign(t, p, i, i)
	}
	if got := p.Loads(start)[0].Assignments; got != limits.Clients {
		t.Fatalf("%d assignments counted, want %d", got, limits.Clients)
	}
	p.ClientGone(clientID(0)) // forgotten already
	if got := p.Loads(start)[0].Assignments; got != limits.Clients {
		t.Fatalf("a forgotten client was freed twice: %d", got)
	}
}

// TestUniform: whatever the number of servers and clients, fresh clients spread
// so that no two servers differ by more than one.
func TestUniform(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		servers := rapid.IntRange(1, limits.Servers).Draw(t, "servers")
		clients := rapid.IntRange(0, 500).Draw(t, "clients")
		p := New(Limits{Servers: servers, Clients: 500, Lifetime: lifetime})
		for i := range servers {
			if err := p.ServerUp(serverID(i), true); err != nil {
				t.Fatal(err)
			}
		}
		for i := range clients {
			if _, err := p.Assign(clientID(i), nil, start); err != nil {
				t.Fatal(err)
			}
		}
		least, most := clients, 0
		for _, l := range p.Loads(start) {
			least, most = min(least, l.Assignments), max(most, l.Assignments)
		}
		if most-least > 1 {
			t.Fatalf("loads %v", p.Loads(start))
		}
	})
}

// model is what a pool should be, in the plainest words.
type model struct {
	now     time.Time
	ready   map[peer.ID]bool
	clients map[peer.ID]modelAssignment
}

type modelAssignment struct {
	server peer.ID
	at     time.Time
}

func (m *model) load(s peer.ID) int {
	n := 0
	for _, a := range m.clients {
		if a.server == s {
			n++
		}
	}
	return n
}

func (m *model) expire() {
	for c, a := range m.clients {
		if m.now.Sub(a.at) >= lifetime {
			delete(m.clients, c)
		}
	}
}

// TestModel drives a pool through everything that can happen to it.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{now: start, ready: make(map[peer.ID]bool), clients: make(map[peer.ID]modelAssignment)}
		p := New(limits)
		aServer := rapid.Custom(func(t *rapid.T) peer.ID { return serverID(rapid.IntRange(0, limits.Servers+1).Draw(t, "server")) })
		aClient := rapid.Custom(func(t *rapid.T) peer.ID { return clientID(rapid.IntRange(0, limits.Clients-1).Draw(t, "client")) })
		t.Repeat(map[string]func(*rapid.T){
			"up": func(t *rapid.T) {
				id, ready := aServer.Draw(t, "id"), rapid.Bool().Draw(t, "ready")
				_, known := m.ready[id]
				full := !known && len(m.ready) == limits.Servers
				if err := p.ServerUp(id, ready); full != errors.Is(err, ErrFull) {
					t.Fatalf("full %v: %v", full, err)
				}
				if !full {
					m.ready[id] = ready
				}
			},
			"ready": func(t *rapid.T) {
				id, ready := aServer.Draw(t, "id"), rapid.Bool().Draw(t, "ready")
				p.ServerReady(id, ready)
				if _, known := m.ready[id]; known {
					m.ready[id] = ready
				}
			},
			"down": func(t *rapid.T) {
				id := aServer.Draw(t, "id")
				p.ServerDown(id)
				delete(m.ready, id)
				for c, a := range m.clients {
					if a.server == id {
						delete(m.clients, c)
					}
				}
			},
			"gone": func(t *rapid.T) {
				id := aClient.Draw(t, "id")
				p.ClientGone(id)
				delete(m.clients, id)
			},
			"wait": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second)
				m.expire()
			},
			"assign": func(t *rapid.T) {
				id := aClient.Draw(t, "id")
				avoid := rapid.SliceOfN(aServer, 0, 4).Draw(t, "avoid")
				m.assign(t, p, id, avoid)
			},
			"": func(t *rapid.T) { m.compare(t, p) },
		})
	})
}

func (m *model) assign(t *rapid.T, p *Pool, id peer.ID, avoid []peer.ID) {
	got, err := p.Assign(id, avoid, m.now)
	delete(m.clients, id)
	var ready, wanted []peer.ID
	for s, is := range m.ready {
		if is {
			ready = append(ready, s)
			if !slices.Contains(avoid, s) {
				wanted = append(wanted, s)
			}
		}
	}
	if len(wanted) == 0 {
		wanted = ready
	}
	if len(wanted) == 0 {
		if !errors.Is(err, ErrNoServer) {
			t.Fatalf("none is ready: %q, %v", got, err)
		}
		return
	}
	if err != nil || !slices.Contains(wanted, got) {
		t.Fatalf("got %q, %v; want one of %q", got, err, wanted)
	}
	for _, s := range wanted {
		if m.load(s) < m.load(got) {
			t.Fatalf("got %q with %d, though %q has %d", got, m.load(got), s, m.load(s))
		}
	}
	m.clients[id] = modelAssignment{got, m.now}
}

func (m *model) compare(t *rapid.T, p *Pool) {
	loads := p.Loads(m.now)
	if len(loads) != len(m.ready) || len(p.ring) != len(p.servers) {
		t.Fatalf("%d servers, want %d", len(loads), len(m.ready))
	}
	for _, l := range loads {
		if is, known := m.ready[l.Server]; !known || is != l.Ready || l.Assignments != m.load(l.Server) {
			t.Fatalf("%+v, want ready %v and %d", l, is, m.load(l.Server))
		}
	}
	if len(p.clients) != len(m.clients) || p.byAge.Len() != len(m.clients) {
		t.Fatalf("remembers %d clients in %d places, want %d", len(p.clients), p.byAge.Len(), len(m.clients))
	}
}
