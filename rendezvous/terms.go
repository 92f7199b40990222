package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/terms"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// Both halves of a sign-up bring what the terms ask for. The first is where it counts
// for the servers: before it they do nothing that costs, so that a flood without work
// or invitations meets a few hashes and a look into the directory, and no barrier, no
// OPRF and no Raft. The second is where it counts for the cluster: there the invitation
// is used up, in the directory's own step (see directory.SignUp).

// getTerms tells a stranger what a sign-up needs, with a challenge that any server takes.
func (s *Server) getTerms(_ context.Context, c caller, _ *pb.GetTerms) (*pb.Response, error) {
	asked, err := s.cluster.Directory().Terms()
	if err != nil {
		return nil, err
	}
	t := &pb.Terms{Invitation: asked.Invitation, Bits: uint32(asked.Bits)}
	if asked.Bits > 0 {
		t.Challenge = s.mint.Challenge([]byte(c.device), time.Now())
	}
	return &pb.Response{Kind: &pb.Response_Terms{Terms: t}}, nil
}

// meets checks what a sign-up brings against the terms, the cheapest first, and returns
// it as the directory takes it. It fails with wire.ErrTerms where something is missing
// or was done too long ago, and with wire.ErrInvitation.
func (s *Server) meets(ctx context.Context, c caller, account record.Account, m *pb.Pass) (directory.Pass, error) {
	var pass directory.Pass
	asked, err := s.cluster.Directory().Terms()
	if err != nil {
		return pass, err
	}
	if asked.Bits > 0 {
		err := s.mint.Check(m.GetChallenge(), m.GetProof(), []byte(c.device), string(account), asked.Bits, time.Now())
		if err != nil {
			return pass, fmt.Errorf("%w: %w", wire.ErrTerms, err)
		}
		pass.Bits = asked.Bits
	}
	if !asked.Invitation {
		return pass, nil
	}
	if m.GetInvitation() == "" {
		return pass, fmt.Errorf("%w: an invitation is missing", wire.ErrTerms)
	}
	code, err := terms.ParseCode(m.GetInvitation())
	if err != nil {
		return pass, fmt.Errorf("%w: %w", wire.ErrInvitation, err)
	}
	hash := code.Hash()
	pass.Invitation = hash[:]
	return pass, s.invited(ctx, c, account, hash[:])
}

// invited returns nil for an invitation that may be used. It does not say no before it
// knows that it is not this server that lags behind: the code may have been given out a
// moment ago at another. That takes a barrier, so that asking for it counts as a guess,
// of which a device has few: nobody types a wrong code that has a right checksum.
func (s *Server) invited(ctx context.Context, c caller, account record.Account, hash []byte) error {
	err := s.cluster.Directory().Invited(hash)
	if !errors.Is(err, wire.ErrInvitation) {
		return err
	}
	if err := s.guesses.admit(s.guess(account, c), time.Now()); err != nil {
		return err
	}
	if err := s.cluster.Barrier(ctx); err != nil {
		return err
	}
	return s.cluster.Directory().Invited(hash)
}

// signedUpBefore answers a sign-up that does not meet the terms: if it is the very one
// that made the account, its answer was lost, and what it brought is used up by itself.
func (s *Server) signedUpBefore(account record.Account, m *pb.SignUp, refusal error) (*pb.Response, error) {
	before, err := s.cluster.Directory().SignedUp(account, m.GetIdentity(), m.GetDevice())
	switch {
	case err != nil:
		return nil, err
	case before:
		return done(0), nil // at an index that nobody remembers
	default:
		return nil, refusal
	}
}
