package directory_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// groupLetters makes n letters for some people's first devices, with IDs from
// first on.
func groupLetters(first, n, size int, members ...*directorytest.Person) []directory.GroupLetter {
	var made []directory.GroupLetter
	for i := range n {
		l := directory.GroupLetter{ID: numberedID(first + i), Message: bytes.Repeat([]byte{byte(first + i)}, size)}
		for _, p := range members {
			l.For = append(l.For, directory.Member{Account: p.Account, Device: p.Devices[0].ID()})
		}
		made = append(made, l)
	}
	return made
}

func (b *bench) postGroup(from *directorytest.Person, id record.GroupID, letters ...directory.GroupLetter) []error {
	b.Helper()
	return b.put(directory.PutGroupMail(from.Account, from.Devices[0].ID(), id, letters))
}

func (b *bench) takeGroup(p *directorytest.Person, id record.GroupID, upTo uint64) {
	b.Helper()
	for more := true; more; {
		var err error
		if more, err = directory.ParseUnfinished(b.ok(directory.TakeGroupMail(id, p.Account, p.Devices[0].ID(), upTo)).Value); err != nil {
			b.Fatal(err)
		}
	}
}

// numbers returns the numbers of what waits for a person's first device.
func (b *bench) numbers(p *directorytest.Person, id record.GroupID, after uint64) (numbers []uint64) {
	b.Helper()
	for more := true; more; {
		var page []directory.Mail
		var err error
		if page, more, err = b.GroupMail(id, p.Account, p.Devices[0].ID(), after, 10*wire.LetterOverhead); err != nil {
			b.Fatal(err)
		}
		for _, m := range page {
			numbers = append(numbers, m.Number)
			after = m.Number
		}
	}
	return numbers
}

// club makes a group of people who have signed up.
func (b *bench) club(id record.GroupID, name record.GroupName, names ...record.Account) (people []*directorytest.Person) {
	b.Helper()
	for i, account := range names {
		p := b.signUp(account)
		if people = append(people, p); i == 0 {
			b.ok(directory.AppendGroup(p.Create(id, name)))
		} else {
			b.ok(directory.AppendGroup(p.Join(b.chain(id))))
		}
	}
	return people
}

