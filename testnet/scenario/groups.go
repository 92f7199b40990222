package scenario

import (
	"context"

	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

// groups is talk in a group that people leave, come back to and are taken out of.
var groups = Scenario{
	Name:  "groups",
	About: "people join, leave and are taken out of a group while it talks",
	play: func(ctx context.Context, s *stage) error {
		people, err := s.people(ctx, "gil1", "hal1", "ines1", "joan1", "kai1")
		if err != nil {
			return err
		}
		const group = "market"
		gil, stay, churn := people[0], people[:3], people[3:]
		if err := s.group(ctx, group, stay...); err != nil {
			return err
		}
		toGroup := func(*device) []string { return []string{"#" + group} }
		for round := range s.size(10, 3) {
			comes := churn[round%len(churn)]
			during := s.chatter(s.size(40, 12), stay, toGroup)
			if err := s.meanwhile(ctx, during, func(ctx context.Context) error { return comes.join(ctx, group) }); err != nil {
				return err
			}
			for _, d := range append(stay[:len(stay):len(stay)], comes) {
				if err := d.knows(ctx, group, comes.account); err != nil {
					return err
				}
			}
			together := s.chatter(s.size(40, 12), append(stay[:len(stay):len(stay)], comes), toGroup)
			if err := s.talk(ctx, together); err != nil {
				return err
			}
			// What somebody says and nobody has heard when they leave is refused: they are no
			// member then.
			if err := s.await(ctx, "all that was said to be with all", func(v check.Verdict) bool { return v.Open() == 0 }); err != nil {
				return err
			}
			goes := func(ctx context.Context) error { return comes.leave(ctx, group) }
			if s.chance.IntN(2) == 0 && round+len(churn) >= s.size(10, 3) { // who is taken out does not come back
				goes = func(ctx context.Context) error { return gil.remove(ctx, comes.account, group) }
			}
			if err := s.meanwhile(ctx, s.chatter(s.size(40, 12), stay, toGroup), goes); err != nil {
				return err
			}
		}
		return nil
	},
}

// meanwhile does something while people talk.
func (s *stage) meanwhile(ctx context.Context, lines []line, do func(context.Context) error) error {
	busy := make(chan error, 1)
	go func() { busy <- s.talk(ctx, lines) }()
	err := do(ctx)
	if talked := <-busy; err == nil {
		err = talked
	}
	return err
}
