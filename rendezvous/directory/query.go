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

// SignedUp reports whether an account was made with this identity key and this first
// entry of its log: a sign-up that comes again, since its answer was lost, has been done.
func (d *Directory) SignedUp(account record.Account, identity ed25519.PublicKey, device []byte) (done bool, err error) {
	err = d.store.View(func(r Reader) error {
		err := signedUpAlready(r, account, &pb.SignUp{Identity: identity, Device: device})
		done = err == nil
		if errors.Is(err, ErrMissing) || errors.Is(err, wire.ErrNameTaken) {
			return nil
		}
		return err
	})
	return done, err
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
		size, err = sizeOf(r)
		return err
	})
	return size, err
}

func sizeOf(r Reader) (size Size, err error) {
	if size.Accounts, err = count(r, keyAccounts); err != nil {
		return size, err
	}
	size.Groups, err = count(r, keyGroups)
	return size, err
}
