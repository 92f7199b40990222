package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/terms"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// Invitation is a code that an operator gave out for one sign-up. It does not print.
type Invitation = terms.Code

// ErrMistyped is returned by ParseInvitation for what cannot be a code.
var ErrMistyped = terms.ErrCode

// ParseInvitation reads a code as a person types it. It asks nobody: a mistake in
// typing is known by the code's checksum.
func ParseInvitation(typed string) (Invitation, error) { return terms.ParseCode(typed) }

// Work is what a cluster asks of a device before a sign-up: the node has it try some
// hashes at a time until it is done, see terms.Solver.
type Work = terms.Solver

// WorkParts is the number of equal parts of Work; Work.Done counts them.
const WorkParts = terms.Parts

// Pass is what a sign-up brings for the terms; the zero value is enough for open ones.
type Pass struct {
	Invitation string // as Invitation.Text has it; empty: none
	challenge  []byte
	proof      []byte
}

func (p Pass) toWire() *pb.Pass {
	if p.Invitation == "" && p.challenge == nil {
		return nil
	}
	return &pb.Pass{Invitation: p.Invitation, Challenge: p.challenge, Proof: p.proof}
}

// Terms is on what people sign up to the cluster now.
type Terms struct {
	Invitation bool // one is asked for
	Bits       int  // 2^Bits hashes of work are asked for on average; 0: none

	challenge []byte // for this device
}

// ErrTooMuchWork is returned for terms that ask for more than terms.MaxBits.
var ErrTooMuchWork = errors.New("the servers ask for more work than any cluster may")

// Terms asks on what people sign up. Where work is asked for, it stands for ten minutes
// and for this device. It returns ErrTooMuchWork and ErrForged.
func (c *Client) Terms(ctx context.Context) (Terms, error) {
	resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_GetTerms{GetTerms: &pb.GetTerms{}}})
	if err != nil {
		return Terms{}, err
	}
	t := resp.GetTerms()
	found := Terms{Invitation: t.GetInvitation(), Bits: int(t.GetBits()), challenge: t.GetChallenge()}
	switch err := (terms.Terms{Bits: found.Bits}).Check(); {
	case t == nil, found.Bits > 0 && len(found.challenge) != terms.ChallengeSize:
		return Terms{}, fmt.Errorf("%w: no terms", ErrForged)
	case found.Bits > terms.MaxBits:
		return Terms{}, fmt.Errorf("%w: %d bits", ErrTooMuchWork, found.Bits)
	case err != nil:
		return Terms{}, fmt.Errorf("%w: %w", ErrForged, err)
	}
	return found, nil
}

// Work begins the work of terms that ask for some; its result is good for this account
// alone. Terms.Pass makes a Pass of it.
func (c *Client) Work(t Terms, account record.Account) (*Work, error) {
	return terms.NewPuzzle(t.challenge, []byte(c.host.ID()), string(account)).Solver(t.Bits)
}

// Pass returns what a sign-up brings: the work once it is done, nil if none was asked
// for, and the code of an invitation, if there is one.
func (t Terms) Pass(work *Work, invitation string) Pass {
	p := Pass{Invitation: invitation}
	if work != nil {
		p.challenge, p.proof = t.challenge, work.Proof()
	}
	return p
}
