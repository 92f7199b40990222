package rendezvous

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

func (s *Server) announce(_ context.Context, c caller, m *pb.Announce) (*pb.Response, error) {
	if err := s.presence.Announce(c.account, c.device, m.GetRecord()); err != nil {
		return nil, err
	}
	return done(0), nil
}

func (s *Server) withdraw(_ context.Context, c caller, _ *pb.Withdraw) (*pb.Response, error) {
	s.presence.Withdraw(c.device)
	return done(0), nil
}

// findPeers answers wire.ErrTooLarge when the records do not fit a response;
// the client then asks for fewer accounts at a time.
func (s *Server) findPeers(_ context.Context, c caller, m *pb.FindPeers) (*pb.Response, error) {
	if len(m.GetAccounts()) > wire.MaxFindPeers {
		return nil, wire.ErrTooLarge
	}
	if err := s.allowed.listing.take(c.account, len(m.GetAccounts())); err != nil {
		return nil, err
	}
	found := &pb.Peers{}
	for _, name := range m.GetAccounts() {
		account, err := record.ParseAccount(name)
		if err != nil {
			return nil, badRequest(err)
		}
		found.Peers = append(found.Peers, s.whereabouts(account, c.account)...)
	}
	resp := &pb.Response{Kind: &pb.Response_Peers{Peers: found}}
	if proto.Size(resp) > wire.MaxResponse {
		return nil, wire.ErrTooLarge
	}
	return resp, nil
}

// whereabouts returns what the devices of an account have announced, if the asking
// one may know it. Otherwise it is as if none were online.
func (s *Server) whereabouts(account, asking record.Account) []*pb.PeerPresence {
	records := s.presence.Find(account)
	if len(records) == 0 || !s.seenBy(account, []record.Account{asking})[asking] {
		return nil
	}
	var found []*pb.PeerPresence
	for _, signed := range records {
		found = append(found, &pb.PeerPresence{Account: string(account), Record: signed})
	}
	return found
}
