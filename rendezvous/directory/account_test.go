package directory_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

func TestSignUp(t *testing.T) {
	b := newBench(t)
	alice := directorytest.NewPerson("alice1")
	r := b.ok(alice.SignUp())
	if want := (directory.AccountChanged{Account: "alice1"}); len(r.Events) != 1 || r.Events[0] != want {
		t.Errorf("events %v, want %v", r.Events, want)
	}
	account, err := b.Account("alice1")
	if err != nil || !bytes.Equal(account.Identity, alice.Identity.Public()) || len(account.Devices) != 1 {
		t.Errorf("Account: %+v, %v", account, err)
	}
	credentials, err := b.Credentials("alice1")
	if err != nil || string(credentials.Vault) != "vault of alice1" || credentials.Version != 1 || len(credentials.OpaqueRecord) != 192 {
		t.Errorf("Credentials: %+v, %v", credentials, err)
	}
	name, active, err := b.AccountOfDevice(alice.Devices[0].ID())
	if err != nil || name != "alice1" || !active {
		t.Errorf("AccountOfDevice: %q, %v, %v", name, active, err)
	}
	if r := b.ok(alice.SignUp()); r.Events != nil {
		t.Errorf("a repeated sign-up has events %v", r.Events)
	}
	b.refused(wire.ErrNameTaken, "another's sign-up", directorytest.NewPerson("alice1").SignUp())
}

func TestSignUpRefuses(t *testing.T) {
	b := newBench(t)
	p := directorytest.NewPerson("alice1")
	entry := p.Entry(record.AddDevice, p.Devices[0])
	first := directorytest.NewPerson("alice1")
	firstEntry := record.NewDeviceLog("alice1", first.Identity.Public()).
		Next(record.AddDevice, first.Devices[0].ID(), "", directorytest.Now).Sign(first.Identity)
	opaque, vault, identity := make([]byte, 192), []byte("vault"), first.Identity.Public()
	for _, c := range []struct {
		what    string
		want    error
		command []byte
	}{
		{"upper case", wire.ErrBadRequest, directory.SignUp("Alice1", opaque, vault, identity, firstEntry, directory.Pass{})},
		{"no name", wire.ErrBadRequest, directory.SignUp("", opaque, vault, identity, firstEntry, directory.Pass{})},
		{"another's entry", wire.ErrConflict, directory.SignUp("bob1", opaque, vault, identity, firstEntry, directory.Pass{})},
		{"short login record", wire.ErrBadRequest, directory.SignUp("alice1", opaque[1:], vault, identity, firstEntry, directory.Pass{})},
		{"long login record", wire.ErrBadRequest, directory.SignUp("alice1", make([]byte, wire.MaxOpaque+1), vault, identity, firstEntry, directory.Pass{})},
		{"long vault", wire.ErrTooLarge, directory.SignUp("alice1", opaque, make([]byte, wire.MaxVault+1), identity, firstEntry, directory.Pass{})},
		{"short identity", wire.ErrBadRequest, directory.SignUp("alice1", opaque, vault, identity[1:], firstEntry, directory.Pass{})},
		{"foreign identity", wire.ErrBadRequest, directory.SignUp("alice1", opaque, vault, p.Identity.Public(), firstEntry, directory.Pass{})},
		{"second entry", wire.ErrConflict, directory.SignUp("alice1", opaque, vault, p.Identity.Public(), entry, directory.Pass{})},
		{"no entry", wire.ErrBadRequest, directory.SignUp("alice1", opaque, vault, identity, nil, directory.Pass{})},
	} {
		b.refused(c.want, c.what, c.command)
	}
}

// A device key speaks for one account and is never used again.
func TestDeviceBelongsToOneAccount(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	stolen := alice.Devices[0]
	mallory := directorytest.NewKey()
	entry := record.NewDeviceLog("mallory1", mallory.Public()).
		Next(record.AddDevice, stolen.ID(), "", directorytest.Now).Sign(mallory)
	b.refused(wire.ErrRefused, "sign-up with another's device",
		directory.SignUp("mallory1", make([]byte, 192), nil, mallory.Public(), entry, directory.Pass{}))

	bob := b.signUp("bob1")
	b.refused(wire.ErrRefused, "another's device", directory.AppendDevice("bob1", bob.Entry(record.AddDevice, stolen)))
	revoke := alice.Entry(record.RevokeDevice, stolen)
	b.ok(directory.AppendDevice("alice1", revoke))
	b.refused(wire.ErrRefused, "another's revoked device", directory.AppendDevice("bob1", bob.Entry(record.AddDevice, stolen)))
	if name, active, err := b.AccountOfDevice(stolen.ID()); err != nil || name != "alice1" || active {
		t.Errorf("AccountOfDevice of a revoked device: %q, %v, %v", name, active, err)
	}
}

