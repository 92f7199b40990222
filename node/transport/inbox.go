package transport

import (
	"context"
	"sync"
)

// inbox holds the deliveries that have arrived on one stream and are not yet
// received. One goroutine puts, one takes. It is bounded by count (MaxBatch) and
// by bytes (maxInboxBytes; one delivery always fits).
type inbox struct {
	changed chan struct{} // cap 1: a token when something was put
	room    chan struct{} // cap 1: a token when something was taken

	mu    sync.Mutex
	items []Delivery
	bytes int
}

func newInbox() *inbox {
	return &inbox{changed: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put adds a delivery when there is room for it, or returns ctx's error.
func (b *inbox) put(ctx context.Context, d Delivery) error {
	for !b.tryPut(d) {
		select {
		case <-b.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	signal(b.changed)
	return nil
}

func (b *inbox) tryPut(d Delivery) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := len(b.items) >= MaxBatch || b.bytes+len(d.Envelope) > maxInboxBytes
	if full && len(b.items) > 0 {
		return false
	}
	b.items = append(b.items, d)
	b.bytes += len(d.Envelope)
	return true
}

// take waits until there is something, and returns all of it in the order of
// arrival; or ctx's error.
func (b *inbox) take(ctx context.Context) ([]Delivery, error) {
	for {
		if batch := b.takeAll(); len(batch) > 0 {
			signal(b.room)
			return batch, nil
		}
		select {
		case <-b.changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *inbox) takeAll() []Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch := b.items
	b.items, b.bytes = nil, 0
	return batch
}

// signal leaves a token in a channel of capacity 1.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
