package cluster

import (
	"context"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// serveTicks moves the directory's clock on while this server leads. What passes
// before a new leader's first tick is not counted, so that no change of leaders
// makes time pass faster than it does.
func (c *Cluster) serveTicks(ctx context.Context) {
	ticker := time.NewTicker(c.cfg.tick)
	defer ticker.Stop()
	var last time.Time // when this server ticked, zero while it does not lead
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if leader, ok := c.Leader(); !ok || leader != c.self {
			last = time.Time{}
			continue
		}
		var elapsed time.Duration
		now := time.Now()
		if !last.IsZero() {
			elapsed = now.Sub(last)
		}
		last = now
		if err := c.tick(ctx, elapsed); err != nil {
			c.cfg.Logger.Warn("the directory's clock was not moved", "error", err)
		}
	}
}

// tick proposes one tick, and further ones for as long as there is more that has
// expired.
func (c *Cluster) tick(ctx context.Context, elapsed time.Duration) error {
	for more := true; more && ctx.Err() == nil; elapsed = 0 {
		clock, err := c.directory.Clock()
		if err != nil {
			return err
		}
		out, err := c.lead(ctx, directory.Tick(clock, elapsed))
		if err != nil {
			return err
		}
		if more, err = directory.ParseUnfinished(out.value); err != nil {
			return err
		}
	}
	return nil
}
