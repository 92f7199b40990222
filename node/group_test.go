package node

import (
	"context"
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// founds creates a group that others join.
func (p *person) founds(group string, others ...*person) {
	p.Helper()
	if _, err := p.CreateGroup(p.Context(), group); err != nil {
		p.Fatalf("create %s: %v", group, err)
	}
	for _, o := range others {
		o.joins(group)
	}
}

// joins has a person join a group, and waits until a member has let them in: on a busy
// machine later than the command waits for it.
func (p *person) joins(group string) {
	p.Helper()
	joined, waiting, err := p.JoinGroup(p.Context(), group)
	if err != nil || string(joined) != group {
		p.Fatalf("join %s: %q, %v", group, joined, err)
	}
	if waiting {
		await(p, "a member who lets them in", func() bool { s, ok := p.device.rooms.named(joined); return ok && !s.Waiting() })
	}
}

func inGroup(group, s string) func(Event) bool {
	return func(e Event) bool { return e.Kind == EventMessage && string(e.Group) == group && e.Text == s }
}

func TestGroupOfThree(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	alice.founds("g1", bob, carol)
	alice.sees("bob joining", func(e Event) bool { return e.Kind == EventJoined && e.Account == "bob7" && e.Group == "g1" })
	for _, p := range []*person{alice, bob, carol} {
		for i := range 20 {
			s := fmt.Sprintf("%s %d", p.home, i)
			if _, err := p.SendGroup(t.Context(), "#G1", s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, from := range []*person{alice, bob, carol} {
		for _, to := range []*person{alice, bob, carol} {
			if from == to {
				continue
			}
			for i := range 20 {
				s := fmt.Sprintf("%s %d", from.home, i)
				to.sees(s, inGroup("g1", s))
				if n := len(to.all(text(s))); n != 1 {
					t.Errorf("%q came %d times", s, n)
				}
			}
		}
	}
	_, _, err := bob.JoinGroup(t.Context(), "g1")
	wantCode(t, err, CodeAlreadyMember)
	_, err = carol.CreateGroup(t.Context(), "g1")
	wantCode(t, err, CodeGroupTaken)
	groups, err := carol.Groups(t.Context())
	if err != nil || len(groups) != 1 || groups[0].Name != "g1" || groups[0].Members != 3 || !groups[0].Mine {
		t.Errorf("list: %+v, %v", groups, err)
	}
}

// Who was offline gets what was said when they are back, and a member who
// restarts goes on where they were.
func TestGroupMembersComeAndGo(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	alice.founds("g1", bob)
	bob.end()
	if _, err := alice.SendGroup(t.Context(), "g1", "while bob was away"); err != nil {
		t.Fatal(err)
	}
	alice = alice.again("alice42")
	bob = w.open(bob.home)
	bob.login("bob7")
	bob.sees("what was said meanwhile", inGroup("g1", "while bob was away"))
	_, err := carol.SendGroup(t.Context(), "g1", "let me in")
	wantCode(t, err, CodeNotMember)
	if _, _, err := carol.JoinGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	for from, others := range map[*person][]*person{alice: {bob, carol}, bob: {alice, carol}, carol: {alice, bob}} {
		s := "from " + from.home
		if _, err := from.SendGroup(t.Context(), "g1", s); err != nil {
			t.Fatal(err)
		}
		for _, o := range others {
			o.sees(s, inGroup("g1", s))
		}
	}
	if got := carol.all(text("while bob was away")); got != nil {
		t.Error("carol reads what was said before she joined")
	}
}

// A member whose device is logged out knows the epoch's secret: the others begin
// a new epoch, and talk goes on in it.
func TestLogoutBeginsANewEpoch(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.founds("g1", bob)
	old, _ := alice.device.rooms.named("g1")
	if err := bob.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "a new epoch", func() bool {
		s, _ := alice.device.rooms.named("g1")
		return s.Epoch() == old.Epoch()+1 && !s.Waiting()
	})
	bob.login("bob7")
	await(t, "bob in the group again", func() bool {
		groups, err := bob.MyGroups(t.Context())
		return err == nil && len(groups) == 1 && !groups[0].Waiting
	})
	alice.seesNotices("bob7", 2) // of the log-out and of the new device
	if _, err := alice.SendGroup(t.Context(), "g1", "welcome back"); err != nil {
		t.Fatal(err)
	}
	bob.sees("the message", inGroup("g1", "welcome back"))
}

// An outsider who has learned a topic's name, and runs GossipSub on it connected
// to its members, reads nothing and writes nothing.
func TestOutsiderOnAGroupsTopic(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "1")
	alice.founds("g1", bob)
	s, _ := alice.device.rooms.named("g1")
	topic, ok := s.Topic()
	if !ok {
		t.Fatal("alice has no topic")
	}
	// Eve once with her account's own device, and once as a stranger.
	eve.says("alice42", "hello") // so that they know and are connected to each other
	eve.says("bob7", "hello")
	own, err := eve.device.topics.Join(topic, func(peer.ID) bool { return true }, func(_ context.Context, from peer.ID, data []byte) {
		t.Errorf("eve's node reads %d bytes from %s", len(data), from)
	})
	if err != nil {
		t.Fatal(err)
	}
	stranger := outsider(t, alice.device.link.host.Libp2p(), bob.device.link.host.Libp2p())
	heard := stranger.join(t, topic)
	before, _ := bob.device.rooms.named("g1")
	for i := range 40 {
		if _, err := alice.SendGroup(t.Context(), "g1", fmt.Sprintf("secret %d", i)); err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			if err := own.Publish(t.Context(), []byte("injected"), 0); err != nil {
				t.Fatal(err)
			}
			stranger.publish(t, topic, "injected")
		}
	}
	for i := range 40 {
		bob.sees("every message", inGroup("g1", fmt.Sprintf("secret %d", i)))
	}
	if n := heard(); n != 0 {
		t.Errorf("the stranger read %d messages", n)
	}
	if after, _ := bob.device.rooms.named("g1"); after.Epoch() != before.Epoch() || after.Chain().Len() != before.Chain().Len() {
		t.Error("the outsider changed the group")
	}
	for _, p := range []*person{alice, bob} {
		if got := p.all(func(e Event) bool { return e.Kind == EventMessage && e.Group == "g1" && e.From != "alice42" }); got != nil {
			t.Errorf("injected: %+v", got)
		}
	}
}

// rawHost is a libp2p host with an ordinary GossipSub, of somebody who has read
// the specification.
type rawHost struct {
	host   host.Host
	pubsub *pubsub.PubSub
	topics map[string]*pubsub.Topic
}

func outsider(t *testing.T, members ...host.Host) *rawHost {
	t.Helper()
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.Transport(tcp.NewTCPTransport), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	ps, err := pubsub.NewGossipSub(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if err := h.Connect(t.Context(), *host.InfoFromHost(m)); err != nil {
			t.Fatal(err)
		}
	}
	return &rawHost{host: h, pubsub: ps, topics: make(map[string]*pubsub.Topic)}
}

// join subscribes to a topic; heard tells how many messages of others have come.
func (r *rawHost) join(t *testing.T, name string) (heard func() int) {
	t.Helper()
	topic, err := r.pubsub.Join(name)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := topic.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	r.topics[name] = topic
	received := make(chan struct{}, 1000)
	go func() {
		for {
			m, err := sub.Next(t.Context())
			if err != nil {
				return
			}
			if m.ReceivedFrom != r.host.ID() {
				received <- struct{}{}
			}
		}
	}()
	return func() int { return len(received) }
}

func (r *rawHost) publish(t *testing.T, name, text string) {
	t.Helper()
	if err := r.topics[name].Publish(t.Context(), []byte(text)); err != nil {
		t.Fatal(err)
	}
}
