package directory

import (
	"crypto/ed25519"
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Account is what anybody may know of an account.
type Account struct {
	Identity ed25519.PublicKey
	Devices  [][]byte         // the whole log: signed record.DeviceEntry
	Log      record.DeviceLog // the same, verified
}

// Account looks an account up, or returns wire.ErrNoAccount.
func (d *Directory) Account(account record.Account) (Account, error) {
	var found Account
	err := d.store.View(func(r Reader) (err error) {
		if found.Log, err = loadLog(r, account); err != nil {
			return orElse(err, wire.ErrNoAccount)
		}
		found.Identity = found.Log.Identity()
		found.Devices, err = collect(r, accountKey(account, 'd'), nil, record.MaxDeviceLog)
		return err
	})
	return found, err
}

// Credentials is what a login is answered from.
type Credentials struct {
	OpaqueRecord []byte
	Vault        []byte
	Version      uint64 // of both; a change of the password makes the next
}

// Credentials returns an account's credentials, or wire.ErrNoAccount.
func (d *Directory) Credentials(account record.Account) (Credentials, error) {
	var a pb.Account
	err := d.store.View(func(r Reader) error {
		return orElse(load(r, keyAccount(account), &a), wire.ErrNoAccount)
	})
	return Credentials{OpaqueRecord: a.GetOpaqueRecord(), Vault: a.GetVault(), Version: a.GetVersion()}, err
}

// AccountOfDevice returns the account that a device was ever entered for, and
// whether it may act for it now. It returns wire.ErrNoAccount for a device that
// nobody has entered.
func (d *Directory) AccountOfDevice(device peer.ID) (account record.Account, active bool, err error) {
	err = d.store.View(func(r Reader) error {
		name, err := r.Get(keyDevice(device))
		if err != nil {
			return orElse(err, wire.ErrNoAccount)
		}
		account = record.Account(name)
		log, err := loadLog(r, account)
		active = log.Has(device)
		return err
	})
	return account, active, err
}

// PrekeysLeft returns how many one-time prekeys a device has in the directory.
func (d *Directory) PrekeysLeft(account record.Account, device peer.ID) (int, error) {
	var left int
	err := d.store.View(func(r Reader) error {
		stock, err := loadStock(r, account, device)
		left = int(stock.GetLeft())
		return err
	})
	return left, err
}

// Size is how much a directory holds.
type Size struct{ Accounts, Groups uint64 }

// Size returns how many accounts and groups there are.
func (d *Directory) Size() (Size, error) {
	var size Size
	err := d.store.View(func(r Reader) (err error) {
		if size.Accounts, err = count(r, keyAccounts); err != nil {
			return err
		}
		size.Groups, err = count(r, keyGroups)
		return err
	})
	return size, err
}

// GroupSummary is a line of a listing.
type GroupSummary struct {
	ID      record.GroupID
	Name    record.GroupName
	Members int
	Mine    bool // the asking account is in it
	Length  uint64
}

// GroupQuery asks for a page of groups, by name.
type GroupQuery struct {
	For   record.Account   // who asks
	Mine  bool             // only those that the asking account is in
	After record.GroupName // the page before ended with it; empty: from the first
	Limit int              // groups a page, above 0
}

// Groups returns a page of groups and whether there are more.
func (d *Directory) Groups(q GroupQuery) (page []GroupSummary, more bool, err error) {
	prefix := []byte("n")
	if q.Mine {
		prefix = accountKey(q.For, 'g')
	}
	from := append(append(append([]byte{}, prefix...), q.After...), 0) // just above After
	if q.After == "" {
		from = prefix
	}
	err = d.store.View(func(r Reader) error {
		return r.Scan(prefix, from, func(key, _ []byte) (bool, error) {
			if len(page) == q.Limit {
				more = true
				return false, nil
			}
			summary, err := summarise(r, record.GroupName(key[len(prefix):]), q.For)
			page = append(page, summary)
			return true, err
		})
	})
	return page, more, err
}

func summarise(r Reader, name record.GroupName, asking record.Account) (GroupSummary, error) {
	var g pb.Group
	if err := load(r, keyGroupName(name), &g); err != nil {
		return GroupSummary{}, err
	}
	mine, err := has(r, keyMembership(asking, name))
	return GroupSummary{
		ID: record.GroupID(g.GetId()), Name: name, Members: int(g.GetMembers()), Mine: mine, Length: g.GetLength(),
	}, err
}

// GroupByName returns a group's ID, or wire.ErrNoGroup.
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
	From       uint64
	Statements [][]byte // signed record.Statements from number From on
}

// Group returns at most limit statements of a group's chain, beginning with
// number from, or wire.ErrNoGroup. There are more if Chain.Len says so.
func (d *Directory) Group(id record.GroupID, from uint64, limit int) (GroupPage, error) {
	page := GroupPage{From: from}
	err := d.store.View(func(r Reader) (err error) {
		if page.Chain, err = loadChain(r, id); err != nil {
			return orElse(err, wire.ErrNoGroup)
		}
		page.Statements, err = collect(r, groupKey(id, 's'), keyStatement(id, from), limit)
		return err
	})
	return page, err
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
