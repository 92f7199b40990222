package directory_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
	"github.com/tryst-chat/tryst/rendezvous/terms"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// rows returns a directory's rows, as Restore takes them.
func (b *bench) rows() (directory.Summary, func() (key, value []byte, err error)) {
	b.Helper()
	var summary directory.Summary
	var all []storetest.Pair
	begin := func(s directory.Summary) error { summary = s; return nil }
	err := b.Dump(begin, func(key, value []byte) error {
		all = append(all, storetest.Pair{Key: key, Value: value})
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return summary, func() (key, value []byte, err error) {
		if len(all) == 0 {
			return nil, nil, nil
		}
		one := all[0]
		all = all[1:]
		return one.Key, one.Value, nil
	}
}

// What was backed up is there again, but for prekeys, under an index that nobody has
// seen, and goes on.
func TestRestore(t *testing.T) {
	b := newBench(t)
	alice, bob := b.signUp("alice1"), b.signUp("bob1")
	phone := alice.Devices[0]
	b.ok(directory.PublishKeys(alice.Account, phone.ID(), alice.Bundle(phone, 1), alice.Prekeys(phone, 30)...))
	if !allAre(b.post(bob, alice, letters(phone.ID(), 1, 20, 10<<10)...), nil) {
		t.Fatal("the letters were not put")
	}
	b.ok(directory.SetTerms(terms.Terms{Invitation: true}))
	b.ok(directory.Invite(hashes(1, 2), directory.MinInvitation))
	b.ok(directorytest.NewPerson("dave1").SignUpWith(withCode(1)))
	summary, next := b.rows()
	if summary.Accounts != 3 || summary.Index != b.AppliedIndex() {
		t.Errorf("the backup says %+v", summary)
	}
	store := storetest.NewMemory()
	index, err := directory.Restore(store, []byte("alone"), []byte("epoch"), next)
	if err != nil {
		t.Fatal(err)
	}
	restored := newBenchOn(t, store, store)
	restored.index = index
	if p := restored.Position(); p.Index != index || index < summary.Index+1<<40 || p.Term != 1 || string(p.Configuration) != "alone" || p.ConfigurationIndex != index {
		t.Errorf("its position is %+v, of a backup at %d", p, summary.Index)
	}
	if epoch, err := restored.Epoch(); err != nil || string(epoch) != "epoch" {
		t.Errorf("epoch %q, %v", epoch, err)
	}
	if epoch, err := b.Epoch(); err != nil || epoch != nil {
		t.Errorf("the epoch of one that was never restored: %q, %v", epoch, err)
	}
	if had, have := b.waiting(alice, phone.ID(), 0), restored.waiting(alice, phone.ID(), 0); len(had) != 20 || len(have) != 20 || !bytes.Equal(had[7].Sealed, have[7].Sealed) {
		t.Errorf("%d letters of %d", len(have), len(had))
	}
	if left, err := restored.PrekeysLeft(alice.Account, phone.ID()); err != nil || left != 0 {
		t.Errorf("%d prekeys are left, %v", left, err)
	}
	if keys := restored.take(alice, phone.ID()); keys.Bundle == nil || keys.OneTime != nil {
		t.Error("who asks for keys does not get the bundle alone")
	}
	restored.ok(directory.PublishKeys(alice.Account, phone.ID(), nil, alice.Prekeys(phone, 10)...))
	if keys := restored.take(alice, phone.ID()); keys.OneTime == nil {
		t.Error("new prekeys are not given out")
	}
	carol := directorytest.NewPerson("carol1")
	restored.refused(wire.ErrTerms, "without an invitation", carol.SignUp())
	restored.refused(wire.ErrInvitation, "with one that was used", carol.SignUpWith(withCode(1)))
	restored.ok(carol.SignUpWith(withCode(2)))
	restored.sound(store)
}

func TestRestoreRefuses(t *testing.T) {
	b := newBench(t)
	b.signUp("alice1")
	_, next := b.rows()
	if _, err := directory.Restore(b.store, nil, nil, next); err == nil {
		t.Error("into a store that is not empty")
	}
	none := func() ([]byte, []byte, error) { return nil, nil, nil }
	if _, err := directory.Restore(storetest.NewMemory(), nil, nil, none); err == nil {
		t.Error("of nothing")
	}
	broken := errors.New("broken")
	store := storetest.NewMemory()
	fails := func() ([]byte, []byte, error) {
		if key, value, _ := next(); key != nil {
			return key, value, nil
		}
		return nil, nil, broken
	}
	if _, err := directory.Restore(store, nil, nil, fails); !errors.Is(err, broken) {
		t.Errorf("of what breaks off: %v", err)
	}
	if d, err := directory.New(store); err != nil || d.AppliedIndex() != 0 {
		t.Errorf("half a restore has a position: %v", err)
	}
}
