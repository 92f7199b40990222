package scenario

import (
	"context"
	"time"
)

// everything is the whole of it: five people on six devices, three groups, and
// faults throughout.
var everything = Scenario{
	Name:  "everything",
	About: "five people, six devices, three groups, 2,000 messages, and faults throughout",
	play: func(ctx context.Context, s *stage) error {
		people, err := s.people(ctx, "alice1", "bob1", "carol1", "dave1")
		if err != nil {
			return err
		}
		erin, err := s.person(ctx, "erin1", 1)
		if err != nil {
			return err
		}
		all := append(people, erin...)
		for _, g := range []struct {
			name    string
			members []*device
		}{
			{"all", all},
			{"few", []*device{all[0], all[1], all[2]}},
			{"pair", []*device{all[3], all[4], all[5]}},
		} {
			if err := s.group(ctx, g.name, g.members...); err != nil {
				return err
			}
		}
		addressees := map[string][]string{"alice1": {"#few"}, "bob1": {"#few"}, "carol1": {"#few"}, "dave1": {"#pair"}, "erin1": {"#pair"}}
		to := func(from *device) []string {
			others := append([]string{"#all"}, addressees[from.account]...)
			for _, account := range []string{"alice1", "bob1", "carol1", "dave1", "erin1"} {
				if account != from.account {
					others = append(others, account)
				}
			}
			return others
		}
		messages, rounds := s.size(2000, 200), s.size(40, 5)
		for round := range rounds {
			lines := s.chatter(messages/rounds, all, to)
			f, lasts := s.someFault(all, round), s.someTime()
			s.say("round %d of %d", round+1, rounds)
			if err := s.suffer(ctx, f, lasts, func(ctx context.Context) error { return s.talk(ctx, lines) }); err != nil {
				return err
			}
		}
		return nil
	},
}

// someFault draws a fault. One in two is about a person's program, in turn.
func (s *stage) someFault(people []*device, round int) fault {
	server := s.net.Servers[s.chance.IntN(len(s.net.Servers))]
	d := people[round%len(people)]
	switch s.chance.IntN(10) {
	case 0:
		return s.killLeader()
	case 1:
		return s.freezeLeader()
	case 2:
		return s.killServer(server)
	case 3:
		return s.freezeServer(server)
	case 4:
		return s.killBalancer()
	case 5:
		return freezeDevice(d)
	default:
		return killDevice(d)
	}
}

// someTime draws how long a fault lasts: at the most twice what the beat between
// programs takes to notice a silent one.
func (s *stage) someTime() time.Duration {
	return time.Duration(s.chance.Int64N(int64(s.size(10, 4)))+1) * time.Second
}
