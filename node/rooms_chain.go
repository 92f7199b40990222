package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

const (
	// groupTimeout bounds a person's command about a group.
	groupTimeout = 15 * time.Second
	// letInPatience is how long join waits for a member to send the secret before
	// it tells that it waits.
	letInPatience = 4 * time.Second
	// appendTries bounds how often a statement is made anew because somebody
	// else's was first.
	appendTries = 16
)

func (r *rooms) self() group.Self {
	return group.Self{Member: group.Member{Account: r.d.self.Account, Device: r.d.self.Device}, Signer: r.d.key}
}

func parseGroup(name string) (record.GroupName, error) {
	n, err := record.ParseGroupName(name)
	if err != nil {
		return "", fail(CodeBadName, err, "A group's name starts with a letter and has at most 32 letters, digits, '_' or '-'.", "%q cannot be a group's name.", name)
	}
	return n, nil
}

// create makes a group.
func (r *rooms) create(ctx context.Context, name record.GroupName, settings record.Settings) error {
	ctx, cancel := context.WithTimeout(ctx, groupTimeout)
	defer cancel()
	s, statement, err := group.Create(name, settings, r.self(), time.Now())
	if err != nil {
		return err
	}
	defer r.founding(s.ID())()
	err = r.d.link.client.AppendGroup(ctx, statement)
	if errors.Is(err, wire.ErrGroupTaken) {
		return fail(CodeGroupTaken, err, fmt.Sprintf("Choose another name, or type: join %s", name), "There is a group %s already.", name)
	}
	if err != nil {
		return explain(err, "create the group")
	}
	if err := r.d.commit(func(tx *store.Tx, fx *effects) error { return r.put(tx, fx, s) }); err != nil {
		return explain(err, "write the group down")
	}
	r.enter(s.ID())
	return nil
}

// founding keeps a group from being taken up as one that another device has created,
// without its secret, because the servers' notice comes before their answer.
func (r *rooms) founding(id record.GroupID) (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.founded[id] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.founded, id)
	}
}

func (r *rooms) isFounding(id record.GroupID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.founded[id]
}

// join joins an open group, or one that this account is invited to. waiting tells that no member device has let this one
// in yet; it goes on in the background.
func (r *rooms) join(ctx context.Context, name record.GroupName) (waiting bool, err error) {
	if _, ok := r.named(name); ok {
		return false, fail(CodeAlreadyMember, nil, fmt.Sprintf("Type: send_group 1 %s <message>", name), "You are in the group %s already.", name)
	}
	bounded, cancel := context.WithTimeout(ctx, groupTimeout)
	defer cancel()
	id, err := r.appendJoin(bounded, name)
	if err != nil {
		return false, err
	}
	if err := r.adopt(bounded, id); err != nil {
		return false, explain(err, "join the group")
	}
	entered := r.entrance(id)
	patience := time.NewTimer(letInPatience)
	defer patience.Stop()
	select {
	case <-entered:
		return false, nil
	case <-patience.C:
		return true, nil
	case <-ctx.Done():
		return true, nil
	}
}

// entrance is closed when this device is on a group's topic, or the group is gone.
func (r *rooms) entrance(id record.GroupID) <-chan struct{} {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if at, ok := r.byID[id]; ok {
		return at.entered
	}
	gone := make(chan struct{})
	close(gone)
	return gone
}

// appendJoin appends this account's statement to a group's chain.
func (r *rooms) appendJoin(ctx context.Context, name record.GroupName) (id record.GroupID, err error) {
	for range appendTries {
		found, err := r.d.link.client.GroupByName(ctx, name, 0)
		if errors.Is(err, wire.ErrNoGroup) {
			return id, noGroup(name, err)
		}
		if err != nil {
			return id, explain(err, "join the group")
		}
		r.meetActors(ctx, found.Statements)
		statement, err := group.Join(found.Statements, r.d.people.acts, r.self(), time.Now())
		if errors.Is(err, group.ErrMember) { // by another device
			return found.ID, nil
		}
		if errors.Is(err, group.ErrRemoved) {
			return id, fail(CodeRefused, err, "Ask one of its admins to invite you, or create a group of your own.", "You were removed from the group %s and cannot join it again.", name)
		}
		if errors.Is(err, group.ErrNotInvited) { // who was in it knows of it
			return id, fail(CodeRefused, err, "Ask one of its admins to invite you.", "The group %s is private, and you are not invited any more.", name)
		}
		if err != nil {
			return id, explain(err, "join the group")
		}
		r.mu.Lock()
		delete(r.foreign, found.ID) // members may talk to this device before adopt has been
		r.mu.Unlock()
		switch err := r.d.link.client.AppendGroup(ctx, statement); {
		case err == nil:
			return found.ID, nil
		case errors.Is(err, wire.ErrFull):
			return id, fail(CodeFull, err, "Create another one, or ask somebody to.", "The group %s is full.", name)
		case errors.Is(err, wire.ErrNoGroup): // the invitation was withdrawn in between
			return id, noGroup(name, err)
		case !errors.Is(err, wire.ErrConflict):
			return id, explain(err, "join the group")
		}
	}
	return id, fail(CodeBusy, wire.ErrConflict, "Try again in a moment.", "Too many people are joining %s at the same time.", name)
}

// meetActors looks up the accounts that act in statements, as far as they are not
// known, so that the statements can be verified.
func (r *rooms) meetActors(ctx context.Context, statements [][]byte) {
	seen := make(map[record.Account]bool)
	var unknown []record.Account
	for _, raw := range statements {
		s, err := record.ParseStatement(raw)
		if err != nil || seen[s.Actor] || r.d.people.acts(s.Actor, s.Device) {
			continue
		}
		seen[s.Actor] = true
		unknown = append(unknown, s.Actor)
	}
	r.meetAccounts(ctx, unknown)
}

