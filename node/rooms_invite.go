package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// maxInvitations bounds the invitations that are looked into at one login: more than a
// person takes up, and few enough that nobody can keep a device busy with them.
const maxInvitations = 64

// invite invites somebody to a group that this account is an admin of.
func (r *rooms) invite(ctx context.Context, name record.GroupName, who record.Account) error {
	if err := r.exists(ctx, who); err != nil {
		return err
	}
	return r.declare(ctx, name, fmt.Sprintf("invite %s", who), func(s group.State) ([]byte, error) {
		switch chain := s.Chain(); {
		case chain.Member(who):
			return nil, fail(CodeAlreadyMember, nil, fmt.Sprintf("To see who is, type: members %s", name), "%s is in the group %s already.", who, name)
		case chain.Invited(who):
			return nil, fail(CodeAlreadyMember, nil, "They are told when they log in.", "%s is invited to %s already.", who, name)
		case !chain.Admin(r.d.self.Account):
			return nil, notAdmin(chain, "invite somebody")
		}
		return s.Invite(r.self(), who, time.Now()), nil
	})
}

// makeAdmin makes a member of a group that this account is an admin of one too.
func (r *rooms) makeAdmin(ctx context.Context, name record.GroupName, who record.Account) error {
	return r.declare(ctx, name, fmt.Sprintf("make %s an admin", who), func(s group.State) ([]byte, error) {
		switch chain := s.Chain(); {
		case !chain.Member(who):
			return nil, fail(CodeNotMember, nil, fmt.Sprintf("To see who is, type: members %s", name), "%s is not in the group %s.", who, name)
		case chain.Admin(who):
			return nil, fail(CodeUsage, nil, fmt.Sprintf("To see who is, type: members %s", name), "%s is an admin of %s already.", who, name)
		case !chain.Admin(r.d.self.Account):
			return nil, notAdmin(chain, "make somebody an admin")
		}
		return s.MakeAdmin(r.self(), who, time.Now()), nil
	})
}

// exists refuses an account that there is not: nobody could take up its invitation.
func (r *rooms) exists(ctx context.Context, who record.Account) error {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	_, err := r.d.people.find(ctx, who)
	if errors.Is(err, wire.ErrNoAccount) {
		return noAccount(who, err)
	}
	if err != nil {
		return explain(err, fmt.Sprintf("find %s", who))
	}
	return nil
}

// notAdmin says who could do it.
func notAdmin(chain record.Chain, what string) *Error {
	const named = 3 // admins; more do not help
	var names []string
	for _, a := range chain.Admins() {
		names = append(names, string(a))
	}
	return fail(CodeRefused, nil, fmt.Sprintf("Ask %s.", strings.Join(names[:min(named, len(names))], " or ")),
		"Only an admin of %s can %s.", chain.Name(), what)
}

// heedInvitation tells the person, once a run, that they are invited to a group, if its
// chain bears it out.
func (r *rooms) heedInvitation(statements [][]byte) {
	chain, err := record.VerifyChain(statements, r.d.people.acts)
	if err != nil {
		return
	}
	self := r.d.self.Account
	invited, open := chain.Invitations()[self]
	if !open || r.d.contacts.blocks(invited.By) || !r.newInvitation(chain.ID(), invitation{invited.Seq, chain.Len()}) {
		return
	}
	r.d.emit(Event{Kind: EventInvited, Group: chain.Name(), Account: self, By: invited.By})
}

// invitation is one that the person has been told of: the statement, and how long the
// group's chain was when this device saw it.
type invitation struct{ seq, length uint64 }

// newInvitation notes an invitation and reports whether it is another one than before.
func (r *rooms) newInvitation(id record.GroupID, i invitation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	told, known := r.invited[id]
	if len(r.invited) >= maxForeign {
		clear(r.invited)
	}
	r.invited[id] = i
	return !known || told.seq != i.seq
}

// lookIntoInvitations fetches the chains of groups that the servers list as ones that
// this account is invited to, as far as they have not been looked into.
func (r *rooms) lookIntoInvitations(ctx context.Context, listed []client.GroupSummary) {
	looked := 0
	for _, g := range listed {
		r.mu.RLock()
		told, known := r.invited[g.ID]
		r.mu.RUnlock()
		if !g.Invited || known && told.length == g.Length {
			continue
		}
		if looked++; looked > maxInvitations {
			return
		}
		if err := r.fetch(ctx, g.ID); err != nil && !errors.Is(err, group.ErrNotMember) {
			r.d.log.Info("an invitation was not looked into", "err", err)
		}
	}
}

// changeEvents tells what a group's chain has brought.
func changeEvents(name record.GroupName, change group.Change) (events []Event) {
	for _, i := range change.Invited {
		events = append(events, Event{Kind: EventInvited, Group: name, Account: i.Account, By: i.By})
	}
	for _, a := range change.Joined {
		events = append(events, Event{Kind: EventJoined, Group: name, Account: a})
	}
	for _, g := range change.Gone {
		events = append(events, goneEvent(name, g))
	}
	for _, g := range change.Withdrawn {
		events = append(events, goneEvent(name, g))
	}
	for _, a := range change.Admins {
		events = append(events, Event{Kind: EventAdmin, Group: name, Account: a.Account, By: a.By})
	}
	return events
}
