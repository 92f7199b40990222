package directory_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

func TestPosition(t *testing.T) {
	b := newBench(t)
	apply := func(entries ...directory.Entry) []directory.Result {
		t.Helper()
		results, err := b.Apply(entries)
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	p := directorytest.NewPerson("alice1")
	apply(directory.Entry{Index: 1, Term: 1, Configuration: []byte("us")}, directory.Entry{Index: 2, Term: 1})
	apply(directory.Entry{Index: 5, Term: 2, Command: p.SignUp()}) // 3 and 4 were not for us
	apply(directory.Entry{Index: 7, Term: 2})                      // a snapshot's, which is noted
	want := directory.Position{Index: 7, Term: 2, Changed: 5, ConfigurationIndex: 1, Configuration: []byte("us")}
	check := func(d *directory.Directory) {
		t.Helper()
		if got := d.Position(); fmt.Sprint(got) != fmt.Sprint(want) || d.AppliedIndex() != want.Index || d.ChangeIndex() != want.Changed {
			t.Errorf("position %v, want %v", got, want)
		}
	}
	check(b.Directory)
	if r := apply(directory.Entry{Index: 7, Term: 2, Command: directorytest.NewPerson("alice1").SignUp()}); r[0].Err != nil || r[0].Events != nil {
		t.Errorf("an entry at the applied index was applied: %+v", r[0])
	}
	apply(directory.Entry{Index: 4, Term: 9, Configuration: []byte("them")})
	check(b.Directory)
	again, err := directory.New(b.store)
	if err != nil {
		t.Fatal(err)
	}
	check(again)
}

// A store that fails stops the directory where it stands, and nothing of what
// failed is remembered.
func TestStoreFailure(t *testing.T) {
	b := newBench(t)
	b.signUp("alice1")
	full := errors.New("no space left on device")
	b.store.FailWith(full)
	bob := directorytest.NewPerson("bob1")
	entry := directory.Entry{Index: 2, Term: 1, Command: bob.SignUp()}
	if _, err := b.Apply([]directory.Entry{entry}); !errors.Is(err, full) {
		t.Fatalf("Apply: %v, want %v", err, full)
	}
	if got := b.AppliedIndex(); got != 1 {
		t.Errorf("applied index %d after a failure at 2", got)
	}
	b.store.FailWith(nil)
	if r, err := b.Apply([]directory.Entry{entry}); err != nil || r[0].Err != nil {
		t.Errorf("Apply after it healed: %v, %v", r, err)
	}
}

// A batch that is larger than a transaction comes to the same as its entries
// one by one.
func TestBatchAboveTransaction(t *testing.T) {
	one, all := newBench(t), newBench(t)
	var entries []directory.Entry
	for i := range 7 {
		p := directorytest.NewPerson(record.Account(fmt.Sprintf("p%d", i)))
		key := p.Devices[0]
		entries = append(entries,
			directory.Entry{Index: uint64(2*i + 1), Term: 1, Command: p.SignUp()},
			directory.Entry{Index: uint64(2*i + 2), Term: 1, Command: directory.PublishKeys(p.Account, key.ID(),
				p.Bundle(key, 1), p.Prekeys(key, record.MaxPrekeys)...)})
	}
	var size int
	for _, e := range entries {
		size += len(e.Command)
		if _, err := one.Apply([]directory.Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	if size <= directory.MaxTransaction {
		t.Fatalf("%d bytes do not need two transactions", size)
	}
	results, err := all.Apply(entries)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil || len(r.Events) != 1 {
			t.Errorf("entry %d: %+v", i, r)
		}
	}
	if !storetest.Same(storetest.Dump(t, one.store), storetest.Dump(t, all.store)) {
		t.Error("the stores differ")
	}
}

func TestCommandTooLarge(t *testing.T) {
	b := newBench(t)
	b.refused(wire.ErrTooLarge, "too large", make([]byte, directory.MaxCommand+1))
	b.refused(wire.ErrBadRequest, "nonsense", []byte("nonsense"))
	b.refused(wire.ErrBadRequest, "unknown command", []byte{0xfa, 0x7f, 0})
	if got := directory.AppendDevice("\xff", nil); len(got) != 0 {
		t.Errorf("a name that is not UTF-8 makes the command %q", got)
	}
}

// FuzzApply: whatever stands in the log, applying it neither panics nor differs
// between servers, and what is refused changes nothing.
func FuzzApply(f *testing.F) {
	alice := directorytest.NewPerson("alice1")
	key := alice.Devices[0]
	seeds := [][]byte{
		alice.SignUp(),
		directory.AppendDevice("alice1", alice.Entry(record.RevokeDevice, key)),
		directory.PublishKeys("alice1", key.ID(), alice.Bundle(key, 1), alice.Prekeys(key, 2)...),
		directory.BeginGeneration("alice1", key.ID(), 0, make([]byte, wire.TokenSize), true),
		directory.AppendGroup(alice.Create(record.GroupID{1}, "friends")),
		directory.PutMail("alice1", key.ID(), "alice1", letters(key.ID(), 1, 2, 9)),
		directory.TakeMail("alice1", key.ID(), 1),
		directory.PutGroupMail("alice1", key.ID(), record.GroupID{1}, groupLetters(1, 2, 9, alice)),
		directory.TakeGroupMail(record.GroupID{1}, "alice1", key.ID(), 1),
		directory.Tick(0, time.Minute),
		nil,
	}
	for _, seed := range seeds {
		f.Add(seed, seed)
		f.Add(seeds[0], seed)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		a, b := newBench(t), newBench(t)
		ra := []directory.Result{a.do(first), a.do(second)}
		rb, err := b.Apply([]directory.Entry{{Index: 1, Term: 1, Command: first}, {Index: 2, Term: 1, Command: second}})
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(ra) != fmt.Sprint(rb) {
			t.Errorf("results differ: %v and %v", ra, rb)
		}
		if !storetest.Same(storetest.Dump(t, a.store), storetest.Dump(t, b.store)) {
			t.Error("stores differ")
		}
		a.sound(a.store)
	})
}

func FuzzParseTakenKeys(f *testing.F) {
	b := newBench(f)
	alice := b.signUp("alice1")
	key := alice.Devices[0]
	b.ok(directory.PublishKeys("alice1", key.ID(), alice.Bundle(key, 1), alice.Prekeys(key, 1)...))
	f.Add(b.ok(directory.TakeKeys("alice1", alice.Log.Active())).Value)
	f.Fuzz(func(t *testing.T, value []byte) {
		keys, err := directory.ParseTakenKeys(value)
		if err != nil && keys != nil {
			t.Error("keys and an error")
		}
		if slices.ContainsFunc(keys, func(k directory.DeviceKeys) bool { return k.Device.Validate() != nil }) {
			t.Error("a device without an ID")
		}
	})
}

func FuzzParseGeneration(f *testing.F) {
	b := newBench(f)
	alice := b.signUp("alice1")
	key := alice.Devices[0]
	b.ok(directory.PublishKeys("alice1", key.ID(), alice.Bundle(key, 1), alice.Prekeys(key, 3)...))
	f.Add(b.ok(directory.BeginGeneration("alice1", key.ID(), 0, make([]byte, wire.TokenSize), true)).Value)
	f.Fuzz(func(t *testing.T, value []byte) {
		if g, err := directory.ParseGeneration(value); err != nil && g != (directory.Generation{}) {
			t.Error("a generation and an error")
		}
	})
}