// meetAccounts looks accounts up, several at a time.
func (r *rooms) meetAccounts(ctx context.Context, accounts []record.Account) {
	var lookUps errgroup.Group
	lookUps.SetLimit(maxLookUps)
	for _, a := range accounts {
		lookUps.Go(func() error {
			if _, err := r.d.people.refresh(ctx, a); err != nil {
				r.d.log.Info("a member was not looked up", "err", err)
			}
			return nil
		})
	}
	lookUps.Wait()
}

// adopt takes up a group that the account is in and this device does not have.
func (r *rooms) adopt(ctx context.Context, id record.GroupID) error {
	found, err := r.d.link.client.GroupByID(ctx, id, 0)
	if err != nil {
		return err
	}
	r.meetActors(ctx, found.Statements)
	s, err := group.FromChain(found.Statements, r.d.people.acts, r.self().Member)
	if errors.Is(err, group.ErrNotMember) {
		r.heedInvitation(found.Statements)
	}
	if err != nil {
		return err
	}
	err = r.d.commit(func(tx *store.Tx, fx *effects) error {
		if _, known := r.state(id); known {
			return nil
		}
		r.wantHistory(tx, fx, s)
		return r.put(tx, fx, s)
	})
	if err != nil {
		return err
	}
	r.enter(id)
	r.meetMembers(ctx, s.Chain().Members())
	if len(s.Chain().Members()) == 1 && s.Waiting() { // all others have left: nobody has the secret
		r.rekey(ctx, id, s.Epoch())
	}
	r.ask(id)
	return nil
}

// update fetches what a group's chain has grown by.
func (r *rooms) update(ctx context.Context, id record.GroupID) {
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	if err := r.fetch(ctx, id); err != nil {
		r.d.log.Info("a group was not updated", "err", err)
	}
}

func (r *rooms) fetch(ctx context.Context, id record.GroupID) error {
	known, ok := r.state(id)
	if !ok && r.isFounding(id) {
		return nil
	}
	if !ok {
		err := r.adopt(ctx, id)
		if errors.Is(err, group.ErrNotMember) || errors.Is(err, wire.ErrNoGroup) {
			r.disown(id)
		}
		return err
	}
	// With the last statement that is here, since what does not follow shows by it only.
	found, err := r.d.link.client.GroupByID(ctx, id, known.Chain().Len()-1)
	if err != nil || len(found.Statements) == 0 || bytes.Equal(found.Statements[len(found.Statements)-1], known.Statements()[known.Chain().Len()-1]) {
		return err
	}
	r.meetActors(ctx, found.Statements)
	return r.extend(ctx, id, found)
}

// extend commits new statements and does what they call for.
func (r *rooms) extend(ctx context.Context, id record.GroupID, found client.GroupChain) error {
	var change group.Change
	err := r.d.commit(func(tx *store.Tx, fx *effects) error {
		s, ok := r.state(id)
		if !ok {
			return nil
		}
		var err error
		if s, change, err = s.Extend(found.Statements, r.d.people.acts); err != nil {
			return err
		}
		fx.tell(changeEvents(s.Name(), change)...)
		if change.Out {
			r.drop(tx, fx, s)
			return nil
		}
		return r.put(tx, fx, s)
	})
	if errors.Is(err, record.ErrFork) {
		r.tellFork(id, err)
	}
	if err != nil || change.Out {
		return err
	}
	if len(change.Gone) > 0 {
		r.d.topics.MembershipChanged(r.d.people.devices(accountsOf(change.Gone))...)
		r.reviewAcks(id)
	}
	if change.EpochStarted {
		r.ask(id)
	}
	if len(change.Joined) > 0 {
		r.payOwed(id)
		r.meetMembers(ctx, change.Joined)
		for _, device := range r.d.people.devices(change.Joined) {
			// What it said before it was let in here was not taken.
			r.repairs.add(id, device, repairDelay)
		}
	}
	return nil
}

// meetMembers lets the devices of new members see this device's topics, and
// connects to those that are online.
func (r *rooms) meetMembers(ctx context.Context, members []record.Account) {
	r.d.rewatch()
	r.d.topics.MembershipChanged(r.d.people.devices(members)...)
	present, err := r.d.link.client.FindPeers(ctx, members)
	if err != nil {
		r.d.log.Info("presence was not fetched", "err", err)
	}
	for _, p := range present {
		r.d.errands.do(func(ctx context.Context) { r.d.peerUp(ctx, p) })
	}
}

// sync compares the groups that this device has with those that the account is
// in. It returns an error if the servers do not list those.
func (r *rooms) sync(ctx context.Context) error {
	listed, err := r.d.link.client.ListGroups(ctx, true)
	if err != nil {
		return err
	}
	here := make(map[record.GroupID]bool)
	for _, g := range listed {
		if !g.Mine {
			continue
		}
		here[g.ID] = true
		if s, ok := r.state(g.ID); !ok || s.Chain().Len() < g.Length {
			if err := r.fetch(ctx, g.ID); err != nil {
				r.d.log.Info("a group was not fetched", "err", err)
			}
		}
	}
	r.lookIntoInvitations(ctx, listed)
	for _, s := range r.all() {
		if !here[s.ID()] { // the chain says what has happened, and is believed; the list is not
			r.update(ctx, s.ID())
		}
	}
	return nil
}

// disown remembers a group that the account is not in.
func (r *rooms) disown(id record.GroupID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.foreign) >= maxForeign {
		clear(r.foreign)
	}
	r.foreign[id] = true
}

// spread is a random part of a time, so that members do not act all at once.
func spread(most time.Duration) time.Duration { return rand.N(most) }
