package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// loginTimeout bounds logging in and logging out: four round trips and the password's
// cost, with time to find another server.
const loginTimeout = 30 * time.Second

// accountDir is the folder of one account's state.
func accountDir(cfg *Config, a record.Account) string {
	return filepath.Join(cfg.Home, "accounts", string(a))
}

func badName(err error) error {
	return fail(CodeBadName, err, "A username starts with a letter and has letters, digits, '_', '.' or '-'; a roll number has letters and digits.",
		"This name cannot be an account's.")
}

func wrongPassword(err error) error {
	return fail(CodeWrongPassword, err, "Check both; the account is username and roll number together, like alice42.",
		"The account or the password is wrong.")
}

func busy(err error, a record.Account) error {
	return fail(CodeBusy, err, "Use that one, or another --home.", "Another tryst on this machine is using %s already.", a)
}

func firstEntry(cfg *Config, a record.Account, identity key.Identity, device peer.ID) []byte {
	log := record.NewDeviceLog(a, identity.Public().Bytes())
	return log.Next(record.AddDevice, device, deviceName(cfg), time.Now()).Sign(identity)
}

// deviceName is what the person's other devices call this one, within what a
// device log takes.
func deviceName(cfg *Config) string { return cfg.DeviceName[:min(len(cfg.DeviceName), 64)] }

// createStore makes an account's store with this device and its own contact.
func createStore(cfg *Config, me store.Device, password []byte, identity key.IdentityPublic, log [][]byte) error {
	dir := accountDir(cfg, me.Account)
	s, err := store.Create(dir, password, cfg.storeCost)
	if err != nil {
		return err
	}
	if err := putDevice(s, me, identity, log); err != nil {
		return errors.Join(err, s.Close(), os.RemoveAll(dir))
	}
	return s.Close()
}

func putDevice(s *store.Store, me store.Device, identity key.IdentityPublic, log [][]byte) error {
	own, err := account.NewContact(me.Account, identity, log)
	if err != nil {
		return err
	}
	return s.Update(func(tx *store.Tx) error {
		tx.PutDevice(me)
		tx.PutContact(own)
		readFromNow(tx)
		return nil
	})
}

