package cluster

import (
	"context"
	"fmt"
	"sync"

	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// WaitApplied waits until this server has applied the entry with that index, so
// that a client reads what it wrote elsewhere: an ordinary read carries the
// highest index that the client has seen, and any server may answer it. It
// returns wire.ErrUnavailable when ctx ends first, or this server knows no leader for
// too long to catch up.
func (c *Cluster) WaitApplied(ctx context.Context, index uint64) error {
	for {
		bounded, cancel := context.WithTimeout(ctx, c.cfg.patience)
		err := c.applied.wait(bounded, index)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if _, led := c.Leader(); !led {
			return err
		}
	}
}

// Barrier returns once this server has applied all that was acknowledged
// anywhere before the call: what is read then is linearizable. Callers share
// barriers. It returns wire.ErrUnavailable when ctx ends first.
//
// It is a barrier in the log and not a check of leadership by heartbeat, which
// may count answers from before the call and let a deposed leader say yes.
func (c *Cluster) Barrier(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case c.barriers <- done:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", wire.ErrUnavailable, ctx.Err())
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", wire.ErrUnavailable, ctx.Err())
	}
}

// serveBarriers makes one barrier at a time for all who came before it began;
// those who come meanwhile wait for the next, since this one may be too old for
// them.
func (c *Cluster) serveBarriers(ctx context.Context) {
	for {
		var waiting []chan<- error
		select {
		case first := <-c.barriers:
			waiting = append(waiting, first)
		case <-ctx.Done():
			return
		}
		for more := true; more; {
			select {
			case next := <-c.barriers:
				waiting = append(waiting, next)
			default:
				more = false
			}
		}
		err := c.barrier(ctx)
		for _, w := range waiting {
			w <- err
		}
	}
}

func (c *Cluster) barrier(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, wire.RequestTimeout)
	defer cancel()
	out, err := c.submit(ctx, nil)
	if err != nil {
		return err
	}
	return c.WaitApplied(ctx, out.index)
}

// watermark is an index that rises and can be waited for.
type watermark struct {
	mu    sync.Mutex
	index uint64        // guarded by mu
	moved chan struct{} // guarded by mu: closed at the next advance
}

func newWatermark(index uint64) *watermark {
	return &watermark{index: index, moved: make(chan struct{})}
}

func (w *watermark) advance(index uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if index > w.index {
		w.index = index
		close(w.moved)
		w.moved = make(chan struct{})
	}
}

func (w *watermark) wait(ctx context.Context, index uint64) error {
	for {
		w.mu.Lock()
		reached, moved := w.index >= index, w.moved
		w.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", wire.ErrUnavailable, ctx.Err())
		}
	}
}
