package node

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const (
	// maxTaken bounds the messages that one transaction takes from topics: as many as
	// a message link hands over at once. It shares one sync of the disk among them.
	maxTaken = transport.MaxBatch
	// maxTakenBytes is when a transaction takes no further message. What it writes is
	// little more than its messages and the states of their groups.
	maxTakenBytes = store.MaxUpdate / 4
	// arrivalQueue is how many messages from topics wait to be taken; then they wait in
	// GossipSub's queues.
	arrivalQueue = 2 * maxTaken
)

// topicMessage is a message as a topic brought it.
type topicMessage struct {
	group   record.GroupID
	from    group.Member
	message []byte
}

// arrived queues a message from a group's topic.
func (r *rooms) arrived(ctx context.Context, from peer.ID, id record.GroupID, message []byte) {
	owner, ok := r.d.people.owner(from)
	if !ok {
		return
	}
	select {
	case r.arrivals <- topicMessage{id, group.Member{Account: owner, Device: from}, message}:
	case <-ctx.Done():
	}
}

// takeArrivals takes what topics bring, in order and as much at a time as is there,
// until the context ends.
func (r *rooms) takeArrivals(ctx context.Context) {
	for {
		select {
		case m := <-r.arrivals:
			r.takeAll(r.withMore(m))
		case <-ctx.Done():
			return
		}
	}
}

// withMore returns a message and those that wait behind it.
func (r *rooms) withMore(m topicMessage) []topicMessage {
	batch, bytes := []topicMessage{m}, len(m.message)
	for len(batch) < maxTaken && bytes < maxTakenBytes {
		select {
		case m := <-r.arrivals:
			batch, bytes = append(batch, m), bytes+len(m.message)
		default:
			return batch
		}
	}
	return batch
}

func (r *rooms) takeAll(batch []topicMessage) {
	err := r.d.commit(func(tx *store.Tx, fx *effects) error {
		for _, m := range batch {
			if _, err := r.receive(tx, fx, m.group, m.from, m.message); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.d.log.Error("group messages could not be taken", "count", len(batch), "err", err)
	}
}
