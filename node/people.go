package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// people is whom this device knows: contacts with their pinned identity keys,
// and for which account each device acts. The servers are asked, and believed
// only as far as package account finds no contradiction.
type people struct {
	store   *store.Store
	client  *client.Client
	log     *slog.Logger
	emit    func(Event)
	changed func(account.Contact, account.Change) // called after each change is on disk

	mu      sync.Mutex
	known   map[record.Account]account.Contact
	owners  map[peer.ID]record.Account // of active devices
	acted   map[peer.ID]record.Account // of devices that have acted, under former identities too
	suspect map[record.Account]error   // accounts that contradict what is pinned
}

// newPeople loads the contacts that the store has.
func newPeople(s *store.Store, c *client.Client, log *slog.Logger, emit func(Event)) (*people, error) {
	p := &people{
		store: s, client: c, log: log, emit: emit,
		known:   make(map[record.Account]account.Contact),
		owners:  make(map[peer.ID]record.Account),
		acted:   make(map[peer.ID]record.Account),
		suspect: make(map[record.Account]error),
	}
	err := s.View(func(tx *store.Tx) error {
		for _, c := range tx.Contacts() {
			p.remember(c, account.Change{})
		}
		p.acted = tx.Owners()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load contacts: %w", err)
	}
	return p, nil
}

// remember enters a contact that is on disk.
func (p *people) remember(c account.Contact, change account.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[c.Account] = c
	for _, device := range change.Revoked {
		delete(p.owners, device)
	}
	for _, device := range c.Devices().Active() {
		p.owners[device] = c.Account
		p.acted[device] = c.Account
	}
}

// contact returns an account that is known already.
func (p *people) contact(a record.Account) (account.Contact, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.known[a]
	return c, ok
}

// owner returns the account that a device is known to act for.
func (p *people) owner(device peer.ID) (record.Account, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.owners[device]
	return a, ok
}

// acts reports whether a device acts, or has acted, for a known account, as
// membership chains ask. Statements made under an identity that the person has
// since replaced (see Node.Trust) stay good: the chains are built on them.
func (p *people) acts(a record.Account, device peer.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[a].Devices().HadEver(device) || p.acted[device] == a
}

// devices returns the known active devices of some accounts.
func (p *people) devices(accounts []record.Account) []peer.ID {
	var all []peer.ID
	for _, a := range accounts {
		if c, ok := p.contact(a); ok {
			all = append(all, c.Devices().Active()...)
		}
	}
	return all
}

// all returns the accounts that are known, sorted.
func (p *people) all() []record.Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]record.Account, 0, len(p.known))
	for a := range p.known {
		all = append(all, a)
	}
	slices.Sort(all)
	return all
}

// find returns a contact, from the servers if it is not known yet.
func (p *people) find(ctx context.Context, a record.Account) (account.Contact, error) {
	p.mu.Lock()
	c, ok := p.known[a]
	suspicion := p.suspect[a]
	p.mu.Unlock()
	if ok && suspicion == nil {
		return c, nil
	}
	found, err := p.refresh(ctx, a)
	if err != nil && suspicion != nil { // no server takes it back
		return c, identityChanged(a, suspicion)
	}
	return found, err
}

// refresh asks the servers about an account and keeps what is new.
func (p *people) refresh(ctx context.Context, a record.Account) (account.Contact, error) {
	found, err := p.client.LookUp(ctx, a)
	if err != nil {
		return account.Contact{}, err
	}
	return p.learn(account.Claim{Account: a, Identity: found.Identity, Log: found.Signed})
}

// learn judges a claim and commits what it brings.
func (p *people) learn(claim account.Claim) (account.Contact, error) {
	var c account.Contact
	var change account.Change
	err := p.store.Update(func(tx *store.Tx) error {
		var known *account.Contact
		if k, ok := p.contact(claim.Account); ok { // commits happen one at a time: it is current
			known = &k
		}
		var err error
		if c, change, err = account.Update(known, claim); err != nil || !change.Any() {
			return err
		}
		tx.PutContact(c)
		p.remember(c, change)
		return nil
	})
	if errors.Is(err, account.ErrIdentityChanged) || errors.Is(err, record.ErrFork) {
		p.distrust(claim.Account, err)
		return c, identityChanged(claim.Account, err)
	}
	if err != nil {
		return c, fmt.Errorf("learn of an account: %w", err)
	}
	p.reconcile(claim.Account)
	if change.Any() {
		p.announce(c, change)
	}
	return c, nil
}

// announce tells the person and the rest of the node what has changed.
func (p *people) announce(c account.Contact, change account.Change) {
	if !change.FirstSeen {
		for range change.NewDevices {
			p.emit(Event{Kind: EventNotice, Account: c.Account, Text: fmt.Sprintf("%s has a new device.", c.Account)})
		}
		for range change.Revoked {
			p.emit(Event{Kind: EventNotice, Account: c.Account, Text: fmt.Sprintf("%s has logged a device out.", c.Account)})
		}
	}
	if p.changed != nil {
		p.changed(c, change)
	}
}

func (p *people) distrust(a record.Account, why error) {
	p.mu.Lock()
	_, told := p.suspect[a]
	p.suspect[a] = why
	p.mu.Unlock()
	if !told {
		p.emit(Event{Kind: EventError, Account: a, Err: identityChanged(a, why)})
	}
}

func identityChanged(a record.Account, cause error) *Error {
	return fail(CodeIdentity, cause, fmt.Sprintf("Ask them another way whether this is so; only if it is, type: trust %s", a),
		"The servers now show another identity for %s than the one this device knows: nothing is sent to it.", a)
}

// introduce judges the hello of a device that wants to deliver. NONE means that
// it acts for the account it names, whose log is the one that it knows too.
func (p *people) introduce(ctx context.Context, from peer.ID, hello transport.Hello) (account.Contact, pb.Refusal) {
	if c, ok := p.contact(hello.Account); ok && c.Devices().Has(from) {
		if grown, err := c.Compare(hello.LogLength, hello.LogHead); !grown {
			return c, p.compared(from, err)
		}
	}
	c, err := p.refresh(ctx, hello.Account)
	var known *Error
	switch {
	case errors.Is(err, wire.ErrNoAccount), errors.As(err, &known):
		return c, pb.Refusal_UNKNOWN
	case err != nil:
		return c, pb.Refusal_LATER
	}
	grown, err := c.Compare(hello.LogLength, hello.LogHead)
	switch {
	case grown: // the server that was asked is behind
		return c, pb.Refusal_LATER
	case !c.Devices().Has(from):
		return c, pb.Refusal_UNKNOWN
	}
	return c, p.compared(from, err)
}

// isRefused tells a server's word from a failure to get one.
func isRefused(err error) bool {
	var known *Error
	return errors.Is(err, wire.ErrNoAccount) || errors.As(err, &known)
}

// compared is the answer to a device log as a peer names it.
func (p *people) compared(peer peer.ID, contradiction error) pb.Refusal {
	if contradiction == nil {
		return pb.Refusal_NONE
	}
	p.log.Warn("a peer names another device log than the known one", "peer", peer)
	return pb.Refusal_UNKNOWN
}
