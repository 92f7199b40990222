package node

import (
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

func TestTwoPeopleCompareNumbers(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	compare := func(p *person, with string) Comparison {
		c, err := p.Compare(t.Context(), with)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	alices, bobs := compare(alice, "BOB7"), compare(bob, "alice42")
	if alices.Number != bobs.Number || alices.Code != bobs.Code || alices.Account != "bob7" || alices.Verified {
		t.Errorf("alice has %+v, bob %+v", alices, bobs)
	}
	if digits := digitsOf(alices.Number); len(digits) != 60 || !strings.Contains(alices.Code, digits) {
		t.Errorf("number %q, code %q", alices.Number, alices.Code)
	}
	if compare(alice, "carol9").Number == alices.Number {
		t.Error("alice has one number with two people")
	}
	_, err := alice.Confirm(t.Context(), "bob7", compare(carol, "bob7").Number)
	wantCode(t, err, CodeMismatch)
	_, err = alice.Confirm(t.Context(), "bob7", "12345")
	wantCode(t, err, CodeUsage)
	_, err = alice.Compare(t.Context(), "alice42")
	wantCode(t, err, CodeUsage)
	_, err = alice.Compare(t.Context(), "nobody0")
	wantCode(t, err, CodeNoAccount)
	if compare(alice, "bob7").Verified {
		t.Error("a wrong number counts as compared")
	}
	if c, err := alice.Confirm(t.Context(), "bob7", strings.ReplaceAll(bobs.Number, " ", "")); err != nil || !c.Verified {
		t.Errorf("confirmed: %+v, %v", c, err)
	}
	if c, err := bob.Confirm(t.Context(), "alice42", alices.Code); err != nil || !c.Verified {
		t.Errorf("confirmed by code: %+v, %v", c, err)
	}
	alice = alice.again("alice42")
	if !compare(alice, "bob7").Verified {
		t.Error("that numbers were compared is forgotten")
	}
}

// An identity that the servers show in the place of the pinned one stops sending
// until the person trusts it; then everything is learned anew.
func TestTrustAfterAChangedIdentity(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	// Alice has met somebody who was bob7 before: with another identity and device.
	former, device := key.NewIdentity(), key.NewDevice()
	old := newContact(t, "bob7", former, device)
	old.Verified = true
	err := alice.device.store.Update(func(tx *store.Tx) error { tx.PutContact(old); return nil })
	if err != nil {
		t.Fatal(err)
	}
	alice = alice.again("alice42")
	alice.sees("the warning", func(e Event) bool {
		return e.Kind == EventError && e.Account == "bob7" && strings.Contains(e.Err.Hint, "trust bob7")
	})
	_, err = alice.Send(t.Context(), "bob7", "to whom?")
	wantCode(t, err, CodeIdentity)
	_, err = alice.Compare(t.Context(), "bob7")
	wantCode(t, err, CodeIdentity)
	if got := bob.all(func(e Event) bool { return e.Kind == EventMessage }); got != nil {
		t.Errorf("bob got %+v", got)
	}

	trusted, err := alice.Trust(t.Context(), "bob7")
	if err != nil {
		t.Fatal(err)
	}
	bobs, err := bob.Compare(t.Context(), "alice42")
	if err != nil || trusted.Number != bobs.Number || trusted.Verified {
		t.Errorf("alice has %+v, bob %+v, %v", trusted, bobs, err)
	}
	alice.says("bob7", "to you")
	bob.sees("the message", text("to you"))
	bob.says("alice42", "here I am")
	id := deviceOf(t, device)
	if !alice.device.people.acts("bob7", id) {
		t.Error("what the former identity has signed is not good any more")
	}
	if _, ok := alice.device.people.owner(id); ok {
		t.Error("the former device acts still")
	}
	_, err = alice.Trust(t.Context(), "bob7")
	wantCode(t, err, CodeUsage)
	_, err = alice.Trust(t.Context(), "alice42")
	wantCode(t, err, CodeUsage)
	_, err = alice.Trust(t.Context(), "nobody0")
	wantCode(t, err, CodeNoAccount)
	alice = alice.again("alice42")
	if !alice.device.people.acts("bob7", id) {
		t.Error("after a restart what the former identity has signed is not good any more")
	}
	alice.says("bob7", "to you again")
}

// A server that showed another identity, and takes it back, does no lasting harm.
func TestSuspicionEnds(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "hello")
	lie := newContact(t, "bob7", key.NewIdentity(), key.NewDevice())
	_, err := alice.device.people.learn(account.Claim{Account: "bob7", Identity: lie.Identity.Bytes(), Log: lie.Log})
	wantCode(t, err, CodeIdentity)
	alice.says("bob7", "still you?")
	bob.sees("the message", text("still you?"))
}

// newContact is an account with one device, as another device may know it.
func newContact(t *testing.T, a record.Account, identity key.Identity, device key.Device) account.Contact {
	t.Helper()
	log := record.NewDeviceLog(a, identity.Public().Bytes())
	entry := log.Next(record.AddDevice, deviceOf(t, device), "laptop", time.Now()).Sign(identity)
	c, err := account.NewContact(a, identity.Public(), [][]byte{entry})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func deviceOf(t *testing.T, k key.Device) peer.ID {
	t.Helper()
	public, err := crypto.UnmarshalEd25519PublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
