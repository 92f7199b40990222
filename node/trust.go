package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Comparison is what two people compare, over a way that no server is on, to know
// that nobody stands between them.
type Comparison struct {
	Account  record.Account
	Number   string // 60 digits in twelve groups of five, the same for both
	Code     string // what the QR code holds, the same for both
	Verified bool   // this person has compared it
}

// Compare returns what this person and the one of an account compare.
func (n *Node) Compare(ctx context.Context, account string) (Comparison, error) {
	d, done, err := n.use()
	if err != nil {
		return Comparison{}, err
	}
	defer done()
	contact, err := d.other(ctx, account)
	if err != nil {
		return Comparison{}, err
	}
	return d.comparison(contact)
}

// Confirm takes a number, or a QR code's text, that this person got from the one of
// an account. If it is what this device has too, the account counts as verified.
func (n *Node) Confirm(ctx context.Context, account, number string) (Comparison, error) {
	d, done, err := n.use()
	if err != nil {
		return Comparison{}, err
	}
	defer done()
	contact, err := d.other(ctx, account)
	if err != nil {
		return Comparison{}, err
	}
	c, err := d.comparison(contact)
	if err != nil {
		return Comparison{}, err
	}
	switch digits := digitsOf(number); {
	case len(digits) != len(digitsOf(c.Number)):
		return c, fail(CodeUsage, nil, fmt.Sprintf("Type verify %s to see it, and give all 60 digits as the other side shows them.", contact.Account),
			"%d digits are not a number to compare.", len(digits))
	case digits != digitsOf(c.Number):
		return c, fail(CodeMismatch, nil, "Ask them to read theirs out again. If it stays so, somebody stands between you: write nothing that matters.",
			"This is not the number that this device has for %s.", contact.Account)
	}
	if err := d.people.verified(contact.Account); err != nil {
		return c, explain(err, "write that down")
	}
	c.Verified = true
	return c, nil
}

// Trust takes the identity that the servers show now for an account, in the place of
// the pinned one, and returns what to compare before it is relied on.
func (n *Node) Trust(ctx context.Context, account string) (Comparison, error) {
	d, done, err := n.use()
	if err != nil {
		return Comparison{}, err
	}
	defer done()
	name, err := parseAccount(account)
	if err != nil {
		return Comparison{}, err
	}
	if name == d.self.Account {
		return Comparison{}, ownAccount(name)
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	contact, err := d.people.trust(ctx, name)
	switch {
	case err == nil:
		return d.comparison(contact)
	case errors.Is(err, errNothingToTrust):
		return Comparison{}, fail(CodeUsage, err, fmt.Sprintf("To compare numbers, type: verify %s", name), "Nothing has changed about the identity of %s.", name)
	case errors.Is(err, wire.ErrNoAccount):
		return Comparison{}, noAccount(name, err)
	default:
		return Comparison{}, explain(err, fmt.Sprintf("trust %s", name))
	}
}

// other returns the contact that a person names, who is somebody else.
func (d *device) other(ctx context.Context, name string) (account.Contact, error) {
	contact, err := d.recipient(ctx, name)
	if err == nil && contact.Account == d.self.Account {
		err = ownAccount(contact.Account)
	}
	return contact, err
}

func ownAccount(a record.Account) *Error {
	return fail(CodeUsage, nil, "Name the account of somebody else.", "%s is your own account.", a)
}

func (d *device) comparison(with account.Contact) (Comparison, error) {
	own, ok := d.people.contact(d.self.Account)
	if !ok {
		return Comparison{}, explain(errors.New("the own account is not known"), "compare")
	}
	number := account.ComparisonNumber(own.Account, own.Identity, with.Account, with.Identity)
	first, second := min(own.Account, with.Account), max(own.Account, with.Account)
	return Comparison{
		Account: with.Account, Number: number, Verified: with.Verified,
		Code: fmt.Sprintf("tryst:%s+%s:%s", first, second, digitsOf(number)),
	}, nil
}

// digitsOf returns the digits of a number as somebody typed it, or of a QR code's
// text: what stands after the accounts.
func digitsOf(number string) string {
	number = number[strings.LastIndexByte(number, ':')+1:]
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, number)
}

// errNothingToTrust means that the servers show the identity that is pinned.
var errNothingToTrust = errors.New("node: the identity has not changed")

// verified notes that the person has compared numbers with the one of an account.
func (p *people) verified(a record.Account) error {
	return p.store.Update(func(tx *store.Tx) error {
		c, ok := p.contact(a)
		if !ok {
			return nil
		}
		c.Verified = true
		tx.PutContact(c)
		p.remember(c, account.Change{})
		return nil
	})
}

// trust pins the identity that the servers show for an account now.
func (p *people) trust(ctx context.Context, a record.Account) (account.Contact, error) {
	found, err := p.client.LookUp(ctx, a)
	if err != nil {
		return account.Contact{}, err
	}
	claim := account.Claim{Account: a, Identity: found.Identity, Log: found.Signed}
	var c account.Contact
	var change account.Change
	err = p.store.Update(func(tx *store.Tx) error {
		known, ok := p.contact(a)
		if !ok {
			return errNothingToTrust
		}
		if _, _, err := account.Update(&known, claim); err == nil || errors.Is(err, account.ErrBehind) {
			return errNothingToTrust
		}
		if c, change, err = account.Trust(known, claim); err != nil {
			return err
		}
		for _, device := range change.Revoked {
			tx.RemoveSession(device)
		}
		tx.PutContact(c)
		p.remember(c, change)
		return nil
	})
	if err != nil {
		return c, err
	}
	p.reconcile(a)
	if p.changed != nil {
		p.changed(c, change)
	}
	return c, nil
}

// reconcile ends the suspicion against an account.
func (p *people) reconcile(a record.Account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.suspect, a)
}
