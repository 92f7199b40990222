package transport

import (
	"log/slog"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// meshes follows which peers are in each topic's mesh: those that what we publish
// goes to. pubsub tells it as it happens (it is a raw tracer); the list of a
// topic's peers that pubsub gives on request counts outsiders too.
type meshes struct {
	log *slog.Logger

	mu      sync.Mutex
	peers   map[string]map[peer.ID]struct{} // by topic
	open    map[peer.ID]struct{}            // those that pubsub has a stream to
	changed chan struct{}                   // closed, and replaced, at each change
}

func newMeshes(log *slog.Logger) *meshes {
	return &meshes{
		log: log, peers: make(map[string]map[peer.ID]struct{}),
		open: make(map[peer.ID]struct{}), changed: make(chan struct{}),
	}
}

// size returns how many peers in a topic's mesh a message would go out to now, and
// a channel that is closed when that, or another mesh, changes. A peer that has
// taken us into its mesh is in ours before pubsub has a stream to it; what is sent
// to it until then is dropped.
func (m *meshes) size(topic string) (n int, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range m.peers[topic] {
		if _, open := m.open[p]; open {
			n++
		}
	}
	return n, m.changed
}

// topicsOf returns the topics in whose mesh a peer is.
func (m *meshes) topicsOf(p peer.ID) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var topics []string
	for topic, peers := range m.peers {
		if _, in := peers[p]; in {
			topics = append(topics, topic)
		}
	}
	return topics
}

// change runs f under the lock and wakes those who wait.
func (m *meshes) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	close(m.changed)
	m.changed = make(chan struct{})
}

// Graft, Prune, Leave, OnNewOutboundStream and OnClosedOutboundStream are the raw
// tracer's methods that say who enters and leaves a mesh. A peer that goes away
// leaves all of them without a Prune.

func (m *meshes) Graft(p peer.ID, topic string) {
	m.change(func() {
		if m.peers[topic] == nil {
			m.peers[topic] = make(map[peer.ID]struct{})
		}
		m.peers[topic][p] = struct{}{}
	})
}

func (m *meshes) Prune(p peer.ID, topic string) {
	m.change(func() { delete(m.peers[topic], p) })
}

func (m *meshes) Leave(topic string) {
	m.change(func() { delete(m.peers, topic) })
}

func (m *meshes) OnNewOutboundStream(p peer.ID, _ protocol.ID) {
	m.change(func() { m.open[p] = struct{}{} })
}

func (m *meshes) OnClosedOutboundStream(p peer.ID) {
	m.change(func() {
		delete(m.open, p)
		for _, peers := range m.peers {
			delete(peers, p)
		}
	})
}

// DropRPC says that a peer's queue of topicQueue is full or there is no stream to
// it, UndeliverableMessage that this node's own queue is full: messages are lost
// here, and the group must fetch them.

func (m *meshes) DropRPC(_ *pubsub.RPC, p peer.ID) {
	m.log.Warn("a message to a peer is lost: it is too slow or gone", "peer", p)
}

func (m *meshes) UndeliverableMessage(msg *pubsub.Message) {
	m.log.Warn("this node is too slow for its topics; a message is lost", "from", msg.GetFrom())
}

// RejectMessage hears of every message that is refused. All but one reason are the
// sender's fault; that one is a third full queue.
func (m *meshes) RejectMessage(msg *pubsub.Message, reason string) {
	if reason == pubsub.RejectValidationQueueFull || reason == pubsub.RejectValidationThrottled {
		m.log.Warn("this node is too slow for its topics; a message is lost", "from", msg.GetFrom())
	}
}

// The rest of the raw tracer has nothing to say about meshes.

func (m *meshes) Join(string)                                          {}
func (m *meshes) ValidateMessage(*pubsub.Message)                      {}
func (m *meshes) DeliverMessage(*pubsub.Message)                       {}
func (m *meshes) DuplicateMessage(*pubsub.Message)                     {}
func (m *meshes) ThrottlePeer(peer.ID)                                 {}
func (m *meshes) RecvRPC(*pubsub.RPC)                                  {}
func (m *meshes) SendRPC(*pubsub.RPC, peer.ID)                         {}
func (m *meshes) SendRPCCompleted(*pubsub.RPC, peer.ID, time.Duration) {}
