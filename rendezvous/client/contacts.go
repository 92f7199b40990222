package client

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// Policy says how an account treats those whom it has neither accepted nor
// blocked.
type Policy int

// The policies; an account begins with PolicyOpen.
const (
	PolicyUnchanged Policy = iota // of a ContactChange only
	PolicyOpen                    // they may write, and see where its devices are
	PolicyAsk                     // they wait to be accepted
)

// Contacts is whom this account lets in, as the servers enforce it.
type Contacts struct {
	Version           uint64 // how often it has changed
	Policy            Policy
	Accepted, Blocked []record.Account
}

// ContactChange is a change of some of it. Together at most
// wire.MaxContactChanges other accounts may be named, each once.
type ContactChange struct {
	Version                      uint64 // as this device knows it
	Policy                       Policy // PolicyUnchanged: leave it
	Accepted, Blocked, Forgotten []record.Account
}

// Contacts returns whom this account lets in.
func (c *Client) Contacts(ctx context.Context) (Contacts, error) {
	resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_GetContacts{GetContacts: &pb.GetContacts{}}})
	if err != nil {
		return Contacts{}, err
	}
	m := resp.GetContacts()
	found := Contacts{Version: m.GetVersion(), Policy: Policy(m.GetPolicy())}
	if found.Policy != PolicyOpen && found.Policy != PolicyAsk || len(m.GetAccepted()) > wire.MaxAccepted || len(m.GetBlocked()) > wire.MaxBlocked {
		return Contacts{}, fmt.Errorf("%w: contacts", ErrForged)
	}
	if found.Accepted, err = accountsFromWire(m.GetAccepted()); err != nil {
		return Contacts{}, err
	}
	found.Blocked, err = accountsFromWire(m.GetBlocked())
	return found, err
}

// SetContacts changes whom this account lets in; the version is then one higher.
// It returns wire.ErrConflict when another device's change was first: fetch
// Contacts and try again. It returns wire.ErrFull when no more can be accepted or
// blocked.
func (c *Client) SetContacts(ctx context.Context, change ContactChange) error {
	token := make([]byte, wire.TokenSize)
	rand.Read(token) // never fails: crypto/rand aborts the program instead
	return c.do(ctx, &pb.Request{Kind: &pb.Request_SetContacts{SetContacts: &pb.SetContacts{
		Version: change.Version, Token: token, Policy: pb.ContactPolicy(change.Policy),
		Accepted: accountsToWire(change.Accepted), Blocked: accountsToWire(change.Blocked), Forgotten: accountsToWire(change.Forgotten),
	}}})
}

func accountsToWire(accounts []record.Account) []string {
	names := make([]string, len(accounts))
	for i, a := range accounts {
		names[i] = string(a)
	}
	return names
}

func accountsFromWire(names []string) ([]record.Account, error) {
	accounts := make([]record.Account, len(names))
	for i, name := range names {
		var err error
		if accounts[i], err = record.ParseAccount(name); err != nil {
			return nil, fmt.Errorf("%w: an account's name", ErrForged)
		}
	}
	return accounts, nil
}
