package directory

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// appendGroup adds a statement to a group's chain, or begins one. Appending is
// compare-and-append: of two statements on one head the first in the log wins,
// and the other is a conflict.
func appendGroup(w Writer, c *pb.AppendGroup) ([]Event, error) {
	signed := c.GetStatement()
	s, err := record.ParseStatement(signed)
	if err != nil {
		return nil, refuse(err)
	}
	if known, err := w.Get(keyStatement(s.Group, s.Seq)); err == nil && bytes.Equal(known, signed) {
		return nil, nil // a retry of what was appended
	} else if err != nil && !errors.Is(err, ErrMissing) {
		return nil, err
	}
	before, err := loadChain(w, s.Group)
	switch {
	case errors.Is(err, ErrMissing) && s.Op != record.CreateGroup:
		return nil, wire.ErrNoGroup
	case errors.Is(err, ErrMissing):
		if err := checkGroupName(w, s.Name); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	chain, err := extend(w, before, s, signed)
	if err != nil {
		return nil, err
	}
	return saveStatement(w, chain, s, signed)
}

// extend appends with the rule that the chain itself cannot know: the acting
// device is active in its account's log now.
func extend(r Reader, before record.Chain, s record.Statement, signed []byte) (record.Chain, error) {
	log, err := loadLog(r, s.Actor)
	if err != nil && !errors.Is(err, ErrMissing) {
		return record.Chain{}, err
	}
	acts := func(_ record.Account, device peer.ID) bool { return log.Has(device) }
	chain, err := before.Append(signed, acts)
	if err != nil && s.Op == record.JoinGroup && !before.Member(s.Actor) &&
		len(before.Members()) >= record.MaxMembers {
		return chain, fmt.Errorf("%w: at most %d members", wire.ErrFull, record.MaxMembers)
	}
	if err != nil {
		return chain, refuse(err)
	}
	return chain, nil
}

func checkGroupName(r Reader, name record.GroupName) error {
	taken, err := has(r, keyGroupName(name))
	if err == nil && taken {
		return wire.ErrGroupTaken
	}
	return err
}

// saveStatement stores a chain's state and its last statement, and what
// listings are made from.
func saveStatement(w Writer, chain record.Chain, s record.Statement, signed []byte) ([]Event, error) {
	id, members := chain.ID(), chain.Members()
	if err := w.Set(keyStatement(id, s.Seq), signed); err != nil {
		return nil, err
	}
	if err := w.Set(keyChain(id), chain.State()); err != nil {
		return nil, err
	}
	if s.Op == record.CreateGroup {
		if err := increment(w, keyGroups); err != nil {
			return nil, err
		}
	}
	concerned := members
	switch s.Op {
	case record.CreateGroup, record.JoinGroup:
		if err := w.Set(keyMembership(s.Actor, chain.Name()), id[:]); err != nil {
			return nil, err
		}
	case record.LeaveGroup, record.RemoveMember:
		gone := s.Actor
		if s.Op == record.RemoveMember {
			gone = s.Subject
		}
		if err := w.Delete(keyMembership(gone, chain.Name())); err != nil {
			return nil, err
		}
		if err := leaveMail(w, id, gone); err != nil {
			return nil, err
		}
		concerned = append(members, gone)
	}
	err := save(w, keyGroupName(chain.Name()), &pb.Group{
		Id: id[:], Members: uint32(len(members)), Length: chain.Len(),
	})
	return []Event{GroupChanged{Group: id, Length: chain.Len(), Concerns: concerned}}, err
}
