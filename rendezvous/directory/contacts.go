package directory

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Policy says how an account treats those whom it has neither accepted nor
// blocked. Values are stored and travel: append only.
type Policy uint32

// An account begins with PolicyOpen.
const (
	PolicyUnchanged Policy = iota // of a ContactChange only
	PolicyOpen                    // they may write, and see where its devices are
	PolicyAsk                     // they wait to be accepted
)

// standing is how one account stands with another. Values are stored.
type standing byte

const (
	stranger standing = 0 // neither; nothing is stored
	accepted standing = 1
	blocked  standing = 2
)

// ContactChange is what one command changes about whom an account lets in.
type ContactChange struct {
	// Version is the number of the last change as the device knows it, 0 before
	// the first: the change takes effect only if that is so.
	Version uint64
	// Token (wire.TokenSize random bytes) is of this change alone, so that a
	// command whose answer was lost may be given again.
	Token  []byte
	Policy Policy // PolicyUnchanged: leave it
	// Accepted, Blocked and Forgotten (neither from now on) are together at most
	// wire.MaxContactChanges other accounts, each once.
	Accepted, Blocked, Forgotten []record.Account
}

// setContacts changes whom an account lets in. It names changes and not the whole,
// which could be larger than a command. Whether the accounts exist is not looked
// at: they may live elsewhere.
func setContacts(w Writer, c *pb.SetContacts) ([]Event, error) {
	account, _, err := actingDevice(w, c.GetAccount(), c.GetDevice())
	if err != nil {
		return nil, err
	}
	if n := len(c.GetToken()); n != wire.TokenSize {
		return nil, fmt.Errorf("%w: token of %d bytes", wire.ErrBadRequest, n)
	}
	if Policy(c.GetPolicy()) > PolicyAsk {
		return nil, fmt.Errorf("%w: contact policy %d", wire.ErrBadRequest, c.GetPolicy())
	}
	changes, err := parseStandings(account, c)
	if err != nil {
		return nil, err
	}
	head, err := loadContacts(w, account)
	if err != nil {
		return nil, err
	}
	switch {
	case c.GetVersion()+1 == head.GetVersion() && bytes.Equal(c.GetToken(), head.GetToken()):
		return nil, nil // no secret: whoever may ask is the account's own device
	case c.GetVersion() != head.GetVersion():
		return nil, fmt.Errorf("%w: contacts have version %d", wire.ErrConflict, head.GetVersion())
	}
	if err := countStandings(w, account, changes, head); err != nil {
		return nil, err
	}
	head.Version, head.Token = head.GetVersion()+1, c.GetToken()
	if p := c.GetPolicy(); Policy(p) != PolicyUnchanged {
		head.Policy = p
	}
	if err := saveStandings(w, account, changes); err != nil {
		return nil, err
	}
	return []Event{ContactsChanged{account, head.GetVersion()}}, save(w, keyContacts(account), head)
}

// newStanding is how an account is to stand from now on.
type newStanding struct {
	of record.Account
	as standing
}

func parseStandings(own record.Account, c *pb.SetContacts) ([]newStanding, error) {
	if n := len(c.GetAccepted()) + len(c.GetBlocked()) + len(c.GetForgotten()); n > wire.MaxContactChanges {
		return nil, fmt.Errorf("%w: %d changes at once, at most %d", wire.ErrTooLarge, n, wire.MaxContactChanges)
	}
	var changes []newStanding
	seen := make(map[record.Account]bool)
	for _, part := range []struct {
		names []string
		as    standing
	}{{c.GetAccepted(), accepted}, {c.GetBlocked(), blocked}, {c.GetForgotten(), stranger}} {
		for _, name := range part.names {
			of, err := canonical(name)
			if err != nil {
				return nil, err
			}
			if of == own || seen[of] {
				return nil, fmt.Errorf("%w: an account twice, or one's own", wire.ErrBadRequest)
			}
			seen[of] = true
			changes = append(changes, newStanding{of, part.as})
		}
	}
	return changes, nil
}

// countStandings enters into head how many are accepted and blocked after the
// changes, or returns wire.ErrFull.
func countStandings(r Reader, own record.Account, changes []newStanding, head *pb.Contacts) error {
	number := map[standing]int{accepted: int(head.GetAccepted()), blocked: int(head.GetBlocked())}
	for _, c := range changes {
		before, err := loadStanding(r, own, c.of)
		if err != nil {
			return err
		}
		number[before]--
		number[c.as]++
	}
	if number[accepted] > wire.MaxAccepted {
		return fmt.Errorf("%w: at most %d accepted accounts", wire.ErrFull, wire.MaxAccepted)
	}
	if number[blocked] > wire.MaxBlocked {
		return fmt.Errorf("%w: at most %d blocked accounts", wire.ErrFull, wire.MaxBlocked)
	}
	head.Accepted, head.Blocked = uint32(number[accepted]), uint32(number[blocked])
	return nil
}

