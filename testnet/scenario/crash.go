package scenario

import (
	"context"
	"maps"
	"slices"
	"time"
)

// crash kills everything in turn while people talk.
var crash = Scenario{
	Name:  "crash",
	About: "every program, server and the balancer are killed in turn while people talk",
	play: func(ctx context.Context, s *stage) error {
		people, err := s.company(ctx)
		if err != nil {
			return err
		}
		faults := []fault{
			killDevice(people[0]), s.killLeader(), killDevice(people[1]), s.killBalancer(), killDevice(people[2]),
		}
		for _, m := range s.net.Servers {
			faults = append(faults, s.killServer(m))
		}
		return s.through(ctx, people, faults, time.Duration(s.size(3, 1))*time.Second)
	},
}

// freeze stops everything in turn while people talk.
var freeze = Scenario{
	Name:  "freeze",
	About: "programs, servers and the balancer hang for ten seconds each while people talk",
	play: func(ctx context.Context, s *stage) error {
		people, err := s.company(ctx)
		if err != nil {
			return err
		}
		hangs := time.Duration(s.size(10, 4)) * time.Second // a beat stream notices after two
		faults := []fault{freezeDevice(people[0]), s.freezeLeader(), s.freezeBalancer(), freezeDevice(people[2])}
		return s.through(ctx, people, faults, hangs)
	},
}

// company is three people, one of them with two devices, and a group of theirs.
func (s *stage) company(ctx context.Context) ([]*device, error) {
	people, err := s.people(ctx, "anna1", "ben1")
	if err != nil {
		return nil, err
	}
	cleo, err := s.person(ctx, "cleo1", 1)
	if err != nil {
		return nil, err
	}
	people = append(people, cleo...)
	return people, s.group(ctx, "trio", people...)
}

// through has people talk through faults, one after the other, each of which lasts
// for a time.
func (s *stage) through(ctx context.Context, people []*device, faults []fault, lasts time.Duration) error {
	each := s.size(40, 12) // messages in each fault, and after it
	for _, f := range faults {
		during, after := s.chatter(each, people, s.anybody), s.chatter(each, people, s.anybody)
		err := s.suffer(ctx, f, lasts, func(ctx context.Context) error { return s.talk(ctx, during) })
		if err == nil {
			err = s.talk(ctx, after)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// anybody is everybody else, and the groups that somebody is in.
func (s *stage) anybody(from *device) []string {
	var all []string
	for _, d := range s.devices {
		if d.account != from.account && (len(all) == 0 || all[len(all)-1] != d.account) {
			all = append(all, d.account)
		}
	}
	for _, group := range slices.Sorted(maps.Keys(s.groups)) {
		if slices.Contains(s.groups[group], from.account) {
			all = append(all, "#"+group)
		}
	}
	return all
}
