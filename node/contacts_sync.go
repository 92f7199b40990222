package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tryst-chat/tryst/node/roster"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

const (
	// contactsTimeout bounds agreeing with the servers: a question, and as many
	// changes as a full roster has parts.
	contactsTimeout = 15 * time.Second
	// pushPatience is how long a person's command waits for the servers to take what
	// it has changed on this device; then they are told later.
	pushPatience = 4 * time.Second
)

// sync takes up whom the account lets in as the servers have it, and then tells them
// what was changed here.
func (c *contacts) sync(ctx context.Context) {
	c.agree(ctx, (*contacts).fetch)
}

// push tells the servers what was changed here, if anything was.
func (c *contacts) push(ctx context.Context) {
	c.agree(ctx, func(*contacts, context.Context) error { return nil })
}

// agree talks with the servers, one at a time: first does first, and then they are
// told what they lack.
func (c *contacts) agree(ctx context.Context, first func(*contacts, context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, contactsTimeout)
	defer cancel()
	select {
	case <-c.turn:
	case <-ctx.Done():
		return
	}
	err := first(c, ctx)
	told := false
	for tries := 0; err == nil && c.roster().Pending() && tries < appendTries; tries++ {
		err = c.tell(ctx)
		told = told || err == nil
		if errors.Is(err, wire.ErrConflict) { // another device was first
			err = c.fetch(ctx)
		}
	}
	c.turn <- struct{}{}
	if err != nil {
		c.d.log.Info("the servers were not told whom the account lets in", "err", err)
	}
	if told {
		c.d.announce() // whom it lets in now has not heard of this device
	}
}

// fetch takes up what the servers have.
func (c *contacts) fetch(ctx context.Context) error {
	found, err := c.d.link.client.Contacts(ctx)
	if err != nil {
		return err
	}
	return c.change(func(own roster.Roster) (roster.Roster, error) { return own.Adopt(listOf(found)), nil })
}

// tell has the servers take a part of what was changed here.
func (c *contacts) tell(ctx context.Context) error {
	own := c.roster()
	next := own.Next()
	err := c.d.link.client.SetContacts(ctx, changeOf(own.Servers.Version, next))
	if errors.Is(err, wire.ErrFull) {
		return c.yield()
	}
	if err != nil {
		return err
	}
	return c.change(func(now roster.Roster) (roster.Roster, error) { return now.Told(own.Servers.Version, next), nil })
}

// yield takes back what the servers have no room for, and says so.
func (c *contacts) yield() error {
	var lost []record.Account
	err := c.change(func(own roster.Roster) (next roster.Roster, _ error) {
		next, lost = own.Yield()
		return next, nil
	})
	if err == nil && len(lost) > 0 {
		c.d.emit(Event{Kind: EventError, Err: fail(CodeFull, wire.ErrFull, "Type contacts to see what holds, and say it again once there is room.",
			"The servers have no room for more accounts that you accept or block, so that this was taken back: %s.", joinAccounts(lost))})
	}
	return err
}

// joinAccounts lists accounts for a sentence, the first few of many.
func joinAccounts(all []record.Account) string {
	const most = 10
	names := make([]string, min(len(all), most))
	for i := range names {
		names[i] = string(all[i])
	}
	list := strings.Join(names, ", ")
	if len(all) > most {
		list += fmt.Sprintf(" and %d more", len(all)-most)
	}
	return list
}

// change commits another roster and does what follows from it.
func (c *contacts) change(to func(roster.Roster) (roster.Roster, error)) error {
	var before, after roster.Roster
	err := c.d.commit(func(tx *store.Tx, fx *effects) error {
		before = c.roster()
		var err error
		if after, err = to(before); err != nil {
			return err
		}
		c.put(tx, fx, after)
		return nil
	})
	if err != nil {
		return err
	}
	for _, a := range after.All(roster.Blocked) {
		if before.Standing(a) != roster.Blocked {
			c.cutOff(a)
		}
	}
	c.settle()
	c.signal()
	return nil
}

// adoptContacts gives a device that is new to the account the account's roster, before
// anything can come to it. If the servers do not answer it learns of it a moment later.
func adoptContacts(ctx context.Context, cfg *Config, l *link, s *store.Store) {
	ctx, cancel := context.WithTimeout(ctx, contactsTimeout)
	defer cancel()
	found, err := l.client.Contacts(ctx)
	if err == nil {
		err = s.Update(func(tx *store.Tx) error {
			tx.PutRoster(tx.Roster().Adopt(listOf(found)))
			return nil
		})
	}
	if err != nil {
		cfg.Logger.Info("whom the account lets in was not fetched", "err", err)
	}
}

func listOf(found client.Contacts) roster.List {
	list := roster.List{Version: found.Version, Policy: roster.Open, Standings: make(map[record.Account]roster.Standing)}
	if found.Policy == client.PolicyAsk {
		list.Policy = roster.Ask
	}
	for _, a := range found.Accepted {
		list.Standings[a] = roster.Accepted
	}
	for _, a := range found.Blocked {
		list.Standings[a] = roster.Blocked
	}
	return list
}

func changeOf(version uint64, c roster.Change) client.ContactChange {
	change := client.ContactChange{Version: version}
	switch c.Policy {
	case roster.Open:
		change.Policy = client.PolicyOpen
	case roster.Ask:
		change.Policy = client.PolicyAsk
	}
	for a, s := range c.Standings {
		switch s {
		case roster.Accepted:
			change.Accepted = append(change.Accepted, a)
		case roster.Blocked:
			change.Blocked = append(change.Blocked, a)
		default:
			change.Forgotten = append(change.Forgotten, a)
		}
	}
	return change
}
