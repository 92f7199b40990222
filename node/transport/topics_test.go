package transport

import (
	"context"
	"fmt"
	"sync"
	"testing"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// members is a membership that can change while it is asked.
type members struct {
	mu sync.Mutex
	in map[peer.ID]bool
}

func membersOf(hosts ...*Host) *members {
	m := &members{in: make(map[peer.ID]bool)}
	for _, h := range hosts {
		m.set(h.ID(), true)
	}
	return m
}

func (m *members) set(p peer.ID, in bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.in[p] = in
}

func (m *members) has(p peer.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.in[p]
}

// ears collects what a topic delivers.
type ears struct {
	mu    sync.Mutex
	heard map[string]int
}

func newEars() *ears { return &ears{heard: make(map[string]int)} }

func (e *ears) deliver(_ context.Context, from peer.ID, data []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard[from.String()+" "+string(data)]++
}

// has tells whether exactly once each of the messages of from was heard.
func (e *ears) has(from *Host, messages []string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range messages {
		if e.heard[from.ID().String()+" "+m] != 1 {
			return false
		}
	}
	return true
}

func (e *ears) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.heard)
}

func startTopics(t testing.TB, h *Host, m *members) *Topics {
	t.Helper()
	topics, err := h.StartTopics(context.Background(), m.has)
	if err != nil {
		t.Fatal(err)
	}
	return topics
}

func join(t testing.TB, topics *Topics, name string, m *members) (*Topic, *ears) {
	t.Helper()
	e := newEars()
	topic, err := topics.Join(name, m.has, e.deliver)
	if err != nil {
		t.Fatal(err)
	}
	return topic, e
}

func publish(t testing.TB, topic *Topic, want int, messages []string) {
	t.Helper()
	for _, m := range messages {
		if err := topic.Publish(within(t), []byte(m), want); err != nil {
			t.Fatal(err)
		}
	}
}

func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s %d", prefix, i)
	}
	return out
}

func TestEverythingReachesEveryMember(t *testing.T) {
	for _, n := range []int{2, 3, 10} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			hosts := newHosts(t, n)
			m := membersOf(hosts...)
			topics, ear := make([]*Topic, n), make([]*ears, n)
			reachAll(t, hosts)
			for i, h := range hosts {
				topics[i], ear[i] = join(t, startTopics(t, h, m), "topic", m)
			}
			// At once, without waiting for anything.
			said := numbered("said", 200)
			publish(t, topics[0], n-1, said)
			for i := 1; i < n; i++ {
				eventually(t, "all 200 messages", func() bool { return ear[i].has(hosts[0], said) })
			}
			if ear[0].count() != 0 {
				t.Error("heard itself")
			}
		})
	}
}

// outsider is somebody who runs pubsub as it comes and knows the topic's name.
type outsider struct {
	*Host
	pubsub *pubsub.PubSub
	topic  *pubsub.Topic
	sub    *pubsub.Subscription
}

