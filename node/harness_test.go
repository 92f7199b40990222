package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/testnet/freeport"
)

// testTimeout bounds every wait; nothing takes nearly as long unless it is
// broken or the machine is overloaded.
const testTimeout = 60 * time.Second

// logger shows logs when TRYST_TEST_LOG is set.
func logger() *slog.Logger {
	if os.Getenv("TRYST_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// world is a real rendezvous server behind a real balancer, in this process.
type world struct {
	testing.TB
	balancer multiaddr.Multiaddr
	server   *rendezvous.Server
	stop     func() // ends the server and the balancer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	if t, ok := t.(*testing.T); ok {
		t.Parallel() // tests mostly wait, each in a world of its own
	}
	made, err := provision.Init(provision.Plan{
		Dir:       t.TempDir(),
		Servers:   []provision.Machine{{Name: "s1", Addresses: []multiaddr.Multiaddr{freePort(t)}}},
		Balancers: []provision.Machine{{Name: "b1", Addresses: []multiaddr.Multiaddr{freePort(t)}}},
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	bc, err := balancer.LoadDir(made.Balancers[0].Dir)
	if err != nil {
		t.Fatal(err)
	}
	bc.Logger, bc.MetricsListen = logger(), ""
	b, err := balancer.New(bc)
	if err != nil {
		t.Fatal(err)
	}
	sc, err := rendezvous.LoadDir(made.Servers[0].Dir)
	if err != nil {
		t.Fatal(err)
	}
	sc.Logger, sc.MetricsListen = logger(), ""
	s, err := rendezvous.New(sc)
	if err != nil {
		t.Fatal(err)
	}
	stopBalancer, stopServer := run(t, b.Run), run(t, s.Run)
	await(t, "a server that is ready", s.Ready)
	await(t, "a server behind the balancer", func() bool { return len(b.Loads()) > 0 })
	return &world{
		TB:       t,
		balancer: b.Addrs()[0].Encapsulate(multiaddr.StringCast("/p2p/" + b.ID().String())),
		server:   s,
		stop:     func() { stopServer(); stopBalancer() },
	}
}

// run runs something until the test ends, and returns how to end it sooner.
func run(t testing.TB, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// freePort returns an address on loopback that is free now.
func freePort(t testing.TB) multiaddr.Multiaddr {
	t.Helper()
	ports, err := freeport.Draw(1)
	if err != nil {
		t.Fatal(err)
	}
	return multiaddr.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", ports[0]))
}

// await polls until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(testTimeout); !holds(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("there never was %s", what)
		}
	}
}

// person is a node with its events.
type person struct {
	testing.TB
	*Node
	home string
	w    *world
	id   peer.ID // of its device, once it is logged in

	mu     sync.Mutex
	events []Event
	closed chan struct{} // when the events have ended
}

const password = "correct horse"

// open starts a node on a home, an empty one if there is none.
func (w *world) open(home string) *person {
	w.Helper()
	if home == "" {
		home = w.TempDir()
	}
	return w.openWith(home, nil)
}

// openWith is open for a node whose disk may fill: free stands for what it has left.
func (w *world) openWith(home string, free func(string) (uint64, error)) *person {
	w.Helper()
	n := w.nodeWith(home, free)
	p := &person{TB: w.TB, Node: n, home: home, w: w, closed: make(chan struct{})}
	go func() {
		defer close(p.closed)
		for e := range n.Events() {
			p.mu.Lock()
			p.events = append(p.events, e)
			p.mu.Unlock()
		}
	}()
	w.Cleanup(p.end)
	return p
}

// node opens a node; the caller reads its events and closes it.
func (w *world) node(home string) *Node {
	w.Helper()
	return w.nodeWith(home, nil)
}

func (w *world) nodeWith(home string, free func(string) (uint64, error)) *Node {
	w.Helper()
	n, err := Open(Config{
		Home: home, Balancers: []multiaddr.Multiaddr{w.balancer}, Logger: logger(),
		storeCost: store.LeastCost(), diskFree: free,
	})
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// end closes the node.
func (p *person) end() {
	p.Helper()
	if err := p.Close(); err != nil {
		p.Errorf("close: %v", err)
	}
	<-p.closed
}

// again closes the node and starts another one on its home, logged in.
func (p *person) again(account string) *person {
	p.Helper()
	p.end()
	next := p.w.open(p.home)
	next.login(account)
	return next
}

// newPerson signs somebody up and logs them in.
func (w *world) newPerson(name, roll string) *person {
	w.Helper()
	p := w.open("")
	if _, err := p.SignUp(w.Context(), name, roll, []byte(password)); err != nil {
		w.Fatalf("sign up %s: %v", name, err)
	}
	p.login(name + roll)
	return p
}

func (p *person) login(account string) {
	p.Helper()
	if _, err := p.Login(p.Context(), account, []byte(password)); err != nil {
		p.Fatalf("log in as %s: %v", account, err)
	}
	p.id = p.device.self.Device
}

// all returns the events so far that match.
func (p *person) all(match func(Event) bool) (found []Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

// sees waits for an event that matches.
func (p *person) sees(what string, match func(Event) bool) Event {
	p.Helper()
	var found []Event
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(testTimeout); ; <-ticker.C {
		if found = p.all(match); len(found) > 0 {
			return found[0]
		}
		if time.Now().After(end) {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, e := range p.events {
				p.Logf("event: %+v", e)
			}
			p.Fatalf("%s did not see %s", filepath.Base(p.home), what)
		}
	}
}

func text(s string) func(Event) bool {
	return func(e Event) bool { return e.Kind == EventMessage && e.Text == s }
}

func ofMessage(kind EventKind, id string) func(Event) bool {
	return func(e Event) bool { return e.Kind == kind && e.ID == id }
}

// says sends a text and waits until it is delivered.
func (p *person) says(to, s string) {
	p.Helper()
	id, err := p.Send(p.Context(), to, s)
	if err != nil {
		p.Fatalf("send: %v", err)
	}
	p.sees("that it was delivered", ofMessage(EventDelivered, id))
}

// seesNotices waits until the person was told so often of an account's devices.
func (p *person) seesNotices(of record.Account, n int) {
	p.Helper()
	await(p, "the notice of a device", func() bool {
		return len(p.all(func(e Event) bool { return e.Kind == EventNotice && e.Account == of })) >= n
	})
}

// tells sends a text to a group and waits until others have it.
func (p *person) tells(group, s string, others ...*person) {
	p.Helper()
	if _, err := p.SendGroup(p.Context(), group, s); err != nil {
		p.Fatalf("send to %s: %v", group, err)
	}
	for _, o := range others {
		o.sees(s, inGroup(group, s))
	}
}

func (p *person) groupID(name record.GroupName) record.GroupID {
	p.Helper()
	s, ok := p.device.rooms.named(name)
	if !ok {
		p.Fatalf("there is no group %s here", name)
	}
	return s.ID()
}
