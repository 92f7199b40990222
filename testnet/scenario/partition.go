package scenario

import (
	"context"
	"strings"
	"time"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/confine"
)

// partition cuts the network in two while people on both sides talk. On the left are
// the balancer and one server of three; names that begin with "l" are there too.
var partition = Scenario{
	Name:  "partition",
	About: "the network is cut in two, and one way only, while people on both sides talk",
	net:   testnet.Config{Reach: testnet.ReachDirect}, // so that the right half has servers too
	surround: func(_ context.Context, s *stage) error {
		halves, err := confine.NewHalves()
		if err != nil {
			return err
		}
		s.unwind = append(s.unwind, halves.Close)
		s.halves = halves
		s.config.Place = func(name string) testnet.Place {
			if name == "balancer" || name == "s1" {
				return halves.Left
			}
			return halves.Right
		}
		s.seat = func(account string) testnet.Place {
			if strings.HasPrefix(account, "l") {
				return halves.Left
			}
			return halves.Right
		}
		return nil
	},
	play: func(ctx context.Context, s *stage) error {
		people, err := s.people(ctx, "lena1", "leo1", "rita1", "rob1")
		if err != nil {
			return err
		}
		if err := s.group(ctx, "river", people...); err != nil {
			return err
		}
		if err := s.group(ctx, "bank", people[2], people[3]); err != nil {
			return err
		}
		cuts := []fault{s.cut("network cut", s.halves.Cut), s.cut("network cut one way", s.halves.CutFromLeft)}
		for range s.size(3, 1) {
			if err := s.through(ctx, people, cuts, time.Duration(s.size(15, 8))*time.Second); err != nil {
				return err
			}
		}
		return nil
	},
}

// cut cuts the line between the halves, and mends it.
func (s *stage) cut(kind string, cut func() error) fault {
	return fault{kind, here(victim{
		name: "left from right",
		harm: func(context.Context) error { return cut() },
		heal: func(context.Context) error { return s.halves.Heal() },
	})}
}
