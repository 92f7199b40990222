package session

import (
	"bytes"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// A server that hands one one-time prekey out twice lets one session begin with it.
// The second begins with the next prekey, or with the last resort.
func TestOneTimePrekeyServesOnce(t *testing.T) {
	alice, bob := newPair(t)
	carol := newDevice(t, "carol3")
	bundle, prekey := bob.published(t, true)
	hello := func(d *device) []byte {
		t.Helper()
		next, err := Begin(d.record, d.local, bob.identity(), bundle, prekey)
		if err != nil {
			t.Fatal(err)
		}
		d.record = next
		return d.encrypt(t, bob, "hello")
	}
	first, second := hello(alice), hello(carol)
	bob.mustDecrypt(t, alice, first, "hello")
	if len(bob.oneTime) != 0 {
		t.Error("the prekey is kept after its use")
	}
	bobs := *bob // his sessions with carol are in another record
	bobs.record = Record{}
	if _, err := bobs.decrypt(carol, second); !errors.Is(err, ErrNoPrekey) {
		t.Errorf("begun with a prekey that was used: %v", err)
	}
	prekey = nil
	bobs.mustDecrypt(t, carol, hello(carol), "hello")
}

// What does not open uses nothing up, so that nobody can use up prekeys for others.
func TestForgeriesUseNoPrekey(t *testing.T) {
	alice, bob := newPair(t)
	alice.begin(t, bob, true)
	genuine := alice.encrypt(t, bob, "hello")
	kept := maps.Clone(bob.oneTime)
	for i := 0; i < len(genuine); i += 11 {
		forged := bytes.Clone(genuine)
		forged[i] ^= 1
		if text, err := bob.decrypt(alice, forged); err == nil {
			t.Fatalf("byte %d changed: %q", i, text)
		}
	}
	if !maps.Equal(keys(bob.oneTime), keys(kept)) {
		t.Error("a forgery has used up a prekey")
	}
	bob.mustDecrypt(t, alice, genuine, "hello")
}

func keys[V any](of map[uint32]V) map[uint32]bool {
	all := make(map[uint32]bool)
	for id := range of {
		all[id] = true
	}
	return all
}

// The bytes before the ratchet message are bound into it: a session's Initial can be
// neither taken off a message, nor put before it, nor exchanged.
func TestHeadIsBound(t *testing.T) {
	alice, bob := newPair(t)
	alice.begin(t, bob, false)
	bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "hello"), "hello")
	prekey := alice.encrypt(t, bob, "with the Initial")
	const at = headSize + pqxdh.InitialSize
	initial, message := prekey[headSize:at], prekey[at:]
	if _, err := bob.decrypt(alice, append([]byte{envelopeVersion, kindMessage}, message...)); !errors.Is(err, ErrOpen) {
		t.Errorf("without its Initial: %v", err)
	}
	alice.mustDecrypt(t, bob, bob.encrypt(t, alice, "hello yourself"), "hello yourself")
	plain := alice.encrypt(t, bob, "without it")
	with := append([]byte{envelopeVersion, kindPrekey}, initial...)
	if _, err := bob.decrypt(alice, append(with, plain[headSize:]...)); !errors.Is(err, ErrOpen) {
		t.Errorf("with an Initial put before it: %v", err)
	}
	bob.mustDecrypt(t, alice, prekey, "with the Initial")
	bob.mustDecrypt(t, alice, plain, "without it")
}

// A bundle whose signature is good and whose keys are not begins no session.
func TestBeginRefusesBadKeys(t *testing.T) {
	alice, bob := newPair(t)
	for what, change := range map[string]func(*record.Bundle, *record.OneTimePrekey){
		"signed prekey of low order":     func(b *record.Bundle, _ *record.OneTimePrekey) { b.SignedPrekey = [32]byte{1} },
		"one-time prekey of low order":   func(_ *record.Bundle, ot *record.OneTimePrekey) { ot.DH = [32]byte{} },
		"last resort that is no key":     func(b *record.Bundle, _ *record.OneTimePrekey) { fill(b.LastResort[:]) },
		"one-time KEM key that is none":  func(_ *record.Bundle, ot *record.OneTimePrekey) { fill(ot.KEM[:]) },
		"one-time prekey without number": func(_ *record.Bundle, ot *record.OneTimePrekey) { ot.ID = 0 },
	} {
		bundle, prekey := bob.published(t, true)
		change(&bundle, prekey)
		if r, err := Begin(alice.record, alice.local, bob.identity(), bundle, prekey); err == nil || r.Ready() {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// fill makes coefficients of an ML-KEM key larger than they may be.
func fill(b []byte) {
	for i := range b {
		b[i] = 0xff
	}
}

// A bundle is fetched in the last moment before its keys are replaced, and what is
// sealed with it comes when the mailbox gives it up, 30 days later: it opens. Long
// after that its keys are gone, one-time prekey or not.
func TestPrekeysOutliveTheMailbox(t *testing.T) {
	const mailbox, day = 30 * 24 * time.Hour, 24 * time.Hour
	for _, withOneTime := range []bool{true, false} {
		alice, bob := newPair(t)
		alice.begin(t, bob, withOneTime)
		fetched := now.Add(account.RotateAfter - time.Second)
		envelope := alice.encrypt(t, bob, "late")
		rotated := 0
		for at := now; at.Before(fetched.Add(mailbox)); at = at.Add(day) {
			next, changed := bob.keys.Rotate(at)
			if bob.keys = next; changed {
				rotated++
			}
		}
		if rotated != 5 {
			t.Errorf("in five weeks the keys were replaced %d times", rotated)
		}
		opened, err := bob.record.Decrypt(bob.local, alice.identity(), bob, envelope, fetched.Add(mailbox))
		if err != nil || string(opened.Plaintext) != "late" {
			t.Errorf("with a one-time prekey %t, after 30 days: %q, %v", withOneTime, opened.Plaintext, err)
		}
		for at := fetched.Add(mailbox); at.Before(fetched.Add(account.KeyLifetime + 2*account.RotateAfter)); at = at.Add(day) {
			bob.keys, _ = bob.keys.Rotate(at)
		}
		if _, err := bob.decrypt(alice, envelope); !errors.Is(err, ErrNoPrekey) {
			t.Errorf("with a one-time prekey %t, long after: %v", withOneTime, err)
		}
	}
}
