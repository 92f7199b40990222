package directory

import (
	"bytes"
	"encoding/binary"
	"errors"

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
	case !before.Shows(s.Actor):
		return nil, wire.ErrNoGroup
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
	concerned, err := saveMemberships(w, chain, s)
	if err != nil {
		return nil, err
	}
	err = save(w, keyGroupName(chain.Name()), &pb.Group{
		Id: id[:], Members: uint32(len(members)), Length: chain.Len(), Private: chain.Settings().Private,
	})
	return []Event{GroupChanged{Group: id, Length: chain.Len(), Concerns: append(members, concerned...)}}, err
}

// saveMemberships stores what a statement changes for accounts, and returns whom it
// concerns that is no member after it.
func saveMemberships(w Writer, chain record.Chain, s record.Statement) (concerned []record.Account, err error) {
	id := chain.ID()
	switch s.Op {
	case record.CreateGroup:
		if !chain.Settings().Private {
			err = w.Set(keyOpenGroup(chain.Name()), id[:])
		}
		return nil, errors.Join(err, w.Set(keyMembership(s.Actor, chain.Name()), id[:]))
	case record.JoinGroup:
		return nil, errors.Join(
			w.Set(keyMembership(s.Actor, chain.Name()), id[:]),
			w.Delete(keyInvitation(s.Actor, chain.Name())), w.Delete(keyFormer(s.Actor, id)))
	case record.Invite:
		return []record.Account{s.Subject}, w.Set(keyInvitation(s.Subject, chain.Name()), id[:])
	case record.LeaveGroup:
		return []record.Account{s.Actor}, endMembership(w, chain, s.Actor)
	case record.RemoveMember:
		return []record.Account{s.Subject}, errors.Join(
			endMembership(w, chain, s.Subject), w.Delete(keyInvitation(s.Subject, chain.Name())))
	default:
		return nil, nil
	}
}

// endMembership removes what there is of an account's membership. Who has been in a
// private group may see its chain as it is now for ever: their devices learn from it
// that they are out.
func endMembership(w Writer, chain record.Chain, gone record.Account) error {
	member, err := has(w, keyMembership(gone, chain.Name()))
	if err != nil || !member { // it was an invitation
		return err
	}
	if chain.Settings().Private {
		err = w.Set(keyFormer(gone, chain.ID()), binary.BigEndian.AppendUint64(nil, chain.Len()))
	}
	return errors.Join(err, w.Delete(keyMembership(gone, chain.Name())), leaveMail(w, chain.ID(), gone))
}
