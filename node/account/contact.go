package account

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// ErrIdentityChanged means that an account comes with another identity key than
// the pinned one. Nothing is sent until the person trusts the new one.
var ErrIdentityChanged = errors.New("account: identity key has changed")

// ErrBehind means that a claim is the beginning of what is known: a server that
// has not caught up yet says so without a lie. Nothing is learned from it.
var ErrBehind = errors.New("account: device log is older than the known one")

// Claim is what a server says of an account. Nothing in it is believed before
// Update has checked it.
type Claim struct {
	Account  record.Account
	Identity []byte   // Ed25519 public key, 32 bytes
	Log      [][]byte // the signed entries of the device log, from the first
}

// Contact is an account as this device knows it. It is a value: no call changes
// one.
type Contact struct {
	Account  record.Account
	Identity key.IdentityPublic // pinned at first sight
	Log      [][]byte           // signed entries, from the first; not to be changed
	Verified bool               // the person has compared the numbers

	devices record.DeviceLog // of Log
}

// Change says what an Update brought.
type Change struct {
	FirstSeen  bool // there was no contact before
	NewDevices []peer.ID
	Revoked    []peer.ID
}

// Any tells whether there is anything to store.
func (c Change) Any() bool { return c.FirstSeen || len(c.NewDevices)+len(c.Revoked) > 0 }

// NewContact checks a whole stored or claimed contact: the log must verify
// under the identity key.
func NewContact(account record.Account, identity key.IdentityPublic, log [][]byte) (Contact, error) {
	devices, err := record.VerifyDeviceLog(account, identity.Bytes(), log)
	if err != nil {
		return Contact{}, fmt.Errorf("contact: %w", err)
	}
	return Contact{Account: account, Identity: identity, Log: log, devices: devices}, nil
}

// Update compares a claim with the contact as known, nil at first sight, and
// returns the contact as it now is. At first sight the identity key is pinned.
// Otherwise the log must continue the known one: ErrIdentityChanged, ErrBehind,
// record.ErrFork for a log that differs, or the errors of record.VerifyDeviceLog.
// On an error the known contact stands.
func Update(known *Contact, claim Claim) (Contact, Change, error) {
	identity, err := key.ParseIdentityPublic(claim.Identity)
	if err != nil {
		return Contact{}, Change{}, fmt.Errorf("contact: %w", err)
	}
	if known == nil {
		c, err := NewContact(claim.Account, identity, claim.Log)
		return c, Change{FirstSeen: err == nil, NewDevices: c.devices.Active()}, err
	}
	switch {
	case claim.Account != known.Account:
		return *known, Change{}, fmt.Errorf("contact: %w: another account", record.ErrChain)
	case !identity.Equal(known.Identity):
		return *known, Change{}, ErrIdentityChanged
	case len(claim.Log) < len(known.Log) && continues(claim.Log, known.Log):
		return *known, Change{}, fmt.Errorf("contact: %w", ErrBehind)
	case !continues(known.Log, claim.Log):
		return *known, Change{}, fmt.Errorf("contact: %w", record.ErrFork)
	}
	next := *known
	for _, entry := range claim.Log[len(known.Log):] {
		if next.devices, err = next.devices.Append(entry); err != nil {
			return *known, Change{}, fmt.Errorf("contact: %w", err)
		}
	}
	next.Log = claim.Log
	return next, difference(known.devices, next.devices), nil
}

// Trust returns the contact after the person has accepted a changed identity
// key: everything is learned anew, and the numbers have not been compared.
func Trust(known Contact, claim Claim) (Contact, Change, error) {
	c, change, err := Update(nil, claim)
	if err != nil || claim.Account != known.Account {
		return known, Change{}, errors.Join(err, accountMismatch(known.Account, claim.Account))
	}
	change.Revoked = difference(known.devices, c.devices).Revoked
	return c, change, nil
}

func accountMismatch(known, claimed record.Account) error {
	if known == claimed {
		return nil
	}
	return fmt.Errorf("contact: %w: another account", record.ErrChain)
}

// Devices returns the account's verified device log.
func (c Contact) Devices() record.DeviceLog { return c.devices }

// Compare judges the log head that a device of the account names: length
// entries, of which head is the hash of the last. It reports whether the log has
// grown beyond what is known here, so that it must be fetched. It returns
// record.ErrFork for a head that contradicts the known log.
func (c Contact) Compare(length uint64, head record.Hash) (grown bool, err error) {
	switch {
	case length > uint64(len(c.Log)):
		return true, nil
	case length == 0 || record.HashOf(c.Log[length-1]) != head:
		return false, fmt.Errorf("contact: %w", record.ErrFork)
	}
	return false, nil
}

// continues tells whether log begins with all of start.
func continues(start, log [][]byte) bool {
	return len(log) >= len(start) && slices.EqualFunc(start, log[:len(start)], bytes.Equal)
}

func difference(before, after record.DeviceLog) (change Change) {
	for _, device := range after.Active() {
		if !before.Has(device) {
			change.NewDevices = append(change.NewDevices, device)
		}
	}
	for _, device := range before.Active() {
		if !after.Has(device) {
			change.Revoked = append(change.Revoked, device)
		}
	}
	return change
}
