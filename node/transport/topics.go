package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
)

// topicProtocols are the versions of GossipSub that nodes speak. floodsub is not
// among them: floodsub peers are sent every message of a topic, member or not.
var topicProtocols = []protocol.ID{pubsub.GossipSubID_v12, pubsub.GossipSubID_v11}

// Topics is this device's part in GossipSub. A topic's messages reach its members
// and nobody else, and nobody else's reach them, which takes all of the following
// (measured with an outsider that knows the topic's name: 0 of 40 received, 0 of 10
// injected; with the peer filter alone it injects, and with flood publishing or
// floodsub it receives):
//
//   - the gate: who shares no group is not spoken to at all;
//   - a peer filter: only members enter a topic's mesh;
//   - GossipSub without floodsub, and no flood publishing;
//   - a validator on who passed a message on and on who wrote it.
//
// Messages are signed by their author's device key, and unsigned ones refused.
//
// There is no filter on subscriptions: a peer announces a topic once, and an
// announcement that is dropped because the membership statement comes a moment
// later never comes back.
type Topics struct {
	// Immutable.
	host   *Host
	gate   *gate
	pubsub *pubsub.PubSub
	meshes *meshes
	cancel context.CancelFunc
	done   <-chan struct{}

	mu     sync.Mutex
	topics map[string]*Topic
}

// StartTopics starts GossipSub, once in a Host's life at a time. shares tells
// whether a peer is a member device of any group of ours: it is asked often, from
// any goroutine, and must neither wait nor call Topics. It ends with ctx, Close or
// the Host.
func (h *Host) StartTopics(ctx context.Context, shares func(peer.ID) bool) (*Topics, error) {
	g, err := newGate(h.host, shares)
	if err != nil {
		return nil, fmt.Errorf("transport: start topics: %w", err)
	}
	sub, err := h.host.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted),
		new(event.EvtPeerProtocolsUpdated),
		new(event.EvtPeerConnectednessChanged),
	}, eventbus.BufSize(busBuffer))
	if err != nil {
		return nil, fmt.Errorf("transport: start topics: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &Topics{
		host: h, gate: g, meshes: newMeshes(h.log), cancel: cancel, done: ctx.Done(),
		topics: make(map[string]*Topic),
	}
	if t.pubsub, err = pubsub.NewGossipSub(ctx, g, t.options()...); err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("transport: start topics: %w", err), sub.Close())
	}
	if !h.start() {
		cancel()
		return nil, errors.Join(ErrClosed, sub.Close())
	}
	closing, release := contextUntil(h.done)
	stop := context.AfterFunc(closing, cancel)
	go func() {
		defer h.running.Done()
		defer release()
		defer stop()
		g.follow(ctx, sub, func() []peer.ID { return t.pubsub.ListPeers("") })
		cancel()
		_ = sub.Close()
		g.shut()
	}()
	return t, nil
}

// options returns the settings and the guards, each of which is there for a reason
// given at Topics.
func (t *Topics) options() []pubsub.Option {
	return append(t.settings(),
		pubsub.WithBlacklist(t.gate),
		pubsub.WithPeerFilter(t.accepts),
		pubsub.WithGossipSubProtocols(topicProtocols, pubsub.GossipSubDefaultFeatures),
		pubsub.WithFloodPublish(false),
	)
}

// settings are those that have nothing to do with who is a member.
func (t *Topics) settings() []pubsub.Option {
	params := pubsub.DefaultGossipSubParams()
	params.HeartbeatInterval = heartbeat
	// Histories count heartbeats: keep them as long in time as others do.
	params.HistoryLength, params.HistoryGossip = historyLength, historyGossip
	params.PruneBackoff, params.UnsubscribeBackoff = meshBackoff, meshBackoff
	return []pubsub.Option{
		pubsub.WithGossipSubParams(params),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictSign),
		pubsub.WithMaxMessageSize(maxTopicMessage),
		pubsub.WithPeerOutboundQueueSize(topicQueue),
		pubsub.WithValidateQueueSize(validateQueue),
		pubsub.WithRawTracer(t.meshes),
		// pubsub warns of each stranger that the gate keeps out.
		pubsub.WithLogger(slog.New(slog.DiscardHandler)),
	}
}

// accepts is pubsub's peer filter.
func (t *Topics) accepts(p peer.ID, name string) bool {
	t.mu.Lock()
	topic := t.topics[name]
	t.mu.Unlock()
	return topic != nil && topic.member(p)
}

// MembershipChanged must be called after what shares or a topic's member answers
// for these peers has changed, in either direction: pubsub looks at a peer when it
// connects and then not again.
func (t *Topics) MembershipChanged(peers ...peer.ID) {
	for _, p := range peers {
		if t.stray(p) {
			// Its only way out of a mesh is to be dropped; where it is still a
			// member it is taken in again.
			t.pubsub.BlacklistPeer(p)
		}
		if t.gate.Contains(p) {
			t.pubsub.BlacklistPeer(p)
			t.gate.closed(p)
			continue
		}
		t.gate.opened(p)
	}
}

// stray tells whether a peer is in the mesh of a topic it is not a member of.
func (t *Topics) stray(p peer.ID) bool {
	for _, name := range t.meshes.topicsOf(p) {
		if !t.accepts(p, name) {
			return true
		}
	}
	return false
}

// Close leaves GossipSub. Topics need not have been left: that would tell their
// members not to take us in again for a while.
func (t *Topics) Close() { t.cancel() }
