package cluster

import (
	"testing"
	"time"

	"github.com/tryst-chat/tryst/testnet/harness"
)

// Time passes on all servers alike, whoever leads, and never goes back.
func TestClock(t *testing.T) {
	t.Parallel()
	c := newTickingCluster(t, 3, 10*time.Millisecond)
	clock := func(s *server) time.Duration {
		now, err := s.Directory().Clock()
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	old := c.leader()
	var before time.Duration
	for _, s := range c.servers {
		harness.Await(t, "a clock that goes", func() bool { return clock(s) > 0 })
		before = max(before, clock(s))
	}
	c.halt(old)
	for _, s := range c.others(old) {
		harness.Await(t, "a clock that goes on under another leader", func() bool { return clock(s) > before })
	}
	c.start(old)
	harness.Await(t, "the clock of one who was away", func() bool { return clock(old) > before })
}
