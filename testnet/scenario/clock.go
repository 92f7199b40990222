package scenario

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/wrongclock"
)

// clock has clocks jump while people talk. Servers leave only if theirs stays wrong for
// longer than that.
var clock = Scenario{
	Name:     "clock",
	About:    "clocks of people and of the leader jump by hours and days while people talk (builds everything anew)",
	Long:     true,
	surround: setClocks,
	play: func(ctx context.Context, s *stage) error {
		people, err := s.company(ctx)
		if err != nil {
			return err
		}
		const day = 24 * time.Hour
		faults := []fault{
			s.jump(people[0], day), s.jump(people[1], -day), s.jump(people[2], time.Hour),
			s.jumpLeader(time.Hour), s.jumpLeader(-time.Hour),
		}
		return s.through(ctx, people, faults, 5*time.Second)
	},
}

// setClocks builds the programs, and gives each account, server and balancer a clock
// of its own.
func setClocks(ctx context.Context, s *stage) error {
	s.say("building programs whose clocks can be wrong, with everything that they need: this takes minutes")
	s.config.Bin = filepath.Join(s.dir, "bin")
	if err := wrongclock.Build(ctx, s.config.Bin); err != nil {
		return err
	}
	own := func(name string) testnet.Place { return s.clockOf(name).Place() }
	s.config.Place, s.seat = own, own
	return nil
}

func (s *stage) clockOf(name string) wrongclock.Clock {
	return wrongclock.Clock(filepath.Join(s.dir, "clock-"+name))
}

// jump has the clock of all devices of a person jump, and jump back; what a device then
// says must be of that time.
func (s *stage) jump(d *device, by time.Duration) fault {
	v := s.jumping(d.account, by)
	set := v.harm
	v.harm = func(ctx context.Context) error {
		if err := set(ctx); err != nil {
			return err
		}
		const sloppy = time.Minute // what an answer may take
		for range tries {
			e, err := d.do(ctx, "whoami", of("whoami"))
			if err != nil {
				return err
			}
			if off := time.Until(e.At); (off - by).Abs() < sloppy {
				return nil
			}
			if err := sleep(ctx, lookInterval); err != nil {
				return err
			}
		}
		return fmt.Errorf("the clock of %s does not jump", d.label)
	}
	return fault{"clock jumps", here(v)}
}

// jumpLeader has the clock of whichever server leads jump, and jump back.
func (s *stage) jumpLeader(by time.Duration) fault {
	return fault{"leader's clock jumps", s.leader(func(m *testnet.Machine) victim { return s.jumping(m.Name, by) })}
}

func (s *stage) jumping(name string, by time.Duration) victim {
	clock := s.clockOf(name)
	return victim{
		name: fmt.Sprintf("%s, %+.0f h", name, by.Hours()),
		harm: func(context.Context) error { return clock.Set(by) },
		heal: func(context.Context) error { return clock.Set(0) },
	}
}