// logIn opens this device's state of an account, or makes this device one of the
// account's, and sets it going.
func logIn(ctx context.Context, cfg *Config, name string, password []byte, emit func(Event)) (*device, error) {
	a, err := record.ParseAccount(name)
	if err != nil {
		return nil, wrongPassword(err) // the same answer as for a wrong password
	}
	if !store.Exists(accountDir(cfg, a)) {
		return logInAnew(ctx, cfg, a, password, emit)
	}
	s, err := store.Open(accountDir(cfg, a), password)
	switch {
	case errors.Is(err, store.ErrPassword):
		return nil, wrongPassword(err)
	case errors.Is(err, store.ErrInUse):
		return nil, busy(err, a)
	case err != nil:
		return nil, explain(err, "open this device's store")
	}
	var me store.Device
	err = s.View(func(tx *store.Tx) error {
		me, _ = tx.Device()
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if !me.Enrolled {
		return enrolAgain(ctx, cfg, s, a, password, emit)
	}
	l, err := openLink(ctx, cfg, me.Key)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return startDevice(ctx, cfg, s, l, emit)
}

// logInAnew logs in on a device that has nothing of the account yet.
func logInAnew(ctx context.Context, cfg *Config, a record.Account, password []byte, emit func(Event)) (*device, error) {
	me := store.Device{Key: key.NewDevice(), DH: key.NewDH(), Account: a}
	l, err := openLink(ctx, cfg, me.Key)
	if err != nil {
		return nil, err
	}
	identity, log, err := enrol(ctx, cfg, l, a, password)
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	me.Enrolled = true
	if err := createStore(cfg, me, password, identity, log); err != nil {
		return nil, errors.Join(explain(err, "keep the account on this device"), l.close())
	}
	s, err := store.Open(accountDir(cfg, a), password)
	if err != nil {
		return nil, errors.Join(explain(err, "open this device's store"), l.close())
	}
	adoptContacts(ctx, cfg, l, s)
	return startDevice(ctx, cfg, s, l, emit)
}

// enrolAgain logs in on a device that was logged out: with new device keys, and
// with the conversations that it kept.
func enrolAgain(ctx context.Context, cfg *Config, s *store.Store, a record.Account, password []byte, emit func(Event)) (*device, error) {
	me := store.Device{Key: key.NewDevice(), DH: key.NewDH(), Account: a}
	l, err := openLink(ctx, cfg, me.Key)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	identity, log, err := enrol(ctx, cfg, l, a, password)
	if err == nil {
		me.Enrolled = true
		err = putDevice(s, me, identity, log)
	}
	if err != nil {
		return nil, errors.Join(err, l.close(), s.Close())
	}
	adoptContacts(ctx, cfg, l, s)
	return startDevice(ctx, cfg, s, l, emit)
}

// enrol proves the password to the servers, takes the identity key from the vault
// and enters the link's device in the account's log. It returns the identity and
// the log with that entry.
func enrol(ctx context.Context, cfg *Config, l *link, a record.Account, password []byte) (key.IdentityPublic, [][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	var none key.IdentityPublic
	for range appendTries {
		got, err := l.client.Login(ctx, a, password)
		if errors.Is(err, wire.ErrWrongPassword) {
			return none, nil, wrongPassword(err)
		}
		if errors.Is(err, wire.ErrConflict) {
			continue // it took too long, or met a server that is behind
		}
		if err != nil {
			return none, nil, explain(err, "log in")
		}
		vault, err := account.OpenVault(got.Export.Bytes(), got.Vault)
		if err != nil {
			return none, nil, explain(err, "open the account's vault")
		}
		identity := vault.Identity.Public()
		if string(identity.Bytes()) != string(got.Account.Identity) {
			return none, nil, fail(CodeIdentity, nil, "Do not use these servers, and tell the people who run them.",
				"The servers show another identity for %s than its vault holds.", a)
		}
		entry := got.Account.Log.Next(record.AddDevice, l.host.ID(), deviceName(cfg), time.Now()).Sign(vault.Identity)
		switch err := l.client.AppendDevice(ctx, a, entry); {
		case err == nil:
			return identity, append(got.Account.Signed, entry), nil
		case errors.Is(err, wire.ErrRefused), errors.Is(err, wire.ErrFull):
			return none, nil, fail(CodeFull, err, "Log out on one of them first.", "%s is logged in on %d devices already.", a, record.MaxDevices)
		case !errors.Is(err, wire.ErrConflict):
			return none, nil, explain(err, "log in")
		}
	}
	return none, nil, fail(CodeBusy, wire.ErrConflict, "Try again in a moment.", "Other devices are logging in at the same time.")
}

// logOut revokes this device; close then forgets its keys. Conversations stay,
// under the password, for the next login.
func (d *device) logOut(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	d.link.client.Attend(false) // the servers' word that this device is logged out is no news
	defer func() {
		if err != nil {
			d.link.client.Attend(true)
		}
	}()
	for range appendTries {
		c, err := d.people.refresh(ctx, d.self.Account)
		if errors.Is(err, wire.ErrNotLoggedIn) || (err == nil && !c.Devices().Has(d.self.Device)) {
			d.loggedOut = true // another device was faster
			return nil
		}
		if err != nil {
			return explain(err, "log out")
		}
		entry := c.Devices().Next(record.RevokeDevice, d.self.Device, "", time.Now()).Sign(d.key)
		err = d.link.client.AppendDevice(ctx, d.self.Account, entry)
		if err == nil {
			d.loggedOut = true
			return nil
		}
		if !errors.Is(err, wire.ErrConflict) {
			return explain(err, "log out")
		}
	}
	return fail(CodeBusy, wire.ErrConflict, "Try again in a moment.", "Other devices are logging in or out at the same time.")
}

// forgetKeys removes what belonged to this device as one of the account's.
func (d *device) forgetKeys() error {
	err := d.commit(func(tx *store.Tx, _ *effects) error {
		tx.PutDevice(store.Device{Key: key.NewDevice(), DH: key.NewDH(), Account: d.self.Account})
		tx.PutMeta(bundlePublished, nil)
		tx.PutMeta(generationName, nil)
		tx.PutKeys(account.NewKeys(time.Now()))
		for _, id := range tx.OneTimeIDs() {
			tx.UseOneTime(id)
		}
		for _, c := range tx.Contacts() {
			for _, device := range c.Devices().Active() {
				tx.RemoveSession(device)
			}
		}
		for _, device := range tx.Waiting() {
			unseal(tx, device)
		}
		for id := range tx.Groups() {
			tx.RemoveGroup(id)
			tx.PutMeta(orderName(id), nil)
			tx.PutMeta(acksName(id), nil)
			tx.DropEarly(id)
			for seq := range uint64(record.MaxChain) {
				if _, ok := tx.Meta(statementName(id, seq)); !ok {
					break
				}
				tx.PutMeta(statementName(id, seq), nil)
			}
		}
		return nil
	})
	if err != nil {
		return explain(err, "forget this device's keys, although it was logged out")
	}
	return nil
}
