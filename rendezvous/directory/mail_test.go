package directory_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

type letterID = [wire.LetterIDSize]byte

func numberedID(n int) (id letterID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

// letters makes n letters for a device with IDs from first on.
func letters(to peer.ID, first, n, size int) []directory.Letter {
	var made []directory.Letter
	for i := range n {
		made = append(made, directory.Letter{ID: numberedID(first + i), To: to, Envelope: bytes.Repeat([]byte{byte(first + i)}, size)})
	}
	return made
}

// put puts letters and returns what each came to.
func (b *bench) put(command []byte) []error {
	b.Helper()
	results, err := directory.ParseLettersPut(b.ok(command).Value)
	if err != nil {
		b.Fatal(err)
	}
	return results
}

// post puts letters of a person's first device.
func (b *bench) post(from, to *directorytest.Person, letters ...directory.Letter) []error {
	b.Helper()
	return b.put(directory.PutMail(from.Account, from.Devices[0].ID(), to.Account, letters))
}

// allAre reports whether all results are of a kind.
func allAre(results []error, want error) bool {
	return !slices.ContainsFunc(results, func(err error) bool { return !errors.Is(err, want) })
}

// waiting returns all that waits for a device, in pages.
func (b *bench) waiting(p *directorytest.Person, device peer.ID, after uint64) (all []directory.Mail) {
	b.Helper()
	for more := true; more; {
		var page []directory.Mail
		var err error
		if page, more, err = b.Mail(p.Account, device, after, wire.MailPage); err != nil {
			b.Fatal(err)
		}
		for _, m := range page {
			if m.Number <= after {
				b.Fatalf("number %d after %d", m.Number, after)
			}
			after = m.Number
		}
		all = append(all, page...)
	}
	return all
}

func TestMail(t *testing.T) {
	b := newBench(t)
	alice, bob := b.signUp("alice1"), b.signUp("bob1")
	phone := directorytest.NewKey()
	b.ok(directory.AppendDevice("bob1", bob.Entry(record.AddDevice, phone)))
	laptop := bob.Devices[0].ID()

	r := b.ok(directory.PutMail("alice1", alice.Devices[0].ID(), "bob1", slices.Concat(
		letters(laptop, 1, 2, 100), letters(phone.ID(), 1, 1, 100), letters(alice.Devices[0].ID(), 9, 1, 100), letters(laptop, 3, 1, wire.MaxEnvelope+1))))
	results, err := directory.ParseLettersPut(r.Value)
	if err != nil || len(results) != 5 || !allAre(results[:3], nil) || !errors.Is(results[3], wire.ErrRefused) || !errors.Is(results[4], wire.ErrTooLarge) {
		t.Errorf("put: %v, %v", results, err)
	}
	want := []directory.Event{directory.MailWaiting{Account: "bob1", Device: laptop}, directory.MailWaiting{Account: "bob1", Device: phone.ID()}}
	if !slices.Equal(r.Events, want) {
		t.Errorf("events %v", r.Events)
	}
	got := b.waiting(bob, laptop, 0)
	if len(got) != 2 || got[0].Number != 1 || got[1].Number != 2 || got[0].From != "alice1" || got[0].Device != alice.Devices[0].ID() ||
		got[0].ID != numberedID(1) || !bytes.Equal(got[0].Sealed, bytes.Repeat([]byte{1}, 100)) {
		t.Errorf("the laptop's mail: %+v", got)
	}
	if got := b.waiting(bob, phone.ID(), 0); len(got) != 1 || got[0].Number != 1 {
		t.Errorf("the phone's mail: %+v", got)
	}
	if got := b.waiting(alice, laptop, 0); got != nil {
		t.Errorf("in somebody else's name: %+v", got)
	}

	// What lies there is not put twice, and nobody is told.
	r = b.ok(directory.PutMail("alice1", alice.Devices[0].ID(), "bob1", letters(laptop, 1, 2, 100)))
	if results, err := directory.ParseLettersPut(r.Value); err != nil || !allAre(results, nil) || r.Events != nil {
		t.Errorf("again: %v, %v, %v", results, err, r.Events)
	}
	// The same ID of another device is another letter.
	if results := b.put(directory.PutMail("bob1", phone.ID(), "bob1", letters(laptop, 1, 1, 7))); !allAre(results, nil) {
		t.Errorf("from another device: %v", results)
	}
	b.ok(directory.TakeMail("bob1", laptop, 1))
	if got := b.waiting(bob, laptop, 0); len(got) != 2 || got[0].Number != 2 || got[1].Number != 3 || got[1].From != "bob1" {
		t.Errorf("after taking one: %+v", got)
	}
	if totals, err := b.MailTotals(); err != nil || totals != (directory.MailTotals{Letters: 3, Bytes: 207}) {
		t.Errorf("totals %+v, %v", totals, err)
	}
	// Numbers go on when all is taken.
	b.ok(directory.TakeMail("bob1", laptop, math.MaxUint64))
	b.post(alice, bob, letters(laptop, 1, 1, 100)...)
	if got := b.waiting(bob, laptop, 0); len(got) != 1 || got[0].Number != 4 {
		t.Errorf("after taking all: %+v", got)
	}

	sender, stranger := alice.Devices[0].ID(), directorytest.NewKey().ID()
	b.refused(wire.ErrNoAccount, "to nobody", directory.PutMail("alice1", sender, "carol1", letters(laptop, 1, 1, 1)))
	b.refused(wire.ErrBadRequest, "no letters", directory.PutMail("alice1", sender, "bob1", nil))
	b.refused(wire.ErrBadRequest, "too many letters", directory.PutMail("alice1", sender, "bob1", letters(laptop, 1, wire.MaxLetters+1, 1)))
	b.refused(wire.ErrBadRequest, "from a name that cannot be", directory.PutMail("Alice", sender, "bob1", letters(laptop, 1, 1, 1)))
	b.refused(wire.ErrBadRequest, "from no device", directory.PutMail("alice1", "x", "bob1", letters(laptop, 1, 1, 1)))
	b.refused(wire.ErrRefused, "taken by a stranger", directory.TakeMail("bob1", stranger, 9))
	b.refused(wire.ErrRefused, "taken by another account", directory.TakeMail("alice1", laptop, 9))
	b.refused(wire.ErrNoAccount, "taken by nobody", directory.TakeMail("carol1", laptop, 9))
	if results := b.post(alice, bob, directory.Letter{To: laptop}, directory.Letter{To: "x", Envelope: []byte{1}}); !allAre(results, wire.ErrBadRequest) {
		t.Errorf("an empty letter, and one to no device: %v", results)
	}
}

func TestMailQuotas(t *testing.T) {
	for name, c := range map[string]struct {
		size, half int // of a letter, and how many of those one sender may have waiting
	}{
		"letters": {1, directory.MaxMailLetters / 2},
		"bytes":   {64 << 10, directory.MaxMailBytes / 2 / (64 << 10)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			alice, bob, carol, dave := b.signUp("alice1"), b.signUp("bob1"), b.signUp("carol1"), b.signUp("dave1")
			device := bob.Devices[0].ID()
			atOnce := min(c.half, directory.MaxCommand/2/(c.size+100), wire.MaxLetters)
			fill := func(p *directorytest.Person, first, n int) {
				t.Helper()
				for ; n > 0; n -= atOnce {
					if results := b.post(p, bob, letters(device, first, min(n, atOnce), c.size)...); !allAre(results, nil) {
						t.Fatalf("before it is full: %v", results)
					}
					first += atOnce
				}
			}
			full := func(p *directorytest.Person) {
				t.Helper()
				if r := b.ok(directory.PutMail(p.Account, p.Devices[0].ID(), "bob1", letters(device, 5000, 1, c.size))); r.Events != nil {
					t.Errorf("events of a letter that is not kept: %v", r.Events)
				} else if results, err := directory.ParseLettersPut(r.Value); err != nil || !allAre(results, wire.ErrFull) {
					t.Errorf("when it is full: %v, %v", results, err)
				}
			}
			fill(alice, 0, c.half)
			full(alice)
			if results := b.post(alice, bob, letters(device, 0, 1, c.size)...); !allAre(results, nil) {
				t.Errorf("a letter that lies there: %v", results)
			}
			fill(carol, 0, c.half)
			full(dave)
			b.ok(directory.TakeMail("bob1", device, 2)) // two of alice's
			fill(alice, 6000, 1)
			fill(dave, 0, 1)
			full(dave)
		})
	}
}