func TestGroupMail(t *testing.T) {
	b := newBench(t)
	id := record.GroupID{7}
	people := b.club(id, "friends", "alice1", "bob1", "carol1")
	alice, bob, carol := people[0], people[1], people[2]
	dave := b.signUp("dave1")

	r := b.ok(directory.PutGroupMail("alice1", alice.Devices[0].ID(), id, groupLetters(1, 2, 100, bob, carol, dave, bob)))
	if results, err := directory.ParseLettersPut(r.Value); err != nil || !allAre(results, nil) {
		t.Errorf("put: %v, %v", results, err)
	}
	told := r.Events[0].(directory.GroupMailWaiting)
	if want := []peer.ID{bob.Devices[0].ID(), carol.Devices[0].ID()}; len(r.Events) != 1 || told.Group != id || !slices.Equal(told.Devices, want) {
		t.Errorf("events %v", r.Events)
	}
	if totals, err := b.MailTotals(); err != nil || totals != (directory.MailTotals{GroupLetters: 2, GroupBytes: 2*100 + 4*directory.WaitingCost}) {
		t.Errorf("totals %+v, %v", totals, err)
	}
	page, more, err := b.GroupMail(id, "bob1", bob.Devices[0].ID(), 0, wire.MailPage)
	if err != nil || more || len(page) != 2 || page[0].From != "alice1" || page[0].Device != alice.Devices[0].ID() ||
		page[0].ID != numberedID(1) || !bytes.Equal(page[0].Sealed, bytes.Repeat([]byte{1}, 100)) {
		t.Errorf("bob's page: %+v, %v, %v", page, more, err)
	}
	if results := b.postGroup(alice, id, groupLetters(1, 1, 100, dave)...); !allAre(results, wire.ErrRefused) {
		t.Errorf("for no member: %v", results)
	}

	// Put again for one who lacks it, behind what she has fetched since.
	b.postGroup(bob, id, groupLetters(1, 1, 7, carol)...)
	if got := b.numbers(carol, id, 0); !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("carol's numbers: %v", got)
	}
	b.takeGroup(carol, id, 3)
	r = b.ok(directory.PutGroupMail("alice1", alice.Devices[0].ID(), id, groupLetters(1, 1, 100, bob, carol)))
	if told := r.Events[0].(directory.GroupMailWaiting); !slices.Equal(told.Devices, []peer.ID{carol.Devices[0].ID()}) {
		t.Errorf("told: %v", told)
	}
	if got := b.numbers(carol, id, 3); !slices.Equal(got, []uint64{4}) {
		t.Errorf("carol's numbers after 3: %v", got)
	}
	b.sound(b.store)
	b.takeGroup(carol, id, math.MaxUint64)
	if got := b.numbers(bob, id, 0); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("bob's numbers when carol has taken hers: %v", got)
	}
	b.takeGroup(bob, id, 1)
	b.takeGroup(bob, id, 2)
	if totals, err := b.MailTotals(); err != nil || totals != (directory.MailTotals{}) {
		t.Errorf("when all is taken there is %+v, %v", totals, err)
	}
	b.sound(b.store)

	some, sender := groupLetters(1, 1, 1, bob), alice.Devices[0].ID()
	b.refused(wire.ErrRefused, "from a stranger", directory.PutGroupMail("dave1", dave.Devices[0].ID(), id, some))
	b.refused(wire.ErrNoGroup, "to no group", directory.PutGroupMail("alice1", sender, record.GroupID{8}, some))
	b.refused(wire.ErrBadRequest, "no letters", directory.PutGroupMail("alice1", sender, id, nil))
	b.refused(wire.ErrBadRequest, "too many letters", directory.PutGroupMail("alice1", sender, id, groupLetters(0, wire.MaxLetters+1, 1, bob)))
	b.refused(wire.ErrBadRequest, "too many devices", directory.PutGroupMail("alice1", sender, id,
		[]directory.GroupLetter{{Message: []byte{1}, For: slices.Repeat(some[0].For, wire.MaxFor+1)}}))
	b.refused(wire.ErrRefused, "taken by a stranger", directory.TakeGroupMail(id, "dave1", dave.Devices[0].ID(), 9))
	b.refused(wire.ErrNoGroup, "taken in no group", directory.TakeGroupMail(record.GroupID{8}, "bob1", bob.Devices[0].ID(), 9))
	if _, _, err := b.GroupMail(id, "dave1", dave.Devices[0].ID(), 0, wire.MailPage); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("asked by a stranger: %v", err)
	}
	if _, _, err := b.GroupMail(record.GroupID{8}, "bob1", bob.Devices[0].ID(), 0, wire.MailPage); !errors.Is(err, wire.ErrNoGroup) {
		t.Errorf("asked in no group: %v", err)
	}
	nonsense := []directory.GroupLetter{{Message: nil, For: some[0].For}, {Message: []byte{1}, For: []directory.Member{{Account: "bob1", Device: "x"}}}}
	if results := b.postGroup(alice, id, nonsense...); !allAre(results, wire.ErrBadRequest) {
		t.Errorf("an empty letter, and one to no device: %v", results)
	}
}

// Whoever has left gets nothing of what waited, not when they are back either,
// and it goes.
func TestGroupMailOfThoseWhoLeave(t *testing.T) {
	b := newBench(t)
	id := record.GroupID{7}
	people := b.club(id, "friends", "alice1", "bob1", "carol1")
	alice, bob, carol := people[0], people[1], people[2]
	b.postGroup(alice, id, groupLetters(1, 3, 10, bob, carol)...)
	b.ok(directory.AppendGroup(bob.Leave(b.chain(id))))
	b.ok(directory.AppendGroup(alice.Remove(b.chain(id), "carol1")))
	for _, p := range []*directorytest.Person{bob, carol} {
		if _, _, err := b.GroupMail(id, p.Account, p.Devices[0].ID(), 0, wire.MailPage); !errors.Is(err, wire.ErrRefused) {
			t.Errorf("%s asks: %v", p.Account, err)
		}
		b.refused(wire.ErrRefused, "taken by one who left", directory.TakeGroupMail(id, p.Account, p.Devices[0].ID(), 9))
		b.refused(wire.ErrRefused, "put by one who left", directory.PutGroupMail(p.Account, p.Devices[0].ID(), id, groupLetters(9, 1, 1, alice)))
	}
	b.sound(b.store)
	b.ok(directory.AppendGroup(bob.Join(b.chain(id))))
	if got := b.numbers(bob, id, 0); got != nil {
		t.Errorf("back again, bob finds %v", got)
	}
	// What is put for him now is his, be it a letter that lies there still.
	b.postGroup(alice, id, groupLetters(3, 2, 10, bob)...)
	if got := b.numbers(bob, id, 0); !slices.Equal(got, []uint64{4, 5}) {
		t.Errorf("bob's numbers: %v", got)
	}
	b.sound(b.store)
	if b.tick(time.Minute) {
		t.Error("it takes more than a tick")
	}
	if got := b.numbers(bob, id, 0); !slices.Equal(got, []uint64{4, 5}) {
		t.Errorf("bob's numbers after a tick: %v", got)
	}
	if totals, err := b.MailTotals(); err != nil || totals.GroupLetters != 2 {
		t.Errorf("there is %+v, %v", totals, err)
	}
	b.sound(b.store)
}

