package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

// fault is something that is done to the system, and taken back after a while.
type fault struct {
	kind   string // for the figures
	target func(context.Context) (victim, error)
}

// victim is what a fault is done to.
type victim struct {
	name string
	harm func(context.Context) error
	heal func(context.Context) error
}

// suffer does a fault, lets a scenario go on meanwhile, and takes it back after a
// time. It returns when both are done.
func (s *stage) suffer(ctx context.Context, f fault, lasts time.Duration, meanwhile func(context.Context) error) error {
	v, err := f.target(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", f.kind, err)
	}
	busy := make(chan error, 1)
	go func() { busy <- meanwhile(ctx) }()
	err = s.inflict(ctx, f.kind, v, lasts)
	if done := <-busy; err == nil {
		err = done
	}
	return err
}

// inflict does a fault and takes it back after a time.
func (s *stage) inflict(ctx context.Context, kind string, v victim, lasts time.Duration) error {
	began := time.Now()
	s.say("%s: %s", kind, v.name)
	s.record.add(check.Step{Kind: check.Fault, Text: kind + ": " + v.name})
	if err := v.harm(ctx); err != nil {
		return fmt.Errorf("%s: %s: %w", kind, v.name, err)
	}
	if err := sleep(ctx, lasts); err != nil {
		return err
	}
	if err := v.heal(ctx); err != nil {
		return fmt.Errorf("end of %s: %s: %w", kind, v.name, err)
	}
	s.record.add(check.Step{Kind: check.Fault, Text: "end of " + kind + ": " + v.name})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, Suffered{At: began, Kind: kind, Target: v.name, Lasted: time.Since(began)})
	return nil
}

// killDevice kills a person's program as a power cut would, and starts it again.
func killDevice(d *device) fault {
	return fault{"program killed", here(victim{
		name: d.label,
		harm: func(context.Context) error { d.kill(); return nil },
		heal: func(ctx context.Context) error { return d.start(ctx) },
	})}
}

// freezeDevice leaves a person's program its connections, open and silent.
func freezeDevice(d *device) fault {
	return fault{"program frozen", here(victim{
		name: d.label,
		harm: func(ctx context.Context) error {
			r, err := d.up(ctx)
			if err != nil {
				return err
			}
			return r.node.Freeze()
		},
		heal: func(context.Context) error { return d.running().node.Thaw() },
	})}
}

// killServer kills a server and starts it again.
func (s *stage) killServer(m *testnet.Machine) fault {
	return fault{"server killed", here(s.killing(m))}
}

// killLeader kills whichever server leads.
func (s *stage) killLeader() fault {
	return fault{"leader killed", s.leader(s.killing)}
}

// killBalancer kills the balancer and starts it again.
func (s *stage) killBalancer() fault {
	return fault{"balancer killed", here(s.killing(s.net.Front))}
}

// freezeServer leaves a server its connections, open and silent.
func (s *stage) freezeServer(m *testnet.Machine) fault {
	return fault{"server frozen", here(freezing(m))}
}

// freezeLeader does so with whichever server leads.
func (s *stage) freezeLeader() fault {
	return fault{"leader frozen", s.leader(freezing)}
}

// freezeBalancer does so with the balancer.
func (s *stage) freezeBalancer() fault {
	return fault{"balancer frozen", here(freezing(s.net.Front))}
}

// here is the target of a fault whose victim is known beforehand.
func here(v victim) func(context.Context) (victim, error) {
	return func(context.Context) (victim, error) { return v, nil }
}

// leader finds the leader when the fault begins.
func (s *stage) leader(harm func(*testnet.Machine) victim) func(context.Context) (victim, error) {
	return func(ctx context.Context) (victim, error) {
		m, err := s.net.Leader(ctx)
		if err != nil {
			return victim{}, err
		}
		return harm(m), nil
	}
}

func (s *stage) killing(m *testnet.Machine) victim {
	return victim{
		name: m.Name,
		harm: func(context.Context) error { m.Kill(); return nil },
		heal: func(ctx context.Context) error {
			if err := m.Start(ctx); err != nil {
				return err
			}
			return s.net.Ready(ctx)
		},
	}
}

func freezing(m *testnet.Machine) victim {
	return victim{
		name: m.Name,
		harm: func(context.Context) error { return m.Freeze() },
		heal: func(context.Context) error { return m.Thaw() },
	}
}