// Long names, as many senders as letters, and a full stock of prekeys: the
// largest that one command removes.
func TestRevocationTakesAFullQueueAlong(t *testing.T) {
	b := newBench(t)
	bob := b.signUp(record.Account(strings.Repeat("b", 48)))
	phone := directorytest.NewKey()
	b.ok(directory.AppendDevice(bob.Account, bob.Entry(record.AddDevice, phone)))
	bob.Keep(bob.Entry(record.AddDevice, phone))
	b.ok(directory.PublishKeys(bob.Account, phone.ID(), bob.Bundle(phone, 1), bob.Prekeys(phone, record.MaxPrekeys)...))
	for i := range directory.MaxMailLetters {
		from := record.Account(fmt.Sprintf("%s%05d", strings.Repeat("a", 43), i))
		if results := b.put(directory.PutMail(from, directorytest.NewKey().ID(), bob.Account, letters(phone.ID(), i, 1, 1))); !allAre(results, nil) {
			t.Fatal(results)
		}
	}
	if results := b.post(bob, bob, letters(phone.ID(), 9999, 1, 1)...); !allAre(results, wire.ErrFull) {
		t.Fatalf("it is not full: %v", results)
	}
	b.ok(directory.AppendDevice(bob.Account, bob.Entry(record.RevokeDevice, phone)))
	b.refused(wire.ErrRefused, "taken by a revoked device", directory.TakeMail(bob.Account, phone.ID(), 9))
	if got := b.waiting(bob, phone.ID(), 0); got != nil {
		t.Errorf("%d letters wait for a revoked device", len(got))
	}
	b.sound(b.store)
	if rows := b.mailOf(bob.Account); rows != 0 {
		t.Errorf("%d rows are left of its mail", rows)
	}
}

