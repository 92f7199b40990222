package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// leave ends this account's membership of a group.
func (r *rooms) leave(ctx context.Context, name record.GroupName) error {
	return r.declare(ctx, name, "leave the group", func(s group.State) ([]byte, error) {
		return s.Leave(r.self(), time.Now()), nil
	})
}

// remove takes somebody out of a group that this account keeps.
func (r *rooms) remove(ctx context.Context, name record.GroupName, who record.Account) error {
	return r.declare(ctx, name, fmt.Sprintf("remove %s", who), func(s group.State) ([]byte, error) {
		keeper, _ := s.Chain().Keeper()
		switch {
		case who == r.d.self.Account:
			return nil, fail(CodeUsage, nil, fmt.Sprintf("Type: leave %s", name), "You cannot remove yourself.")
		case !s.Chain().Member(who):
			return nil, fail(CodeNotMember, nil, fmt.Sprintf("To see who is, type: members %s", name), "%s is not in the group %s.", who, name)
		case keeper != r.d.self.Account:
			return nil, fail(CodeRefused, nil, fmt.Sprintf("Ask %s.", keeper), "Only %s, who has been in %s the longest, can remove somebody.", keeper, name)
		}
		return s.Remove(r.self(), who, time.Now()), nil
	})
}

// declare appends a statement of this account's to a group's chain, here and at the
// servers. It is made anew when somebody else's came first.
func (r *rooms) declare(ctx context.Context, name record.GroupName, doing string, form func(group.State) ([]byte, error)) error {
	ctx, cancel := context.WithTimeout(ctx, groupTimeout)
	defer cancel()
	for range appendTries {
		s, ok := r.named(name)
		if !ok {
			return r.notMine(ctx, name, notIn(name))
		}
		statement, err := form(s)
		if err != nil {
			return err
		}
		switch err := r.d.link.client.AppendGroup(ctx, statement); {
		case err == nil:
			err = r.extend(ctx, s.ID(), client.GroupChain{ID: s.ID(), Statements: [][]byte{statement}})
			if err != nil {
				return explain(err, doing)
			}
			return nil
		case !errors.Is(err, wire.ErrConflict):
			return explain(err, doing)
		}
		if err := r.fetch(ctx, s.ID()); err != nil {
			return explain(err, doing)
		}
	}
	return fail(CodeBusy, wire.ErrConflict, "Try again in a moment.", "Could not %s: too much is changing in %s at the same time.", doing, name)
}

// members returns who is in a group, by name.
func (r *rooms) members(name record.GroupName) ([]Member, error) {
	s, ok := r.named(name)
	if !ok {
		return nil, notIn(name)
	}
	keeper, _ := s.Chain().Keeper()
	var members []Member
	for _, a := range s.Chain().Members() {
		members = append(members, Member{Account: a, Keeper: a == keeper})
	}
	return members, nil
}

func goneEvent(name record.GroupName, g group.Gone) Event {
	if g.RemovedBy != "" {
		return Event{Kind: EventRemoved, Group: name, Account: g.Account, By: g.RemovedBy}
	}
	return Event{Kind: EventLeft, Group: name, Account: g.Account}
}

func accountsOf(gone []group.Gone) []record.Account {
	accounts := make([]record.Account, len(gone))
	for i, g := range gone {
		accounts[i] = g.Account
	}
	return accounts
}