func saveStandings(w Writer, own record.Account, changes []newStanding) error {
	for _, c := range changes {
		var err error
		if key := keyStanding(own, c.of); c.as == stranger {
			err = w.Delete(key)
		} else {
			err = w.Set(key, []byte{byte(c.as)})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func loadContacts(r Reader, account record.Account) (*pb.Contacts, error) {
	head := &pb.Contacts{}
	err := load(r, keyContacts(account), head)
	if errors.Is(err, ErrMissing) {
		return &pb.Contacts{Policy: uint32(PolicyOpen)}, nil
	}
	return head, err
}

func loadStanding(r Reader, own, other record.Account) (standing, error) {
	value, err := r.Get(keyStanding(own, other))
	if errors.Is(err, ErrMissing) {
		return stranger, nil
	}
	return parseStanding(value, err)
}

func parseStanding(value []byte, err error) (standing, error) {
	if err == nil && (len(value) != 1 || standing(value[0]) != accepted && standing(value[0]) != blocked) {
		err = errors.New("directory: stored standing is malformed")
	}
	if err != nil {
		return stranger, err
	}
	return standing(value[0]), nil
}

// verdict is how one account treats another that wants something of it. Only what
// stands under the first one's name is looked at, so that a command may ask.
type verdict int

const (
	verdictAccepted verdict = iota // by name, or it is one's own account: no special limit
	verdictUnknown                 // nothing is said of it, and everybody may write
	verdictStranger                // it waits to be accepted: at most 20 letters in the mailbox
	verdictBlocked                 // nothing of it is taken
)

// admits returns how the account to treats what comes from the account from. An
// account that there is not counts as one that has said nothing.
func admits(r Reader, to, from record.Account) (verdict, error) {
	if to == from {
		return verdictAccepted, nil
	}
	standing, err := loadStanding(r, to, from)
	if err != nil {
		return verdictBlocked, err
	}
	switch standing {
	case accepted:
		return verdictAccepted, nil
	case blocked:
		return verdictBlocked, nil
	}
	head, err := loadContacts(r, to)
	if err != nil {
		return verdictBlocked, err
	}
	if Policy(head.GetPolicy()) == PolicyAsk {
		return verdictStranger, nil
	}
	return verdictUnknown, nil
}

// SeenBy returns those of some accounts that may know when and where the devices of
// an account are online: all but those that wait to be accepted or are blocked. Of
// these, the ones that share a group with it do, since a group's topic joins them.
func (d *Directory) SeenBy(account record.Account, asking ...record.Account) (seen map[record.Account]bool, err error) {
	seen = make(map[record.Account]bool, len(asking))
	err = d.store.View(func(r Reader) error {
		var groups []record.GroupName // of the account; read when they are needed
		read := false
		for _, from := range asking {
			v, err := admits(r, account, from)
			if err != nil {
				return err
			}
			seen[from] = v == verdictAccepted || v == verdictUnknown
			if seen[from] {
				continue
			}
			if !read {
				if groups, err = groupsOf(r, account); err != nil {
					return err
				}
				read = true
			}
			if seen[from], err = inAny(r, groups, from); err != nil {
				return err
			}
		}
		return nil
	})
	return seen, err
}

// groupsOf returns the groups that an account is in.
func groupsOf(r Reader, account record.Account) (names []record.GroupName, err error) {
	prefix := accountKey(account, 'g')
	err = r.Scan(prefix, nil, func(key, _ []byte) (bool, error) {
		names = append(names, record.GroupName(key[len(prefix):]))
		return true, nil
	})
	return names, err
}

func inAny(r Reader, groups []record.GroupName, account record.Account) (bool, error) {
	for _, name := range groups {
		if in, err := has(r, keyMembership(account, name)); in || err != nil {
			return in, err
		}
	}
	return false, nil
}

// Contacts is whom an account lets in, as its devices have set it.
type Contacts struct {
	Version           uint64 // how often it has changed
	Policy            Policy
	Accepted, Blocked []record.Account // sorted
}

// Contacts returns whom an account lets in. It is for the account itself only.
func (d *Directory) Contacts(account record.Account) (Contacts, error) {
	var c Contacts
	err := d.store.View(func(r Reader) error {
		head, err := loadContacts(r, account)
		if err != nil {
			return err
		}
		c.Version, c.Policy = head.GetVersion(), Policy(head.GetPolicy())
		prefix := keyStanding(account, "")
		return r.Scan(prefix, nil, func(key, value []byte) (bool, error) {
			other := record.Account(key[len(prefix):])
			s, err := parseStanding(value, nil)
			switch s {
			case accepted:
				c.Accepted = append(c.Accepted, other)
			case blocked:
				c.Blocked = append(c.Blocked, other)
			}
			return true, err
		})
	})
	return c, err
}