// The largest requests fit into a transaction with their indexes.
func TestLargestPuts(t *testing.T) {
	long := func(n int) record.Account { return record.Account(fmt.Sprintf("%s%03d", strings.Repeat("a", 45), n)) }
	b := newBench(t)
	sender, to := b.signUp(long(0)), b.signUp(long(1))
	var few []directory.Letter
	for i := range wire.MaxLetters {
		few = append(few, letters(to.Devices[0].ID(), i, 1, wire.MaxRequest/wire.MaxLetters-70)...)
	}
	if results := b.post(sender, to, few...); !allAre(results, nil) {
		t.Errorf("letters: %v", results)
	}
	id := record.GroupID{7}
	b.ok(directory.AppendGroup(sender.Create(id, "all")))
	b.ok(directory.AppendGroup(to.Join(b.chain(id))))
	var group []directory.GroupLetter
	for i := range wire.MaxLetters {
		l := directory.GroupLetter{ID: numberedID(i), Message: make([]byte, (wire.MaxRequest-40*wire.MaxFor)/wire.MaxLetters-30)}
		for range wire.MaxFor / wire.MaxLetters {
			l.For = append(l.For, directory.Member{Account: to.Account, Device: directorytest.NewKey().ID()})
		}
		group = append(group, l)
	}
	if results := b.put(directory.PutGroupMail(sender.Account, sender.Devices[0].ID(), id, group)); !allAre(results, nil) {
		t.Errorf("group letters: %v", results)
	}
	b.sound(b.store)
	b.ok(directory.AppendGroup(to.Leave(b.chain(id))))
	for b.tick(0) {
	}
	if totals, err := b.MailTotals(); err != nil || totals.GroupLetters != 0 || totals.GroupBytes != 0 {
		t.Errorf("when they have left there is %+v, %v", totals, err)
	}
	b.sound(b.store)
}

// tick moves the clock on and returns whether another tick would find more.
func (b *bench) tick(by time.Duration) (more bool) {
	b.Helper()
	now, err := b.Clock()
	if err != nil {
		b.Fatal(err)
	}
	if more, err = directory.ParseUnfinished(b.ok(directory.Tick(now, by)).Value); err != nil {
		b.Fatal(err)
	}
	return more
}

// wait lets time pass: as if ticks without number had come and gone that found
// nothing to do, and then one more.
func (b *bench) wait(d time.Duration) {
	b.Helper()
	now, err := b.Clock()
	if err != nil {
		b.Fatal(err)
	}
	const last = time.Millisecond
	err = b.store.Update(func(w directory.Writer) error {
		return w.Set([]byte("t"), binary.BigEndian.AppendUint64(nil, uint64((now+d-last).Milliseconds())))
	})
	if err != nil {
		b.Fatal(err)
	}
	b.tick(last)
}

func TestClock(t *testing.T) {
	b := newBench(t)
	clock := func(want time.Duration) {
		t.Helper()
		if got, err := b.Clock(); err != nil || got != want {
			t.Errorf("the clock says %v, %v; want %v", got, err, want)
		}
	}
	clock(0)
	b.ok(directory.Tick(0, time.Minute))
	clock(time.Minute)
	b.ok(directory.Tick(0, time.Minute)) // the same once more: its answer was lost
	clock(time.Minute)
	b.ok(directory.Tick(time.Minute, -time.Hour))
	clock(time.Minute)
	b.ok(directory.Tick(time.Minute, 1000*time.Hour)) // a clock that jumps
	clock(3 * time.Minute)
	b.ok(directory.Tick(5*time.Minute, time.Minute)) // of a clock that is not ours
	clock(3 * time.Minute)
}

