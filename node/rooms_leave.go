package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// remove takes somebody out of a group that this account is an admin of, or withdraws
// an invitation.
func (r *rooms) remove(ctx context.Context, name record.GroupName, who record.Account) error {
	return r.declare(ctx, name, fmt.Sprintf("remove %s", who), func(s group.State) ([]byte, error) {
		switch chain := s.Chain(); {
		case who == r.d.self.Account:
			return nil, fail(CodeUsage, nil, fmt.Sprintf("Type: leave %s", name), "You cannot remove yourself.")
		case !chain.Member(who) && !chain.Invited(who):
			return nil, fail(CodeNotMember, nil, fmt.Sprintf("To see who is, type: members %s", name), "%s is not in the group %s.", who, name)
		case !chain.Admin(r.d.self.Account):
			return nil, notAdmin(chain, "remove somebody")
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
		case errors.Is(err, wire.ErrFull):
			return fail(CodeFull, err, "Take back invitations that nobody follows, with remove, or create another group.",
				"Could not %s: the group %s is full.", doing, name)
		case !errors.Is(err, wire.ErrConflict):
			return explain(err, doing)
		}
		if err := r.fetch(ctx, s.ID()); err != nil {
			return explain(err, doing)
		}
	}
	return fail(CodeBusy, wire.ErrConflict, "Try again in a moment.", "Could not %s: too much is changing in %s at the same time.", doing, name)
}

// members returns who is in a group, by name, and then who is invited.
func (r *rooms) members(name record.GroupName) ([]Member, error) {
	s, ok := r.named(name)
	if !ok {
		return nil, notIn(name)
	}
	chain := s.Chain()
	var members []Member
	for _, a := range chain.Members() {
		members = append(members, Member{Account: a, Admin: chain.Admin(a)})
	}
	invitations := chain.Invitations()
	for _, a := range slices.Sorted(maps.Keys(invitations)) {
		members = append(members, Member{Account: a, InvitedBy: invitations[a].By})
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
