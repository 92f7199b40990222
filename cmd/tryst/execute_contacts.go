package main

import (
	"context"

	"github.com/tryst-chat/tryst/cmd/tryst/command"
	"github.com/tryst-chat/tryst/cmd/tryst/show"
	"github.com/tryst-chat/tryst/node"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

func (x *executor) contacts(ctx context.Context, c command.Contacts) error {
	var contacts node.Contacts
	var err error
	if c.Policy == "" {
		contacts, err = x.node.Contacts(ctx)
	} else {
		contacts, err = x.node.SetContactPolicy(ctx, c.Policy)
	}
	if err != nil {
		return err
	}
	e := show.New(show.Contacts)
	e.Policy, e.Pending = "open", contacts.Pending
	if contacts.Asking {
		e.Policy = "ask"
	}
	e.Accepted, e.Blocked = accountNames(contacts.Accepted), accountNames(contacts.Blocked)
	e.Requests = make([]show.Request, len(contacts.Requests))
	for i, r := range contacts.Requests {
		e.Requests[i] = show.Request{Account: string(r.Account), Count: r.Messages}
	}
	x.print.Print(e)
	return nil
}

func accountNames(accounts []record.Account) []string {
	names := make([]string, len(accounts))
	for i, a := range accounts {
		names[i] = string(a)
	}
	return names
}

// accept prints that somebody may write; what waited comes as events of the node.
func (x *executor) accept(ctx context.Context, c command.Accept) error {
	account, err := x.node.Accept(ctx, c.Account)
	return x.answer(show.Accepted, account, err)
}

func (x *executor) block(ctx context.Context, c command.Block) error {
	blocking, err := x.node.Block(ctx, c.Account)
	if err != nil {
		return err
	}
	e := show.New(show.Blocked)
	e.Account = string(blocking.Account)
	for _, g := range blocking.Groups {
		e.Shared = append(e.Shared, string(g))
	}
	x.print.Print(e)
	return nil
}

func (x *executor) unblock(ctx context.Context, c command.Unblock) error {
	account, err := x.node.Unblock(ctx, c.Account)
	return x.answer(show.Unblocked, account, err)
}

// answer prints an event that is about an account, if there is no error.
func (x *executor) answer(kind string, account record.Account, err error) error {
	if err != nil {
		return err
	}
	e := show.New(kind)
	e.Account = string(account)
	x.print.Print(e)
	return nil
}