func newOutsider(t *testing.T, flood bool) *outsider {
	t.Helper()
	o := &outsider{Host: newHost(t)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	start := func(ctx context.Context, opts ...pubsub.Option) (*pubsub.PubSub, error) {
		return pubsub.NewGossipSub(ctx, o.host, append(opts, pubsub.WithFloodPublish(true))...)
	}
	if flood {
		start = func(ctx context.Context, opts ...pubsub.Option) (*pubsub.PubSub, error) {
			// It also speaks GossipSub's name, to be let in at all.
			return pubsub.NewFloodsubWithProtocols(ctx, o.host, append([]protocol.ID{pubsub.FloodSubID}, topicProtocols...), opts...)
		}
	}
	var err error
	if o.pubsub, err = start(ctx); err != nil {
		t.Fatal(err)
	}
	if o.topic, err = o.pubsub.Join("topic"); err != nil {
		t.Fatal(err)
	}
	if o.sub, err = o.topic.Subscribe(pubsub.WithBufferSize(topicQueue)); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOutsiderHearsAndSaysNothing(t *testing.T) {
	for _, flood := range []bool{false, true} {
		for _, shares := range []bool{false, true} {
			t.Run(fmt.Sprintf("floodsub=%t,other group=%t", flood, shares), func(t *testing.T) {
				testOutsider(t, flood, shares)
			})
		}
	}
}

// testOutsider lets somebody who knows a topic's name, and perhaps shares another
// group with the members, listen and speak while they talk.
func testOutsider(t *testing.T, flood, sharesOther bool) {
	hosts := newHosts(t, 3)
	inside := membersOf(hosts...)
	o := newOutsider(t, flood)
	sharing := membersOf(hosts...)
	sharing.set(o.ID(), sharesOther)
	for _, h := range hosts {
		reach(t, o.Host, h)
	}
	reachAll(t, hosts)
	topics, ear := make([]*Topic, len(hosts)), make([]*ears, len(hosts))
	for i, h := range hosts {
		topics[i], ear[i] = join(t, startTopics(t, h, sharing), "topic", inside)
	}
	if sharesOther { // it is heard by pubsub, so that there is something to hold back
		eventually(t, "the outsider is greeted", func() bool { return len(o.pubsub.ListPeers("topic")) == len(hosts) })
	}
	for i := range 40 {
		if err := o.topic.Publish(within(t), fmt.Appendf(nil, "injected %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	said := numbered("said", 40)
	publish(t, topics[0], 2, said)
	publish(t, topics[1], 2, said)
	for i := 1; i < len(hosts); i++ {
		eventually(t, "the members hear each other", func() bool { return ear[i].has(hosts[0], said) })
	}
	eventually(t, "the members hear each other", func() bool { return ear[0].has(hosts[1], said) && ear[2].has(hosts[1], said) })
	if n := ear[2].count(); n != 2*len(said) {
		t.Errorf("a member heard %d messages, of which %d injected", n, n-2*len(said))
	}
	if !sharesOther {
		for _, h := range hosts {
			if seen := streamsOf(o.Host, h.ID(), network.DirInbound); seen != 0 {
				t.Errorf("%d pubsub streams were opened to the outsider", seen)
			}
		}
		if peers := o.pubsub.ListPeers("topic"); len(peers) != 0 {
			t.Error("the outsider was told who is in the topic")
		}
	}
	expectSilence(t, o)
}

// expectSilence checks that the outsider has received nothing by the time that a
// message it sends itself comes out of its own subscription.
func expectSilence(t *testing.T, o *outsider) {
	t.Helper()
	if err := o.topic.Publish(within(t), []byte("end")); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := o.sub.Next(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if m.GetFrom() != o.ID() {
			t.Fatal("the outsider received a message")
		}
		if string(m.GetData()) == "end" {
			return
		}
	}
}

// streamsOf counts the pubsub streams that a peer has open at a host.
func streamsOf(h *Host, p peer.ID, dir network.Direction) (n int) {
	for _, c := range h.host.Network().ConnsToPeer(p) {
		for _, s := range c.GetStreams() {
			for _, id := range topicProtocols {
				if s.Protocol() == id && s.Stat().Direction == dir {
					n++
				}
			}
		}
	}
	return n
}

func TestNewcomerWhoseMembershipComesAfterTheConnection(t *testing.T) {
	hosts := newHosts(t, 3)
	newcomer := hosts[2]
	all := membersOf(hosts...)
	topics, groups, ear := make([]*Topics, 3), make([]*Topic, 3), make([]*ears, 3)
	known := make([]*members, 3)
	reachAll(t, hosts)
	for i, h := range hosts {
		known[i] = membersOf(hosts[:2]...)
		if h == newcomer {
			known[i] = all // it knows them, they do not know it
		}
		topics[i] = startTopics(t, h, known[i])
		groups[i], ear[i] = join(t, topics[i], "topic", known[i])
	}
	before := numbered("before", 40)
	publish(t, groups[0], 1, before)
	eventually(t, "the members hear each other", func() bool { return ear[1].has(hosts[0], before) })
	eventually(t, "its streams are parked", func() bool {
		for _, ts := range topics[:2] {
			ts.gate.mu.Lock()
			n := len(ts.gate.parked)
			ts.gate.mu.Unlock()
			if n != 1 {
				return false
			}
		}
		return true
	})
	if ear[2].count() != 0 {
		t.Fatal("the newcomer heard what was said before")
	}
	for i := range 2 {
		known[i].set(newcomer.ID(), true)
		topics[i].MembershipChanged(newcomer.ID())
	}
	after := numbered("after", 200)
	publish(t, groups[0], 2, after)
	eventually(t, "the newcomer hears everything said afterwards", func() bool { return ear[2].has(hosts[0], after) })
	publish(t, groups[2], 2, after)
	eventually(t, "the newcomer is heard", func() bool { return ear[0].has(newcomer, after) && ear[1].has(newcomer, after) })
}

func TestLateJoiner(t *testing.T) {
	hosts := newHosts(t, 3)
	m := membersOf(hosts...)
	reachAll(t, hosts[:2])
	var groups []*Topic
	var ear []*ears
	for _, h := range hosts {
		topic, e := join(t, startTopics(t, h, m), "topic", m)
		groups, ear = append(groups, topic), append(ear, e)
	}
	first := numbered("first", 40)
	publish(t, groups[0], 1, first)
	eventually(t, "the two hear each other", func() bool { return ear[1].has(hosts[0], first) })
	reach(t, hosts[2], hosts[0])
	reach(t, hosts[2], hosts[1])
	second := numbered("second", 200)
	publish(t, groups[0], 2, second)
	eventually(t, "the late one hears what comes then", func() bool { return ear[2].has(hosts[0], second) })
}

func TestFormerMemberIsDropped(t *testing.T) {
	hosts := newHosts(t, 3)
	former := hosts[2]
	m, sharing := membersOf(hosts...), membersOf(hosts...)
	reachAll(t, hosts)
	var topics []*Topics
	var groups []*Topic
	var ear []*ears
	for _, h := range hosts {
		ts := startTopics(t, h, sharing)
		topic, e := join(t, ts, "topic", m)
		topics, groups, ear = append(topics, ts), append(groups, topic), append(ear, e)
	}
	before := numbered("before", 10)
	publish(t, groups[0], 2, before)
	eventually(t, "all hear", func() bool { return ear[1].has(hosts[0], before) && ear[2].has(hosts[0], before) })

	m.set(former.ID(), false) // it still shares another group
	for _, ts := range topics[:2] {
		ts.MembershipChanged(former.ID())
	}
	for _, g := range groups[:2] {
		eventually(t, "it is out of the mesh", func() bool { n, _ := g.topics.meshes.size("topic"); return n == 1 })
	}
	after := numbered("after", 40)
	publish(t, groups[0], 1, after)
	publish(t, groups[2], 0, after)
	eventually(t, "the others hear", func() bool { return ear[1].has(hosts[0], after) })
	if ear[2].count() != len(before) || ear[0].count() != 0 || ear[1].count() != len(before)+len(after) {
		t.Error("the former member still listens or speaks")
	}
}

func TestLeaveAndJoinAgain(t *testing.T) {
	hosts := newHosts(t, 2)
	m := membersOf(hosts...)
	reachAll(t, hosts)
	a, b := startTopics(t, hosts[0], m), startTopics(t, hosts[1], m)
	ga, _ := join(t, a, "topic", m)
	if _, err := a.Join("topic", m.has, newEars().deliver); err != ErrJoined {
		t.Errorf("joined twice: %v", err)
	}
	gb, _ := join(t, b, "topic", m)
	publish(t, ga, 1, []string{"x"})
	if err := gb.Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	gb, eb := join(t, b, "topic", m)
	said := numbered("again", 10)
	eventually(t, "the mesh stands again", func() bool { return ga.Ready(1) && gb.Ready(1) })
	publish(t, ga, 1, said)
	eventually(t, "it hears again", func() bool { return eb.has(hosts[0], said) })
}

func TestStopAndStartAgain(t *testing.T) {
	hosts := newHosts(t, 2)
	m := membersOf(hosts...)
	reachAll(t, hosts)
	ga, _ := join(t, startTopics(t, hosts[0], m), "topic", m)
	first := startTopics(t, hosts[1], m)
	join(t, first, "topic", m)
	publish(t, ga, 1, []string{"x"})
	first.Close()
	eventually(t, "the other side notices", func() bool { return !ga.Ready(1) })
	_, eb := join(t, startTopics(t, hosts[1], m), "topic", m)
	eventually(t, "it is back in the mesh", func() bool { return ga.Ready(1) }) // Publish waits for MeshPatience only
	said := numbered("again", 200)
	publish(t, ga, 1, said)
	eventually(t, "it hears again", func() bool { return eb.has(hosts[0], said) })
}
