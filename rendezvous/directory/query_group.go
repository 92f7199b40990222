package directory

import (
	"errors"
	"slices"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// GroupSummary is a line of a listing.
type GroupSummary struct {
	ID      record.GroupID
	Name    record.GroupName
	Members int
	Mine    bool // the asking account is in it
	Invited bool // the asking account is invited
	Private bool // others are not shown it
	Length  uint64
}

// GroupQuery asks for a page of groups, by name: the open ones, and those that the
// asking account is in or invited to.
type GroupQuery struct {
	For   record.Account   // who asks
	Mine  bool             // only those that the asking account is in or invited to
	After record.GroupName // the page before ended with it; empty: from the first
	Limit int              // groups a page, above 0
}

// Groups returns a page of groups and whether there are more.
func (d *Directory) Groups(q GroupQuery) (page []GroupSummary, more bool, err error) {
	lists := [][]byte{accountKey(q.For, 'g'), keyInvitations(q.For)}
	if !q.Mine {
		lists = append(lists, keyOpenGroup(""))
	}
	err = d.store.View(func(r Reader) error {
		var names []record.GroupName
		for _, prefix := range lists {
			some, err := groupNames(r, prefix, q.After, q.Limit+1)
			if err != nil {
				return err
			}
			names = append(names, some...)
		}
		slices.Sort(names)
		names = slices.Compact(names)
		if more = len(names) > q.Limit; more {
			names = names[:q.Limit]
		}
		for _, name := range names {
			summary, err := summarise(r, name, q.For)
			if err != nil {
				return err
			}
			page = append(page, summary)
		}
		return nil
	})
	return page, more, err
}

// groupNames returns up to limit of the names that stand under a prefix, from just
// above one on.
func groupNames(r Reader, prefix []byte, after record.GroupName, limit int) (names []record.GroupName, err error) {
	from := append(append(slices.Clip(prefix), after...), 0)
	if after == "" {
		from = prefix
	}
	err = r.Scan(prefix, from, func(key, _ []byte) (bool, error) {
		names = append(names, record.GroupName(key[len(prefix):]))
		return len(names) < limit, nil
	})
	return names, err
}

func summarise(r Reader, name record.GroupName, asking record.Account) (GroupSummary, error) {
	var g pb.Group
	if err := load(r, keyGroupName(name), &g); err != nil {
		return GroupSummary{}, err
	}
	mine, err := has(r, keyMembership(asking, name))
	if err != nil {
		return GroupSummary{}, err
	}
	invited, err := has(r, keyInvitation(asking, name))
	return GroupSummary{
		ID: record.GroupID(g.GetId()), Name: name, Members: int(g.GetMembers()), Length: g.GetLength(),
		Mine: mine, Invited: invited, Private: g.GetPrivate(),
	}, err
}

// GroupByName returns a group's ID, or wire.ErrNoGroup. Whether whoever asks may know
// of it is for Group.
func (d *Directory) GroupByName(name record.GroupName) (record.GroupID, error) {
	var g pb.Group
	err := d.store.View(func(r Reader) error {
		return orElse(load(r, keyGroupName(name), &g), wire.ErrNoGroup)
	})
	if err != nil {
		return record.GroupID{}, err
	}
	return record.GroupID(g.GetId()), nil
}

// GroupPage is a part of a group's chain.
type GroupPage struct {
	Chain      record.Chain // the whole, verified
	Length     uint64       // of the chain, as far as it is shown
	From       uint64
	Statements [][]byte // signed record.Statements from number From on
}

// Group returns at most limit statements of a group's chain, beginning with number
// from, to an account that asks. There are more if Length says so. Of a private group
// who was a member is shown the chain up to the end of that; for who never was nor is
// invited there is wire.ErrNoGroup, as for everybody if there is no such group.
func (d *Directory) Group(asking record.Account, id record.GroupID, from uint64, limit int) (GroupPage, error) {
	page := GroupPage{From: from}
	err := d.store.View(func(r Reader) (err error) {
		if page.Chain, err = loadChain(r, id); err != nil {
			return orElse(err, wire.ErrNoGroup)
		}
		if page.Length, err = shownTo(r, asking, page.Chain); err != nil || from >= page.Length {
			return err
		}
		page.Statements, err = collect(r, groupKey(id, 's'), keyStatement(id, from), int(min(uint64(limit), page.Length-from)))
		return err
	})
	if err != nil {
		return GroupPage{}, err
	}
	return page, nil
}

// shownTo returns how much of a group's chain an account may see, or wire.ErrNoGroup
// if that is nothing.
func shownTo(r Reader, asking record.Account, chain record.Chain) (uint64, error) {
	if chain.Shows(asking) {
		return chain.Len(), nil
	}
	length, err := count(r, keyFormer(asking, chain.ID()))
	if err == nil && length == 0 {
		return 0, wire.ErrNoGroup
	}
	return length, err
}

// GroupsOf returns the groups that an account is in, by name.
func (d *Directory) GroupsOf(account record.Account) ([]record.GroupID, error) {
	var ids []record.GroupID
	err := d.store.View(func(r Reader) error {
		return r.Scan(accountKey(account, 'g'), nil, func(_, id []byte) (bool, error) {
			if len(id) != len(record.GroupID{}) {
				return false, errors.New("directory: stored group ID is malformed")
			}
			ids = append(ids, record.GroupID(id))
			return true, nil
		})
	})
	return ids, err
}
