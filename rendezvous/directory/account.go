package directory

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// signUp makes an account: its login, its vault and its first device at once, and uses
// the invitation up where the terms ask for one. A name is given once and for ever.
func signUp(w Writer, c *pb.SignUp) ([]Event, error) {
	account, err := canonical(c.GetAccount())
	if err != nil {
		return nil, err
	}
	if n := len(c.GetOpaqueRecord()); n < opaqueFloor || n > wire.MaxOpaque {
		return nil, fmt.Errorf("%w: login record of %d bytes", wire.ErrBadRequest, n)
	}
	if len(c.GetVault()) > wire.MaxVault {
		return nil, fmt.Errorf("%w: vault", wire.ErrTooLarge)
	}
	if len(c.GetIdentity()) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: identity key", wire.ErrBadRequest)
	}
	log, err := record.NewDeviceLog(account, c.GetIdentity()).Append(c.GetDevice())
	if err != nil {
		return nil, refuse(err)
	}
	if taken, err := has(w, keyAccount(account)); err != nil {
		return nil, err
	} else if taken {
		return nil, signedUpAlready(w, account, c)
	}
	useInvitation, err := meets(w, c)
	if err != nil {
		return nil, err
	}
	if err := claimDevices(w, account, log.Active()); err != nil {
		return nil, err
	}
	if err := useInvitation(); err != nil {
		return nil, err
	}
	err = save(w, keyAccount(account), &pb.Account{
		Identity: c.GetIdentity(), OpaqueRecord: c.GetOpaqueRecord(), Vault: c.GetVault(), Version: 1,
	})
	if err != nil {
		return nil, err
	}
	if err := increment(w, keyAccounts); err != nil {
		return nil, err
	}
	return []Event{AccountChanged{account}}, saveEntry(w, log, c.GetDevice())
}

// signedUpAlready is nil if it was this very sign-up that made the account: the
// answer was lost and the client asks again. Record and vault of the first time
// stand; they fit each other and the same password.
func signedUpAlready(r Reader, account record.Account, c *pb.SignUp) error {
	var a pb.Account
	if err := load(r, keyAccount(account), &a); err != nil {
		return err
	}
	first, err := r.Get(keyDeviceEntry(account, 0))
	if err != nil {
		return err
	}
	if bytes.Equal(a.GetIdentity(), c.GetIdentity()) && bytes.Equal(first, c.GetDevice()) {
		return nil
	}
	return wire.ErrNameTaken
}

// appendDevice adds or revokes a device. A revoked device's keys go with it,
// so that nobody opens a session with it any more.
func appendDevice(w Writer, c *pb.AppendDevice) ([]Event, error) {
	account, err := canonical(c.GetAccount())
	if err != nil {
		return nil, err
	}
	before, err := loadLog(w, account)
	if err != nil {
		return nil, orElse(err, wire.ErrNoAccount)
	}
	log, err := before.Append(c.GetEntry())
	if err != nil {
		return nil, retriedEntry(w, account, c.GetEntry(), refuse(err))
	}
	added := without(log.Active(), before)
	if err := claimDevices(w, account, added); err != nil {
		return nil, err
	}
	for _, revoked := range without(before.Active(), log) {
		if err := dropKeys(w, account, revoked); err != nil {
			return nil, err
		}
	}
	return []Event{AccountChanged{account}}, saveEntry(w, log, c.GetEntry())
}

// retriedEntry returns nil for an entry that the log holds already, else the
// refusal.
func retriedEntry(r Reader, account record.Account, entry []byte, refusal error) error {
	known, err := collect(r, accountKey(account, 'd'), nil, record.MaxDeviceLog)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(known, func(k []byte) bool { return bytes.Equal(k, entry) }) {
		return nil
	}
	return refusal
}

func without(devices []peer.ID, log record.DeviceLog) []peer.ID {
	return slices.DeleteFunc(devices, log.Has)
}

// claimDevices refuses devices of other accounts and enters the rest. A device
// key belongs to one account for ever: it says on whose behalf a connection
// speaks.
func claimDevices(w Writer, account record.Account, devices []peer.ID) error {
	for _, device := range devices {
		if used, err := has(w, keyDevice(device)); err != nil {
			return err
		} else if used {
			return fmt.Errorf("%w: the device has another account", wire.ErrRefused)
		}
	}
	for _, device := range devices {
		if err := w.Set(keyDevice(device), []byte(account)); err != nil {
			return err
		}
	}
	return nil
}

// saveEntry stores a log's state and its last entry.
func saveEntry(w Writer, log record.DeviceLog, entry []byte) error {
	if err := w.Set(keyDeviceEntry(log.Account(), log.Len()-1), entry); err != nil {
		return err
	}
	return w.Set(keyDeviceLog(log.Account()), log.State())
}

// canonical refuses names that are not written as they are stored: a command
// holds what the server has parsed, not what a person typed.
func canonical(name string) (record.Account, error) {
	account, err := record.ParseAccount(name)
	if err != nil || string(account) != name {
		return "", fmt.Errorf("%w: account name", wire.ErrBadRequest)
	}
	return account, nil
}

func parseDevice(raw []byte) (peer.ID, error) {
	device, err := peer.IDFromBytes(raw)
	if err != nil {
		return "", fmt.Errorf("%w: peer ID", wire.ErrBadRequest)
	}
	return device, nil
}