func TestAppendDevice(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	laptop, phone := directorytest.NewKey(), directorytest.NewKey()
	entry, rival := alice.Entry(record.AddDevice, laptop), alice.Entry(record.AddDevice, phone)
	b.ok(directory.AppendDevice("alice1", entry))
	alice.Keep(entry)
	b.refused(wire.ErrConflict, "entry on the same head", directory.AppendDevice("alice1", rival))
	b.refused(wire.ErrNoAccount, "no account", directory.AppendDevice("bob1", entry))
	b.refused(wire.ErrRefused, "device twice", directory.AppendDevice("alice1", alice.Entry(record.AddDevice, laptop)))
	if r := b.ok(directory.AppendDevice("alice1", entry)); r.Events != nil {
		t.Errorf("a repeated entry has events %v", r.Events)
	}
	forged := alice.Log.Next(record.AddDevice, phone.ID(), "", directorytest.Now).Sign(laptop)
	b.refused(wire.ErrBadRequest, "signed by a device", directory.AppendDevice("alice1", forged))

	for i := 2; i < record.MaxDevices; i++ {
		entry := alice.Entry(record.AddDevice, directorytest.NewKey())
		b.ok(directory.AppendDevice("alice1", entry))
		alice.Keep(entry)
	}
	b.refused(wire.ErrRefused, "one device too many", directory.AppendDevice("alice1", alice.Entry(record.AddDevice, phone)))
	account, err := b.Account("alice1")
	if err != nil {
		t.Fatal(err)
	}
	log, err := record.VerifyDeviceLog("alice1", account.Identity, account.Devices)
	if err != nil || log.Head() != account.Log.Head() || log.Len() != record.MaxDevices {
		t.Errorf("the stored log verifies to length %d, %v", log.Len(), err)
	}
}

func TestDeviceLogFull(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	for alice.Log.Len() < record.MaxDeviceLog {
		key := directorytest.NewKey()
		for _, op := range []record.DeviceOp{record.AddDevice, record.RevokeDevice} {
			if alice.Log.Len() < record.MaxDeviceLog {
				entry := alice.Entry(op, key)
				b.ok(directory.AppendDevice("alice1", entry))
				alice.Keep(entry)
			}
		}
	}
	b.refused(wire.ErrFull, "full log", directory.AppendDevice("alice1", alice.Entry(record.AddDevice, directorytest.NewKey())))
}

func TestQueriesOfNobody(t *testing.T) {
	b := newBench(t)
	_, err := b.Account("alice1")
	_, err2 := b.Credentials("alice1")
	_, _, err3 := b.AccountOfDevice(directorytest.NewKey().ID())
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, wire.ErrNoAccount) {
			t.Errorf("%v, want ErrNoAccount", err)
		}
	}
}

// Names that only begin alike do not see each other's keys.
func TestNamesThatBeginAlike(t *testing.T) {
	b := newBench(t)
	short, long := b.signUp("al1"), b.signUp("al12")
	for _, p := range []*directorytest.Person{short, long} {
		account, err := b.Account(p.Account)
		if err != nil || !slices.Equal(account.Log.Active(), []peer.ID{p.Devices[0].ID()}) || len(account.Devices) != 1 {
			t.Errorf("%s: %d entries, %v", p.Account, len(account.Devices), err)
		}
	}
}

func TestIdentityIsCopied(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	account, err := b.Account("alice1")
	if err != nil {
		t.Fatal(err)
	}
	clear(account.Identity)
	if again, _ := b.Account("alice1"); !bytes.Equal(again.Identity, ed25519.PublicKey(alice.Identity.Public())) {
		t.Error("a caller changed the directory")
	}
}
