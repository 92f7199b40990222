package scenario

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

// storm is as much talk to a group at once as there can be, in groups of several
// sizes. What it measures is printed; what it proves is that all of it arrives.
var storm = Scenario{
	Name:  "storm",
	About: "200 messages back to back to groups of 3, 10 and 50",
	play: func(ctx context.Context, s *stage) error {
		sizes := []int{3, 10, 50}
		if s.options.Small {
			sizes = sizes[:2]
		}
		var accounts []string
		for i := range slices.Max(sizes) {
			accounts = append(accounts, fmt.Sprintf("m%d", i+1))
		}
		people, err := s.people(ctx, accounts...)
		if err != nil {
			return err
		}
		for _, n := range sizes {
			if err := s.burstTo(ctx, people[:n], s.size(200, 60)); err != nil {
				return err
			}
		}
		return nil
	},
}

// burstTo has the first of some people say a lot to a group of theirs, and measures how
// long it takes to be displayed by everybody.
func (s *stage) burstTo(ctx context.Context, members []*device, messages int) error {
	name := fmt.Sprintf("storm-%d", len(members))
	if err := s.group(ctx, name, members...); err != nil {
		return err
	}
	before := check.Judge(s.record.history(nil)).Displayed
	start := time.Now()
	if err := members[0].burst(ctx, "#"+name, messages); err != nil {
		return err
	}
	taken := time.Since(start)
	everywhere := before + messages*(len(members)-1)
	err := s.await(ctx, "every member to display everything", func(v check.Verdict) bool { return v.Displayed == everywhere })
	if err != nil {
		return err
	}
	s.figure(fmt.Sprintf("%d members, sent", len(members)), float64(messages)/taken.Seconds(), "messages/s")
	s.figure(fmt.Sprintf("%d members, shown", len(members)), float64(messages)/s.lastShown().Sub(start).Seconds(), "messages/s")
	return nil
}

// lastShown is when a message was displayed last.
func (s *stage) lastShown() time.Time {
	for _, step := range slices.Backward(s.record.history(nil).Steps) {
		if step.Kind == check.Shown {
			return step.At
		}
	}
	return time.Time{}
}

// waiting is a lot that waits for somebody.
var waiting = Scenario{
	Name:  "waiting",
	About: "1,000 messages wait for somebody who comes back",
	play: func(ctx context.Context, s *stage) error {
		people, err := s.people(ctx, "wim1", "xenia1")
		if err != nil {
			return err
		}
		wim, xenia := people[0], people[1]
		if err := s.talk(ctx, []line{{wim, xenia.account, 0}, {xenia, wim.account, 0}}); err != nil {
			return err
		}
		// What comes as a program ends is in its history and displayed by nobody.
		if err := s.await(ctx, "their first words to be displayed", func(v check.Verdict) bool { return v.Open() == 0 }); err != nil {
			return err
		}
		if err := xenia.close(); err != nil {
			return err
		}
		n := s.size(1000, 100)
		if err := wim.burst(ctx, xenia.account, n); err != nil {
			return err
		}
		back := time.Now()
		if err := xenia.start(ctx); err != nil {
			return err
		}
		const hello = 2 // the messages before
		all := func(v check.Verdict) bool { return v.Displayed == n+hello }
		if err := s.await(ctx, "every message to be displayed", all); err != nil {
			return err
		}
		s.figure("back until all is shown", s.lastShown().Sub(back).Seconds(), "s")
		return nil
	},
}
