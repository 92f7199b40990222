package store

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/store/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Contact returns a contact by account.
func (t *Tx) Contact(a record.Account) (account.Contact, bool) {
	raw, ok := t.get(contactKey(a))
	if !ok {
		return account.Contact{}, false
	}
	return t.parseContact(a, raw)
}

// Contacts returns all contacts, sorted by account.
func (t *Tx) Contacts() []account.Contact {
	var all []account.Contact
	for _, r := range t.rows([]byte{rowContact}, 0) {
		c, ok := t.parseContact(record.Account(r.key[1:]), r.value)
		if !ok {
			return nil
		}
		all = append(all, c)
	}
	return all
}

// parseContact verifies the log again unless it was parsed before: 50 µs an
// entry.
func (t *Tx) parseContact(a record.Account, raw []byte) (account.Contact, bool) {
	if c, known := t.store.contacts.get(a, raw); known {
		return c, true
	}
	var m pb.Contact
	if !t.decode(raw, &m) {
		return account.Contact{}, false
	}
	identity, err := key.ParseIdentityPublic(m.GetIdentity())
	if t.damaged(err) {
		return account.Contact{}, false
	}
	c, err := account.NewContact(a, identity, m.GetLog())
	if t.damaged(err) {
		return account.Contact{}, false
	}
	c.Verified = m.GetVerified()
	t.store.contacts.put(a, raw, c)
	return c, true
}

// PutContact stores a contact and notes which devices are its.
func (t *Tx) PutContact(c account.Contact) {
	t.putMessage(contactKey(c.Account), &pb.Contact{
		Identity: c.Identity.Bytes(), Log: c.Log, Verified: c.Verified,
	})
	for _, device := range c.Devices().Active() {
		if owner, known := t.AccountOf(device); !known || owner != c.Account {
			t.put(deviceKey(rowOwner, device), []byte(c.Account))
		}
	}
}

// AccountOf returns the account that a device acts, or has acted, for. Whether
// it still does is for the contact's device log to say.
func (t *Tx) AccountOf(device peer.ID) (record.Account, bool) {
	v, ok := t.get(deviceKey(rowOwner, device))
	return record.Account(v), ok
}

// Owners returns for every device the account that it acts, or has acted, for.
func (t *Tx) Owners() map[peer.ID]record.Account {
	owners := make(map[peer.ID]record.Account)
	for _, r := range t.rows([]byte{rowOwner}, 0) {
		if len(r.key) < 2 || len(r.key) != 2+int(r.key[1]) {
			t.damaged(errLength)
			return nil
		}
		owners[peer.ID(r.key[2:])] = record.Account(r.value)
	}
	return owners
}
