package rendezvous

import (
	"context"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// setContacts changes whom the asking account lets in, and nobody else's.
func (s *Server) setContacts(ctx context.Context, c caller, m *pb.SetContacts) (*pb.Response, error) {
	change := directory.ContactChange{Version: m.GetVersion(), Token: m.GetToken(), Policy: directory.Policy(m.GetPolicy())}
	if len(m.GetAccepted())+len(m.GetBlocked())+len(m.GetForgotten()) > wire.MaxContactChanges {
		return nil, wire.ErrTooLarge
	}
	for _, part := range []struct {
		names    []string
		accounts *[]record.Account
	}{{m.GetAccepted(), &change.Accepted}, {m.GetBlocked(), &change.Blocked}, {m.GetForgotten(), &change.Forgotten}} {
		for _, name := range part.names {
			account, err := record.ParseAccount(name)
			if err != nil {
				return nil, badRequest(err)
			}
			*part.accounts = append(*part.accounts, account)
		}
	}
	return s.propose(ctx, c, directory.SetContacts(c.account, c.device, change))
}

// getContacts tells an account whom it lets in. Nobody else is told.
func (s *Server) getContacts(_ context.Context, c caller, _ *pb.GetContacts) (*pb.Response, error) {
	found, err := s.cluster.Directory().Contacts(c.account)
	if err != nil {
		return nil, err
	}
	contacts := &pb.Contacts{Version: found.Version, Policy: pb.ContactPolicy(found.Policy)}
	for _, a := range found.Accepted {
		contacts.Accepted = append(contacts.Accepted, string(a))
	}
	for _, a := range found.Blocked {
		contacts.Blocked = append(contacts.Blocked, string(a))
	}
	return &pb.Response{Kind: &pb.Response_Contacts{Contacts: contacts}}, nil
}

// seenBy returns which of some accounts may know where the devices of an account
// are. Where that cannot be found out none may.
func (s *Server) seenBy(account record.Account, asking []record.Account) map[record.Account]bool {
	seen, err := s.cluster.Directory().SeenBy(account, asking...)
	if err != nil {
		s.log.Error("who may see an account's devices was not found out", "err", err)
		return nil
	}
	return seen
}
