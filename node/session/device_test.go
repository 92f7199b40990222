package session

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// device is a whole end: its keys, and its record of the one peer.
type device struct {
	local   Local
	signer  key.Device
	keys    account.Keys
	oneTime map[uint32]account.OneTime
	record  Record
}

func newDevice(t fataler, name record.Account) *device {
	t.Helper()
	signer := key.NewDevice()
	public, err := crypto.UnmarshalEd25519PublicKey(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	dh := key.NewDH()
	return &device{
		local:   Local{Identity: Identity{Account: name, Device: id}, DH: dh},
		signer:  signer,
		keys:    account.NewKeys(now),
		oneTime: make(map[uint32]account.OneTime),
	}
}

func newPair(t fataler) (alice, bob *device) {
	t.Helper()
	return newDevice(t, "alice42"), newDevice(t, "bob7")
}

// published returns the device's bundle and, if withOneTime, a fresh one-time
// prekey, as the directory would hand them out.
func (d *device) published(t fataler, withOneTime bool) (record.Bundle, *record.OneTimePrekey) {
	t.Helper()
	signed := d.keys.Bundle(d.local.Account, d.local.Device, d.local.DH.Public(), now, d.signer)
	bundle, err := record.VerifyBundle(signed, d.local.Account, d.local.Device)
	if err != nil {
		t.Fatal(err)
	}
	if !withOneTime {
		return bundle, nil
	}
	keys, private, public := d.keys.Refill(1, d.local.Device, d.signer)
	d.keys = keys
	d.oneTime[private[0].ID] = private[0]
	prekey, err := record.VerifyOneTimePrekey(public[0], d.local.Device)
	if err != nil {
		t.Fatal(err)
	}
	return bundle, &prekey
}

func (d *device) identity() Identity { return d.local.end() }

func (d *device) begin(t fataler, with *device, withOneTime bool) {
	t.Helper()
	bundle, prekey := with.published(t, withOneTime)
	next, err := Begin(d.record, d.local, with.identity(), bundle, prekey)
	if err != nil {
		t.Fatal(err)
	}
	d.record = next
}

func (d *device) encrypt(t fataler, to *device, text string) []byte {
	t.Helper()
	next, envelope, err := d.record.Encrypt(d.local, to.identity(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d.record = next
	return envelope
}

// decrypt commits what Decrypt returned, as the store would.
func (d *device) decrypt(from *device, envelope []byte) (string, error) {
	opened, err := d.record.Decrypt(d.local, from.identity(), d, envelope, now)
	if err != nil {
		return "", err
	}
	delete(d.oneTime, opened.UsedOneTime)
	d.record = opened.Record
	return string(opened.Plaintext), nil
}

func (d *device) mustDecrypt(t fataler, from *device, envelope []byte, want string) {
	t.Helper()
	got, err := d.decrypt(from, envelope)
	if err != nil {
		t.Fatalf("decrypt %q: %v", want, err)
	}
	if got != want {
		t.Fatalf("decrypted %q, want %q", got, want)
	}
}

func (d *device) SignedPrekey(id uint32) (key.DH, bool) { return d.keys.SignedPrekey(id) }
func (d *device) LastResort(id uint32) (key.KEM, bool)  { return d.keys.LastResort(id) }
func (d *device) OneTime(id uint32) (key.DH, key.KEM, bool) {
	pair, ok := d.oneTime[id]
	return pair.DH, pair.KEM, ok
}

func encoded(t fataler, r Record) string {
	t.Helper()
	b, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// talk opens a session between two devices and lets both be heard in it.
func talk(t testing.TB, alice, bob *device) {
	t.Helper()
	alice.begin(t, bob, true)
	bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "hello"), "hello")
	alice.mustDecrypt(t, bob, bob.encrypt(t, alice, "hello yourself"), "hello yourself")
}
