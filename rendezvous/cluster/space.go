package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoSpace is in the chain of what New and Run return where the disk is too full to
// write safely.
var ErrNoSpace = errors.New("the disk is nearly full")

// space returns ErrNoSpace, with what to do, where less than minFree is left. That is
// looked at before every write and not only when one fails: Badger writes through
// mapped memory, so that a disk which is full when a page is touched ends the process
// without a word. How much is left may be unknown, which is no reason not to write.
func (c *Cluster) space() error {
	free, known := c.free()
	if !known || free >= minFree {
		return nil
	}
	return fmt.Errorf("%w: %d MiB are free at %s, and %d are the least to write safely; make room there and start the server again",
		ErrNoSpace, free>>20, c.cfg.Dir, uint64(minFree)>>20)
}

// roomToClose tells whether the state can be closed safely.
func (c *Cluster) roomToClose() bool {
	free, known := c.free()
	return !known || free >= closeFree
}

func (c *Cluster) free() (bytes uint64, known bool) {
	if c.cfg.Free == nil {
		return 0, false
	}
	bytes, err := c.cfg.Free()
	return bytes, err == nil
}

// watchSpace makes Run return when the disk is nearly full, though nothing is written
// at the moment: there is room yet to hand over the leadership and to end in order.
func (c *Cluster) watchSpace(ctx context.Context) {
	ticker := time.NewTicker(spaceInterval)
	defer ticker.Stop()
	for {
		if err := c.space(); err != nil {
			c.fail(err)
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
