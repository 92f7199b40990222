package rendezvous

import (
	"context"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// appendGroup takes a statement from the device that signed it: a statement
// that somebody else holds is not theirs to publish.
func (s *Server) appendGroup(ctx context.Context, c caller, m *pb.AppendGroup) (*pb.Response, error) {
	statement, err := record.ParseStatement(m.GetStatement())
	if err != nil {
		return nil, badRequest(err)
	}
	if statement.Actor != c.account || statement.Device != c.device {
		return nil, fmt.Errorf("%w: somebody else's statement", wire.ErrRefused)
	}
	if statement.Op != record.CreateGroup {
		return s.propose(ctx, c, directory.AppendGroup(m.GetStatement()))
	}
	if err := s.allowed.groups.take(c.account, 1); err != nil {
		return nil, err
	}
	resp, err := s.propose(ctx, c, directory.AppendGroup(m.GetStatement()))
	if err != nil && outcomeKnown(err) {
		s.allowed.groups.give(c.account, 1)
	}
	return resp, err
}

func (s *Server) listGroups(_ context.Context, c caller, m *pb.ListGroups) (*pb.Response, error) {
	if err := s.allowed.listing.take(c.account, 1); err != nil {
		return nil, err
	}
	query := directory.GroupQuery{For: c.account, Mine: m.GetMine(), Limit: wire.GroupPage}
	if m.GetAfter() != "" {
		after, err := record.ParseGroupName(m.GetAfter())
		if err != nil {
			return nil, badRequest(err)
		}
		query.After = after
	}
	page, more, err := s.cluster.Directory().Groups(query)
	if err != nil {
		return nil, err
	}
	list := &pb.GroupList{More: more}
	for _, g := range page {
		list.Groups = append(list.Groups, &pb.GroupSummary{
			Id: g.ID[:], Name: string(g.Name), Members: uint32(g.Members), Mine: g.Mine, Length: g.Length,
			Invited: g.Invited, Private: g.Private,
		})
	}
	return &pb.Response{Kind: &pb.Response_Groups{Groups: list}}, nil
}

// getGroup says that a group does not exist only after a barrier: somebody may
// have just made it at another server, or invited the asker, and told them.
func (s *Server) getGroup(ctx context.Context, c caller, m *pb.GetGroup) (*pb.Response, error) {
	page, err := s.groupPage(c, m)
	if errors.Is(err, wire.ErrNoGroup) {
		if err := s.cluster.Barrier(ctx); err != nil {
			return nil, err
		}
		page, err = s.groupPage(c, m)
	}
	if err != nil {
		return nil, err
	}
	id := page.Chain.ID()
	return &pb.Response{Kind: &pb.Response_Group{Group: &pb.GroupChain{
		Id: id[:], Name: string(page.Chain.Name()), From: page.From, Statements: page.Statements, Length: page.Length,
	}}}, nil
}

func (s *Server) groupPage(c caller, m *pb.GetGroup) (directory.GroupPage, error) {
	id, err := s.groupID(m)
	if err != nil {
		return directory.GroupPage{}, err
	}
	return s.cluster.Directory().Group(c.account, id, m.GetFrom(), wire.ChainPage)
}

func (s *Server) groupID(m *pb.GetGroup) (record.GroupID, error) {
	if raw := m.GetId(); len(raw) > 0 {
		if len(raw) != len(record.GroupID{}) {
			return record.GroupID{}, wire.ErrBadRequest
		}
		return record.GroupID(raw), nil
	}
	name, err := record.ParseGroupName(m.GetName())
	if err != nil {
		return record.GroupID{}, badRequest(err)
	}
	return s.cluster.Directory().GroupByName(name)
}
