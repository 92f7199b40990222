package node

import (
	"context"
	"errors"
	"strings"

	"github.com/tryst-chat/tryst/node/roster"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Contacts is whom the account lets in.
type Contacts struct {
	// Asking: whom the person has neither accepted nor written to has to ask; what
	// they write waits. Else everybody may write who is not blocked.
	Asking   bool
	Accepted []record.Account // by name
	Requests []Request        // who waits for the person's word, by name
	Blocked  []record.Account // by name
	// Pending: the servers have still to hear of the last changes, and show where
	// this account's devices are as before until then.
	Pending bool
}

// Request is somebody who is not known and has written.
type Request struct {
	Account  record.Account
	Messages int // that wait
}

// Blocking is what became of a Block.
type Blocking struct {
	Account record.Account
	// Groups are those that both are in, where the other still reads what this
	// account says, and sees where its devices are.
	Groups []record.GroupName
}

// Contacts returns whom the account lets in, as this device knows: it needs no server.
func (n *Node) Contacts(context.Context) (Contacts, error) {
	d, done, err := n.use()
	if err != nil {
		return Contacts{}, err
	}
	defer done()
	return d.contacts.summary(), nil
}

// SetContactPolicy says how strangers are treated from now on: "open", they may write
// and see where this account's devices are, or "ask", what they write waits to be
// accepted. Whom the person has written to counts as accepted.
func (n *Node) SetContactPolicy(ctx context.Context, policy string) (Contacts, error) {
	d, done, err := n.use()
	if err != nil {
		return Contacts{}, err
	}
	defer done()
	var to roster.Policy
	var known []record.Account
	switch strings.ToLower(policy) {
	case "open":
		to = roster.Open
	case "ask":
		to = roster.Ask
		if known, err = d.contacts.writtenTo(); err != nil {
			return Contacts{}, explain(err, "find out whom you have written to")
		}
	default:
		return Contacts{}, fail(CodeUsage, nil, "Type contacts open, or contacts ask.", "Strangers cannot be treated as %q.", policy)
	}
	err = d.contacts.decideNow(ctx, func(own roster.Roster) (roster.Roster, error) {
		var fresh []record.Account
		for _, a := range known {
			if own.Standing(a) == roster.Stranger {
				fresh = append(fresh, a)
			}
		}
		next, err := own.With(roster.Accepted, fresh...)
		return next.WithPolicy(to), err
	})
	if errors.Is(err, roster.ErrFull) {
		return Contacts{}, tooManyContacts(err, "accepted or written to", roster.MaxAccepted)
	}
	if err != nil {
		return Contacts{}, explain(err, "write that down")
	}
	return d.contacts.summary(), nil
}

// about does something about an account that the person names, not their own.
func (n *Node) about(ctx context.Context, account string, do func(*device, record.Account) error) (record.Account, error) {
	d, done, err := n.use()
	if err != nil {
		return "", err
	}
	defer done()
	a, err := d.namedOther(ctx, account)
	if err != nil {
		return "", err
	}
	return a, do(d, a)
}

// Accept lets an account in: what waits of it is shown, and what it writes from now on.
func (n *Node) Accept(ctx context.Context, account string) (record.Account, error) {
	return n.about(ctx, account, func(d *device, a record.Account) error {
		if d.contacts.blocks(a) {
			return blockedByYou(a)
		}
		return d.contacts.setStanding(ctx, a, roster.Accepted)
	})
}

// Block has nothing more shown of what an account writes, here or in groups, and
// sends nothing to it. What waits in either direction is dropped.
func (n *Node) Block(ctx context.Context, account string) (blocked Blocking, err error) {
	blocked.Account, err = n.about(ctx, account, func(d *device, a record.Account) error {
		blocked.Groups = d.rooms.sharedWith(a)
		return d.contacts.setStanding(ctx, a, roster.Blocked)
	})
	return blocked, err
}

// Unblock undoes Block. An account that was accepted before has to ask again, where
// strangers have to.
func (n *Node) Unblock(ctx context.Context, account string) (record.Account, error) {
	return n.about(ctx, account, func(d *device, a record.Account) error {
		if !d.contacts.blocks(a) {
			return fail(CodeUsage, nil, "Type contacts to see who is.", "%s is not blocked.", a)
		}
		return d.contacts.setStanding(ctx, a, roster.Stranger)
	})
}

// namedOther returns the account that a person names, which is somebody else's. One
// that this device knows, or that has a standing, needs no server.
func (d *device) namedOther(ctx context.Context, typed string) (record.Account, error) {
	a, err := parseAccount(typed)
	if err != nil {
		return "", err
	}
	if a == d.self.Account {
		return "", ownAccount(a)
	}
	if _, known := d.people.contact(a); known || d.contacts.roster().Standing(a) != roster.Stranger {
		return a, nil
	}
	_, err = d.recipient(ctx, typed)
	return a, err
}

// setStanding changes how an account stands.
func (c *contacts) setStanding(ctx context.Context, a record.Account, s roster.Standing) error {
	err := c.decideNow(ctx, func(own roster.Roster) (roster.Roster, error) { return own.With(s, a) })
	switch {
	case errors.Is(err, roster.ErrFull) && s == roster.Accepted:
		return tooManyContacts(err, "accepted", roster.MaxAccepted)
	case errors.Is(err, roster.ErrFull):
		return tooManyContacts(err, "blocked", roster.MaxBlocked)
	case err != nil:
		return explain(err, "write that down")
	}
	return nil
}

// decideNow changes the roster here, and at the servers if they can be told soon.
func (c *contacts) decideNow(ctx context.Context, to func(roster.Roster) (roster.Roster, error)) error {
	if err := c.change(to); err != nil {
		return err
	}
	if c.d.link.client.Linked() {
		ctx, cancel := context.WithTimeout(ctx, pushPatience)
		defer cancel()
		c.push(ctx)
	}
	return nil
}

// writtenTo returns the accounts that the person has ever written to from here.
func (c *contacts) writtenTo() (all []record.Account, err error) {
	err = c.d.store.View(func(tx *store.Tx) error {
		for _, a := range c.d.people.all() {
			if a != c.d.self.Account && tx.Wrote(string(a), c.d.self.Account) {
				all = append(all, a)
			}
		}
		return nil
	})
	return all, err
}

func (c *contacts) summary() Contacts {
	own := c.roster()
	return Contacts{
		Asking:   own.Policy() == roster.Ask,
		Accepted: own.All(roster.Accepted), Requests: c.requests(), Blocked: own.All(roster.Blocked),
		Pending: own.Pending(),
	}
}
