package client

import (
	"context"
	"fmt"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// GroupSummary is one line of the list of groups.
type GroupSummary struct {
	ID      record.GroupID
	Name    record.GroupName
	Members int
	Mine    bool   // the asking account is in it
	Invited bool   // the asking account is invited
	Private bool   // others are not shown it
	Length  uint64 // of its chain
}

// GroupChain is a group's membership chain from one statement on, not yet
// verified: record.VerifyChain needs the device logs of the actors.
type GroupChain struct {
	ID         record.GroupID
	Name       record.GroupName
	From       uint64   // the number of the first statement here
	Statements [][]byte // signed, up to the head
	Length     uint64   // From + len(Statements)
}

// AppendGroup appends a signed membership statement; the first one creates the
// group. It returns wire.ErrConflict when another statement was first,
// wire.ErrGroupTaken for a name that is taken, wire.ErrRefused for what the
// group does not allow, wire.ErrFull.
func (c *Client) AppendGroup(ctx context.Context, statement []byte) error {
	return c.do(ctx, &pb.Request{Kind: &pb.Request_AppendGroup{AppendGroup: &pb.AppendGroup{Statement: statement}}})
}

// ListGroups returns by name all groups that the account may know of: the open ones,
// and those that it is in or invited to. With mine it returns only the latter.
func (c *Client) ListGroups(ctx context.Context, mine bool) ([]GroupSummary, error) {
	var all []GroupSummary
	for after := ""; ; {
		resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_ListGroups{ListGroups: &pb.ListGroups{After: after, Mine: mine}}})
		if err != nil {
			return nil, err
		}
		page := resp.GetGroups()
		for _, g := range page.GetGroups() {
			summary, err := summaryFromWire(g)
			if err != nil {
				return nil, err
			}
			// Names that do not ascend would let a server page for ever.
			if string(summary.Name) <= after {
				return nil, fmt.Errorf("%w: groups out of order", ErrForged)
			}
			after = string(summary.Name)
			all = append(all, summary)
		}
		if !page.GetMore() || len(page.GetGroups()) == 0 || len(all) >= maxListed {
			return all, nil
		}
	}
}

// GroupByName returns a group's chain from one statement on (0: all of it). It
// returns wire.ErrNoGroup when there is none, or none that the account may know of. Of
// a private group that the account was in it returns the part up to the end of that.
func (c *Client) GroupByName(ctx context.Context, name record.GroupName, from uint64) (GroupChain, error) {
	first, err := c.chainPage(ctx, &pb.GetGroup{By: &pb.GetGroup_Name{Name: string(name)}, From: from})
	if err != nil {
		return GroupChain{}, err
	}
	if first.Name != name {
		return GroupChain{}, fmt.Errorf("%w: another group", ErrForged)
	}
	return c.chainRest(ctx, first)
}

// GroupByID is GroupByName for a group whose ID is known.
func (c *Client) GroupByID(ctx context.Context, id record.GroupID, from uint64) (GroupChain, error) {
	first, err := c.chainPage(ctx, &pb.GetGroup{By: &pb.GetGroup_Id{Id: id[:]}, From: from})
	if err != nil {
		return GroupChain{}, err
	}
	if first.ID != id {
		return GroupChain{}, fmt.Errorf("%w: another group", ErrForged)
	}
	return c.chainRest(ctx, first)
}

// chainRest fetches the pages after the first.
func (c *Client) chainRest(ctx context.Context, chain GroupChain) (GroupChain, error) {
	for next := chain.From + uint64(len(chain.Statements)); next < chain.Length; {
		page, err := c.chainPage(ctx, &pb.GetGroup{By: &pb.GetGroup_Id{Id: chain.ID[:]}, From: next})
		if err != nil {
			return GroupChain{}, err
		}
		if page.ID != chain.ID || len(page.Statements) == 0 {
			return GroupChain{}, fmt.Errorf("%w: a page of another chain", ErrForged)
		}
		chain.Statements = append(chain.Statements, page.Statements...)
		next += uint64(len(page.Statements))
	}
	chain.Length = chain.From + uint64(len(chain.Statements))
	return chain, nil
}

func (c *Client) chainPage(ctx context.Context, req *pb.GetGroup) (GroupChain, error) {
	resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_GetGroup{GetGroup: req}})
	if err != nil {
		return GroupChain{}, err
	}
	g := resp.GetGroup()
	chain := GroupChain{From: g.GetFrom(), Statements: g.GetStatements(), Length: g.GetLength()}
	if chain.Name, err = record.ParseGroupName(g.GetName()); err != nil || len(g.GetId()) != len(record.GroupID{}) ||
		chain.From != req.GetFrom() || chain.Length > record.MaxChain {
		return GroupChain{}, fmt.Errorf("%w: a group's chain", ErrForged)
	}
	chain.ID = record.GroupID(g.GetId())
	return chain, nil
}

func summaryFromWire(g *pb.GroupSummary) (GroupSummary, error) {
	name, err := record.ParseGroupName(g.GetName())
	if err != nil || len(g.GetId()) != len(record.GroupID{}) {
		return GroupSummary{}, fmt.Errorf("%w: a group's summary", ErrForged)
	}
	return GroupSummary{
		ID: record.GroupID(g.GetId()), Name: name, Members: int(g.GetMembers()), Mine: g.GetMine(), Length: g.GetLength(),
		Invited: g.GetInvited(), Private: g.GetPrivate(),
	}, nil
}
