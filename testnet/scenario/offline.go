package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

// offline is a conversation with somebody who is never there at the same time.
var offline = Scenario{
	Name:  "offline",
	About: "the recipient is away for the whole conversation, and the sender when they return",
	play: func(ctx context.Context, s *stage) error {
		people, err := s.people(ctx, "ada1", "bert1")
		if err != nil {
			return err
		}
		ada, bert := people[0], people[1]
		if err := s.group(ctx, "pair", ada, bert); err != nil {
			return err
		}
		if err := bert.close(); err != nil {
			return err
		}
		s.say("%s is away", bert.label)
		n := s.size(200, 30)
		var lines []line
		for i := range n {
			to := bert.account
			if i%3 == 2 {
				to = "#pair"
			}
			lines = append(lines, line{ada, to, s.someSize()})
		}
		if err := s.talk(ctx, lines); err != nil {
			return err
		}
		if err := s.await(ctx, "the servers to have every message", func(v check.Verdict) bool { return s.kept(ada) == n }); err != nil {
			return err
		}
		if err := ada.close(); err != nil {
			return err
		}
		s.say("%s has gone, and %s returns", ada.label, bert.label)
		back := time.Now()
		if err := bert.start(ctx); err != nil {
			return err
		}
		if err := s.await(ctx, "every message to be displayed", func(v check.Verdict) bool { return v.Displayed == n }); err != nil {
			return err
		}
		s.figure("back until all is shown", time.Since(back).Seconds(), "s")
		return ada.start(ctx)
	},
}

// kept counts the messages of a device that somebody else has now: the servers, or
// another device.
func (s *stage) kept(d *device) int {
	kept := make(map[string]bool)
	for _, step := range s.record.history(nil).Steps {
		if step.Device == d.label && (step.Kind == check.Stored || step.Kind == check.Delivered) {
			kept[step.ID] = true
		}
	}
	return len(kept)
}

// await waits until something holds of the run so far.
func (s *stage) await(ctx context.Context, what string, holds func(check.Verdict) bool) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Patience)
	defer cancel()
	for !holds(check.Judge(s.record.history(nil))) {
		if err := sleep(ctx, lookInterval); err != nil {
			return fmt.Errorf("waited in vain for %s: %w", what, err)
		}
	}
	return nil
}
