package transport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// ErrNoTopic is returned by Rotation.Publish before Enter.
var ErrNoTopic = errors.New("transport: no topic")

// Rotation is a group's way from topic to topic as its epochs change. It joins the
// new topic, publishes on the old one until the new mesh stands, at most
// MeshPatience, and leaves the old one Overlap after it joined the new: 0 messages
// lost at 3 and at 10 members, where leave-join-publish loses one in a hundred.
// Messages that arrive on either are delivered; each arrives on one of them.
type Rotation struct {
	// Immutable.
	topics  *Topics
	member  func(peer.ID) bool
	deliver func(ctx context.Context, from peer.ID, data []byte)

	mu       sync.Mutex
	current  *Topic
	since    time.Time // when current was joined
	retiring map[*Topic]*time.Timer
	previous *Topic // the newest of retiring, nil if none
}

// Rotation returns the rotation of a group that has no topic yet. member and
// deliver are as for Join; deliver may be called from two topics at a time.
func (t *Topics) Rotation(member func(peer.ID) bool, deliver func(ctx context.Context, from peer.ID, data []byte)) *Rotation {
	return &Rotation{topics: t, member: member, deliver: deliver, retiring: make(map[*Topic]*time.Timer)}
}

// Enter joins the topic of a new epoch and retires the one before. It does nothing
// for the topic that is current already.
func (r *Rotation) Enter(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil && r.current.name == name {
		return nil
	}
	next, err := r.topics.Join(name, r.member, r.deliver)
	if err != nil {
		return err
	}
	if old := r.current; old != nil {
		r.previous = old
		r.retiring[old] = time.AfterFunc(Overlap, func() { r.retire(old) })
	}
	r.current, r.since = next, time.Now()
	return nil
}

// retire leaves a topic whose time is over.
func (r *Rotation) retire(old *Topic) {
	r.mu.Lock()
	_, ours := r.retiring[old]
	delete(r.retiring, old)
	if r.previous == old {
		r.previous = nil
	}
	r.mu.Unlock()
	if !ours { // Leave has it
		return
	}
	if err := old.Leave(context.Background()); err != nil {
		r.topics.host.log.Warn("an old topic was not left", "err", err)
	}
}

// Publish publishes on the current topic, or on the one before while others are
// still on their way. See Topic.Publish.
func (r *Rotation) Publish(ctx context.Context, data []byte, want int) error {
	r.mu.Lock()
	topic, previous, moving := r.current, r.previous, time.Since(r.since) < MeshPatience
	r.mu.Unlock()
	if topic == nil {
		return ErrNoTopic
	}
	// A mesh of a few stands before the last member has come.
	if moving && previous != nil && (topic.Present() < want || !topic.Ready(want)) && previous.Ready(want) {
		topic = previous
	}
	return topic.Publish(ctx, data, want)
}

// Subscribed returns the peers that have announced the current topic to this
// device, in no order. Others learn of a message only by another way.
func (r *Rotation) Subscribed() []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		return nil
	}
	return r.current.topic.ListPeers()
}

// Leave leaves all topics of the group.
func (r *Rotation) Leave(ctx context.Context) error {
	r.mu.Lock()
	var leave []*Topic
	for old, timer := range r.retiring {
		timer.Stop()
		leave = append(leave, old)
	}
	if r.current != nil {
		leave = append(leave, r.current)
	}
	clear(r.retiring)
	r.current, r.previous = nil, nil
	r.mu.Unlock()
	var failed error
	for _, t := range leave {
		failed = errors.Join(failed, t.Leave(ctx))
	}
	if failed != nil {
		return fmt.Errorf("transport: leave group: %w", failed)
	}
	return nil
}
