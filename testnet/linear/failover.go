package linear

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/testnet"
)

// Failovers is what came of killing machines one at a time while clients asked.
type Failovers struct {
	Rounds []Failover
	// Requests is how many were asked in all, Failed those that came to nothing: there
	// must be none.
	Requests int
	Failed   []string
}

// Failover is one machine that was killed.
type Failover struct {
	Killed string        // its name
	Leader bool          // it was the leader
	Wait   time.Duration // until the first acknowledgement of a write that began after it
}

// Plan is what Fail does.
type Plan struct {
	Rounds    []Kill
	Balancers int // 0: one
}

// Kill says which machine is killed in a round.
type Kill int

const (
	KillLeader   Kill = iota
	KillServer        // each in turn
	KillBalancer      // the first one; if it is the only one it is started again at once
)

// Fail kills machines one at a time, as a plan says, while clients ask, and starts each
// again after a second.
func Fail(ctx context.Context, o Options, plan Plan) (f Failovers, err error) {
	o.Seed, o.Progress = cmp.Or(o.Seed, rand.Uint64()), cmp.Or(o.Progress, io.Discard)
	r, err := newRun(o)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, r.stop(), os.RemoveAll(r.dir)) }()
	config := testnet.Config{Servers: servers, Balancers: plan.Balancers, Bin: o.Bin, Dir: filepath.Join(r.dir, "testnet"), Progress: o.Progress}
	if err := r.launch(ctx, config); err != nil {
		return f, err
	}
	for _, m := range r.world.members {
		m.patient = true
	}
	group, working := errgroup.WithContext(ctx)
	over := make(chan struct{})
	r.work(working, group, over)
	group.Go(func() error {
		defer close(over)
		for i, kill := range plan.Rounds {
			one, err := r.failOnce(working, kill, i)
			if err != nil {
				return err
			}
			r.say("%s killed: %v to the next write", one, one.Wait.Round(time.Millisecond))
			f.Rounds = append(f.Rounds, one)
		}
		return nil
	})
	err = group.Wait()
	f.Requests, f.Failed = r.len(), r.failed
	return f, err
}

// failOnce kills one machine and waits until all is as before.
func (r *run) failOnce(ctx context.Context, kill Kill, round int) (one Failover, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := r.net.Ready(ctx); err != nil {
		return one, err
	}
	leader, err := r.net.Leader(ctx)
	if err != nil {
		return one, err
	}
	m := leader
	switch kill {
	case KillServer:
		m = r.net.Servers[round%servers]
	case KillBalancer:
		m = r.net.Front
	}
	one = Failover{Killed: m.Name, Leader: m == leader}
	m.Kill()
	began, written := time.Now(), r.nextWrite()
	alone := m == r.net.Front && len(r.net.Fronts) == 1 // then there is nobody to ask
	if alone {
		if err := m.Start(ctx); err != nil {
			return one, err
		}
	}
	select {
	case <-written:
		one.Wait = time.Since(began)
	case <-ctx.Done():
		return one, fmt.Errorf("linear: no write after %s was killed: %w", m.Name, ctx.Err())
	}
	if alone {
		return one, nil
	}
	if !sleep(ctx, nil, time.Second) {
		return one, ctx.Err()
	}
	return one, m.Start(ctx)
}

// String names the machine and what it was.
func (f Failover) String() string {
	if f.Leader {
		return "leader " + f.Killed
	}
	return f.Killed
}

// Print prints the figures for a person.
func (f Failovers) Print(out io.Writer) {
	var waits []time.Duration
	for _, one := range f.Rounds {
		if one.Leader {
			waits = append(waits, one.Wait)
		}
	}
	if len(waits) > 0 {
		slices.Sort(waits)
		fmt.Fprintf(out, "leader killed %d times; to the next acknowledged write: %v in the middle, %v at worst\n",
			len(waits), waits[len(waits)/2].Round(time.Millisecond), waits[len(waits)-1].Round(time.Millisecond))
	}
	fmt.Fprintf(out, "%d requests, %d failed\n", f.Requests, len(f.Failed))
	for _, what := range f.Failed[:min(len(f.Failed), mostShown)] {
		fmt.Fprintf(out, "✗ %s\n", what)
	}
}