func TestGroupMailQuotas(t *testing.T) {
	b := newBench(t)
	id := record.GroupID{7}
	people := b.club(id, "friends", "alice1", "bob1", "carol1", "dave1")
	alice, bob, carol, dave := people[0], people[1], people[2], people[3]
	const size = 1<<16 - directory.WaitingCost
	const half = directory.MaxGroupMailBytes / 2 >> 16
	for _, p := range []*directorytest.Person{alice, carol} {
		for first := 0; first < half; first += 2 {
			if results := b.postGroup(p, id, groupLetters(first, 2, size, bob)...); !allAre(results, nil) {
				t.Fatalf("letter %d: %v", first, results)
			}
		}
		if results := b.postGroup(p, id, groupLetters(half, 1, 1, bob)...); !allAre(results, wire.ErrFull) {
			t.Errorf("above half: %v", results)
		}
		if results := b.postGroup(p, id, groupLetters(0, 1, size, dave)...); !allAre(results, wire.ErrFull) {
			t.Errorf("a letter that lies there, for one more: %v", results)
		}
		if results := b.postGroup(p, id, groupLetters(0, 1, size, bob)...); !allAre(results, nil) {
			t.Errorf("a letter that lies there, again: %v", results)
		}
	}
	if results := b.postGroup(dave, id, groupLetters(0, 1, 1, bob)...); !allAre(results, wire.ErrFull) {
		t.Errorf("when the group is full: %v", results)
	}
	b.takeGroup(bob, id, 1)
	if results := b.postGroup(dave, id, groupLetters(0, 1, 1, bob)...); !allAre(results, nil) {
		t.Errorf("when there is room: %v", results)
	}
	b.takeGroup(bob, id, math.MaxUint64)
	if totals, err := b.MailTotals(); err != nil || totals != (directory.MailTotals{}) {
		t.Errorf("when all is taken there is %+v, %v", totals, err)
	}
}

// One letter that more devices lack than one tick can serve expires all the same.
func TestGroupMailExpires(t *testing.T) {
	b := newBench(t)
	id := record.GroupID{7}
	alice := b.club(id, "friends", "alice1", "bob1")[0]
	l := directory.GroupLetter{ID: numberedID(1), Message: []byte("hello")}
	for range 3 {
		l.For = nil
		for range wire.MaxFor {
			l.For = append(l.For, directory.Member{Account: "bob1", Device: directorytest.NewKey().ID()})
		}
		if results := b.postGroup(alice, id, l); !allAre(results, nil) {
			t.Fatal(results)
		}
		b.wait(time.Hour)
	}
	b.postGroup(alice, id, directory.GroupLetter{ID: numberedID(2), Message: []byte("later"), For: l.For[:1]})
	b.wait(directory.MailLifetime - 3*time.Hour - time.Minute)
	if totals, err := b.MailTotals(); err != nil || totals.GroupLetters != 2 {
		t.Errorf("before: %+v, %v", totals, err)
	}
	ticks := 1
	for b.tick(time.Minute) {
		b.sound(b.store)
		ticks++
	}
	if ticks < 3 {
		t.Errorf("gone after %d ticks", ticks)
	}
	if totals, err := b.MailTotals(); err != nil || totals.GroupLetters != 1 {
		t.Errorf("afterwards: %+v, %v", totals, err)
	}
	b.wait(3 * time.Hour)
	if totals, err := b.MailTotals(); err != nil || totals != (directory.MailTotals{}) {
		t.Errorf("in the end: %+v, %v", totals, err)
	}
	b.sound(b.store)
}
