package crowd

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// grow brings the devices, as many of one account as it may have. It ends early with the
// first that does not get in.
func (c *crowd) grow(ctx context.Context) (err error) {
	if c.opaque, err = c.makeRecord(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(households)
	for i, left := 0, c.options.Nodes; left > 0 && ctx.Err() == nil; i++ {
		n := min(left, record.MaxDevices)
		left -= n
		group.Go(func() error { return c.bring(ctx, i, n) })
	}
	return group.Wait()
}

// bring makes an account of n devices and has all of them stay.
func (c *crowd) bring(ctx context.Context, number, n int) error {
	h, err := newHousehold(number)
	if err != nil {
		return err
	}
	for i := range n {
		d, err := c.newDevice()
		if err != nil {
			return err
		}
		c.keep(d)
		if err := c.join(ctx, h, d); err != nil {
			return fmt.Errorf("device %d of account %d: %w", i+1, number+1, err)
		}
	}
	return nil
}

// join has a device enter its account and waits for its first beat.
func (c *crowd) join(ctx context.Context, h *household, d *device) error {
	ctx, cancel := context.WithTimeoutCause(ctx, joinTimeout, errCrowded)
	defer cancel()
	if err := c.enter(ctx, h, d); err != nil {
		return err
	}
	if !c.mayBeat() {
		c.came.Add(1)
		return nil
	}
	d.Attend(true)
	select {
	case <-d.here:
		c.came.Add(1)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// mayBeat reports whether one more device is to have a beat stream: they are spread over
// the crowd's growth, so that it is alike at all sizes.
func (c *crowd) mayBeat() bool {
	n := c.joining.Add(1)
	of := func(n int64) int64 { return n * int64(c.options.Beating) / int64(c.options.Nodes) }
	return of(n) > of(n-1)
}

var errCrowded = fmt.Errorf("it did not get its place within %v", joinTimeout)

// progress tells how the crowd grows until ctx ends.
func (c *crowd) progress(ctx context.Context) {
	ticker := time.NewTicker(tell)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.say("%6d of %d have come; %d beat, %d beat streams broke.", c.came.Load(), c.options.Nodes, c.present.Load(), c.lost.Load())
		}
	}
}