func TestMailExpires(t *testing.T) {
	b := newBench(t)
	alice, bob := b.signUp("alice1"), b.signUp("bob1")
	device := bob.Devices[0].ID()
	b.post(alice, bob, letters(device, 0, 3, 10)...)
	b.wait(time.Hour)
	b.post(alice, bob, letters(device, 3, 200, 10)...)
	b.wait(directory.MailLifetime - time.Hour - time.Millisecond)
	if got := b.waiting(bob, device, 0); len(got) != 203 {
		t.Errorf("%d letters before the first expires", len(got))
	}
	b.wait(time.Millisecond)
	if got := b.waiting(bob, device, 0); len(got) != 200 || got[0].Number != 4 {
		t.Errorf("%d letters when the first have expired", len(got))
	}
	b.sound(b.store)
	b.post(bob, bob, letters(device, 0, 5, 10)...)
	b.wait(time.Hour)
	if got := b.waiting(bob, device, 0); len(got) != 5 {
		t.Errorf("%d letters, want those that came last", len(got))
	}
	b.wait(directory.MailLifetime)
	if totals, err := b.MailTotals(); err != nil || totals != (directory.MailTotals{}) {
		t.Errorf("in the end there is %+v, %v", totals, err)
	}
	b.sound(b.store)
}

// A tick does a bounded amount and says that there is more.
func TestTickIsBounded(t *testing.T) {
	b := newBench(t)
	bob := b.signUp("bob1")
	device := bob.Devices[0].ID()
	for i := range 4 {
		b.put(directory.PutMail(record.Account(fmt.Sprintf("a%d", i)), device, "bob1", letters(device, 250*i, 250, 1)))
	}
	b.wait(directory.MailLifetime - time.Second)
	if !b.tick(time.Minute) {
		t.Error("one tick finished with 1,000 letters")
	}
	if got := len(b.waiting(bob, device, 0)); got < 400 || got > 600 {
		t.Errorf("%d letters are left after the first tick", got)
	}
	for b.tick(0) {
	}
	if got := len(b.waiting(bob, device, 0)); got != 0 {
		t.Errorf("%d letters are left", got)
	}
}

func FuzzParseLettersPut(f *testing.F) {
	f.Add([]byte{10, 2, 0, 11})
	f.Fuzz(func(t *testing.T, value []byte) {
		if results, err := directory.ParseLettersPut(value); err != nil && results != nil {
			t.Error("results and an error")
		}
		if more, err := directory.ParseUnfinished(value); err != nil && more {
			t.Error("more and an error")
		}
	})
}

// Of a stranger who waits to be accepted a device takes a few letters, of one who is
// blocked none; what came before stays.
func TestMailOfStrangers(t *testing.T) {
	b := newBench(t)
	alice, bob, eve := b.signUp("alice1"), b.signUp("bob1"), b.signUp("eve1")
	desk, version := bob.Devices[0].ID(), uint64(0)
	set := func(c directory.ContactChange) {
		c.Version, c.Token = version, bytes.Repeat([]byte{byte(version + 1)}, wire.TokenSize)
		b.ok(directory.SetContacts("bob1", desk, c))
		version++
	}
	b.post(eve, bob, letters(desk, 1, 5, 10)...)
	set(directory.ContactChange{Policy: directory.PolicyAsk, Accepted: []record.Account{"alice1"}})
	results := b.post(eve, bob, letters(desk, 6, 20, 10)...)
	if !allAre(results[:15], nil) || !allAre(results[15:], wire.ErrFull) {
		t.Errorf("of a stranger: %v", results)
	}
	if results := b.post(alice, bob, letters(desk, 1, 50, 10)...); !allAre(results, nil) {
		t.Errorf("of one who is accepted: %v", results)
	}
	if results := b.post(bob, bob, letters(desk, 1, 50, 10)...); !allAre(results, nil) {
		t.Errorf("of another device of the account: %v", results)
	}
	set(directory.ContactChange{Blocked: []record.Account{"eve1"}})
	b.refused(wire.ErrRefused, "of one who is blocked", directory.PutMail("eve1", eve.Devices[0].ID(), "bob1", letters(desk, 99, 1, 10)))
	if got := b.waiting(bob, desk, 0); len(got) != 120 {
		t.Errorf("%d letters wait", len(got))
	}
	set(directory.ContactChange{Forgotten: []record.Account{"eve1"}, Policy: directory.PolicyOpen})
	if results := b.post(eve, bob, letters(desk, 30, 20, 10)...); !allAre(results, nil) {
		t.Errorf("where everybody may write: %v", results)
	}
}
