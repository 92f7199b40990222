package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tryst-chat/tryst/testnet"
)

// balancerName and serverNames are the places of a testnet.
const balancerName = "balancer"

func serverName(i int) string { return fmt.Sprintf("s%d", i+1) }

// fault is something that is done to one machine for a while.
type fault struct {
	kind   string
	leader bool // to the leader; else to any server
	harm   func(*faults, context.Context, *testnet.Machine) error
	heal   func(*faults, context.Context, *testnet.Machine) error
	cut    bool // it needs a network that can be cut
	away   bool // the server does not run meanwhile
}

// all are the faults there are; a run begins with each of them once, and then draws.
var all = []fault{
	{kind: "leader killed", away: true, leader: true, harm: kill, heal: start},
	{kind: "leader frozen", leader: true, harm: freeze, heal: thaw},
	{kind: "leader cut off", leader: true, cut: true, harm: cutOff(true, true, true), heal: mend},
	{kind: "leader stopped and started", away: true, leader: true, harm: stop, heal: start},
	{kind: "leader cut off from the servers only", leader: true, cut: true, harm: cutOff(false, true, true), heal: mend},
	{kind: "server frozen", harm: freeze, heal: thaw},
	{kind: "leader's words cut off", leader: true, cut: true, harm: cutOff(true, true, false), heal: mend},
	{kind: "server killed", away: true, harm: kill, heal: start},
	{kind: "leader hears nothing", leader: true, cut: true, harm: cutOff(true, false, true), heal: mend},
	{kind: "server cut off", cut: true, harm: cutOff(true, true, true), heal: mend},
	{kind: "leader's words to the servers cut off", leader: true, cut: true, harm: cutOff(false, true, false), heal: mend},
}

func kill(_ *faults, _ context.Context, m *testnet.Machine) error { m.Kill(); return nil }
func stop(_ *faults, _ context.Context, m *testnet.Machine) error { return m.Stop() }

func start(f *faults, ctx context.Context, m *testnet.Machine) error { return m.Start(ctx) }

func freeze(_ *faults, _ context.Context, m *testnet.Machine) error { return m.Freeze() }
func thaw(_ *faults, _ context.Context, m *testnet.Machine) error   { return m.Thaw() }

// cutOff cuts a server off from the others, and from the balancer too if front is
// set: what it sends, what it is sent, or both.
func cutOff(front, out, in bool) func(*faults, context.Context, *testnet.Machine) error {
	return func(f *faults, _ context.Context, m *testnet.Machine) error {
		var err error
		for _, other := range f.others(m, front) {
			if out {
				err = errors.Join(err, f.mesh.Cut(m.Name, other))
			}
			if in {
				err = errors.Join(err, f.mesh.Cut(other, m.Name))
			}
		}
		return err
	}
}

func mend(f *faults, _ context.Context, _ *testnet.Machine) error { return f.mesh.Heal() }

// others are the places of all but one server.
func (f *faults) others(m *testnet.Machine, front bool) (names []string) {
	if front {
		names = append(names, balancerName)
	}
	for _, s := range f.net.Servers {
		if s.Name != m.Name {
			names = append(names, s.Name)
		}
	}
	return names
}

// faults does one fault after the other until over is closed.
type faults struct {
	*run
	rng *rand.Rand
}

func (f *faults) suffer(ctx context.Context, over <-chan struct{}) error {
	var possible []fault
	for _, one := range all {
		if !one.cut || f.mesh != nil {
			possible = append(possible, one)
		}
	}
	for round := 0; ; round++ {
		if !sleep(ctx, over, time.Second+f.draw(mostCalm)) {
			return ctx.Err()
		}
		next := possible[f.rng.IntN(len(possible))]
		if round < len(possible) {
			next = possible[round]
		}
		if err := f.inflict(ctx, next, over); err != nil {
			return err
		}
	}
}

func (f *faults) draw(most time.Duration) time.Duration {
	return time.Duration(f.rng.Int64N(int64(most) + 1))
}

// inflict does one fault and takes it back.
func (f *faults) inflict(ctx context.Context, one fault, over <-chan struct{}) error {
	m, err := f.target(ctx, one.leader)
	if err != nil {
		return err
	}
	lasts := leastFault + f.draw(mostFault-leastFault)
	if one.away {
		lasts = f.draw(mostAway)
	}
	f.say("%s: %s, for %v", one.kind, m.Name, lasts.Round(100*time.Millisecond))
	f.suffered(one.kind)
	if err := one.harm(f, ctx, m); err != nil {
		return fmt.Errorf("%s: %w", one.kind, err)
	}
	sleep(ctx, over, lasts) // at the end of the run all is healed
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := one.heal(f, ctx, m); err != nil {
		return fmt.Errorf("end of: %s: %w", one.kind, err)
	}
	return nil
}

// target is the leader, or any server.
func (f *faults) target(ctx context.Context, leader bool) (*testnet.Machine, error) {
	if leader {
		return f.net.Leader(ctx)
	}
	return f.net.Servers[f.rng.IntN(len(f.net.Servers))], nil
}

// sleep waits, and returns false when the run is over or the context ends.
func sleep(ctx context.Context, over <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-over:
	case <-ctx.Done():
	}
	return false
}
