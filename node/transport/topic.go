package transport

import (
	"context"
	"errors"
	"fmt"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire"
)

// ErrJoined is returned for a topic that this device is in already.
var ErrJoined = errors.New("transport: topic already joined")

// Topic is a topic that this device is in.
type Topic struct {
	// Immutable.
	topics  *Topics
	name    string
	member  func(peer.ID) bool
	topic   *pubsub.Topic
	sub     *pubsub.Subscription
	reading chan struct{} // closed when deliver is not called any more

	// turn is a lock that a context can end the wait for. Whoever has it may
	// publish, so that messages leave in the order in which they came, and touch
	// what follows.
	turn chan struct{}
	// Patience was spent to no avail when want members were to be expected, and
	// got of them had come. It is not spent again for the same.
	want, got int
}

// Join enters a topic. member tells whether a peer is a member device of its
// group, under the conditions that hold for shares. deliver is called for each
// message of another member, one at a time, in the order in which they come; from
// is its author. It should be quick: beyond topicQueue waiting messages are lost.
func (t *Topics) Join(name string, member func(peer.ID) bool, deliver func(ctx context.Context, from peer.ID, data []byte)) (*Topic, error) {
	topic := &Topic{
		topics: t, name: name, member: member,
		reading: make(chan struct{}), turn: make(chan struct{}, 1),
	}
	t.mu.Lock()
	if t.topics[name] != nil {
		t.mu.Unlock()
		return nil, ErrJoined
	}
	t.topics[name] = topic
	t.mu.Unlock()
	if err := topic.join(deliver); err != nil {
		t.remove(topic)
		return nil, fmt.Errorf("transport: join topic: %w", err)
	}
	return topic, nil
}

func (t *Topics) remove(topic *Topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.topics[topic.name] == topic {
		delete(t.topics, topic.name)
	}
}

func (t *Topic) join(deliver func(context.Context, peer.ID, []byte)) error {
	ps := t.topics.pubsub
	// The validator first: between a join and a later validator anything passes.
	if err := ps.RegisterTopicValidator(t.name, t.validate, pubsub.WithValidatorInline(true)); err != nil {
		return err
	}
	var err error
	if t.topic, err = ps.Join(t.name); err != nil {
		return errors.Join(err, ps.UnregisterTopicValidator(t.name))
	}
	if t.sub, err = t.topic.Subscribe(pubsub.WithBufferSize(topicQueue)); err != nil {
		return errors.Join(err, t.topic.Close(), ps.UnregisterTopicValidator(t.name))
	}
	if !t.topics.host.start() {
		t.sub.Cancel()
		return ErrClosed
	}
	ctx, cancel := contextUntil(t.topics.done)
	go func() {
		defer t.topics.host.running.Done()
		defer cancel()
		defer close(t.reading)
		t.read(ctx, deliver)
	}()
	return nil
}

// validate refuses what came by way of somebody, or was written by somebody, who
// is not a member.
func (t *Topic) validate(_ context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	self := t.topics.host.ID()
	if (from == self || t.member(from)) && (m.GetFrom() == self || t.member(m.GetFrom())) {
		return pubsub.ValidationAccept
	}
	return pubsub.ValidationReject
}

// read delivers until the subscription or GossipSub ends.
func (t *Topic) read(ctx context.Context, deliver func(context.Context, peer.ID, []byte)) {
	self := t.topics.host.ID()
	for {
		m, err := t.sub.Next(ctx)
		if err != nil {
			return
		}
		if from := m.GetFrom(); from != self {
			deliver(ctx, from, m.GetData())
		}
	}
}

// Publish sends data, at most wire.MaxEnvelope bytes, to the topic. want is how
// many member devices are connected. It holds the message until the mesh stands,
// since one published before reaches nobody, but at most MeshPatience; it returns
// nil when GossipSub has taken the message, which does not say that anybody got it.
func (t *Topic) Publish(ctx context.Context, data []byte, want int) error {
	if len(data) > wire.MaxEnvelope {
		return ErrTooLarge
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("transport: publish: %w", ctx.Err())
	}
	defer func() { <-t.turn }()
	if err := t.settle(ctx, want); err != nil {
		return fmt.Errorf("transport: publish: %w", err)
	}
	if err := t.topic.Publish(ctx, data); err != nil {
		return fmt.Errorf("transport: publish: %w", err)
	}
	return nil
}

// enough is the size of a mesh that stands: every member that is connected, or as
// many as GossipSub is content with; those pass it on.
func enough(want int) int { return min(want, pubsub.GossipSubDlo) }

// Ready tells whether the mesh stands, when want member devices are connected.
func (t *Topic) Ready(want int) bool {
	n, _ := t.topics.meshes.size(t.name)
	return n >= enough(want)
}

// Present returns how many connected member devices are in the topic.
func (t *Topic) Present() (n int) {
	for _, p := range t.topic.ListPeers() {
		if t.member(p) {
			n++
		}
	}
	return n
}

// settle waits for the mesh. The caller has the turn.
func (t *Topic) settle(ctx context.Context, want int) error {
	var patience <-chan time.Time
	for {
		n, changed := t.topics.meshes.size(t.name)
		if n >= enough(want) {
			t.want, t.got = 0, 0
			return nil
		}
		if want <= t.want && n >= t.got {
			return nil
		}
		if patience == nil {
			timer := time.NewTimer(MeshPatience)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-changed:
		case <-patience:
			t.want, t.got = want, n
			return nil
		case <-t.topics.done:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Leave leaves the topic. When it returns, deliver is not called any more. It must
// not be called from deliver.
func (t *Topic) Leave(ctx context.Context) error {
	t.sub.Cancel()
	<-t.reading
	defer t.topics.remove(t)
	// pubsub refuses to close a topic until it has handled the cancelled
	// subscription, and does not say when it has.
	poll := time.NewTicker(unsubscribePoll)
	defer poll.Stop()
	err := t.topic.Close()
	for tries := 0; err != nil && tries < unsubscribeTries; tries++ {
		select {
		case <-poll.C:
			err = t.topic.Close()
		case <-t.topics.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("transport: leave topic: %w", ctx.Err())
		}
	}
	if err != nil {
		return fmt.Errorf("transport: leave topic: %w", err)
	}
	if err := t.topics.pubsub.UnregisterTopicValidator(t.name); err != nil {
		return fmt.Errorf("transport: leave topic: %w", err)
	}
	return nil
}
