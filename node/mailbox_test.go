package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// seesState waits until what this node says of a message of its own is this state.
func (p *person) seesState(id, state string) Status {
	p.Helper()
	var last Status
	await(p, fmt.Sprintf("a message that is %s", state), func() bool {
		s, err := p.Status(p.Context(), id)
		if err != nil {
			p.Fatalf("status: %v", err)
		}
		last = s
		return s.State == state
	})
	return last
}

// sends queues a text and returns its ID.
func (p *person) sends(to, s string) string {
	p.Helper()
	id, err := p.Send(p.Context(), to, s)
	if err != nil {
		p.Fatalf("send: %v", err)
	}
	return id
}

// hasTold waits until everything that this node has to tell another one, who may be
// away, is there or with the servers.
func (p *person) hasTold(other *person) {
	p.Helper()
	await(p, "an outbox without receipts", func() (empty bool) {
		err := p.device.store.View(func(tx *store.Tx) error {
			empty = !slices.ContainsFunc(tx.Entries(other.id, 0), func(e outbox.Entry) bool { return e.NoReceipt })
			return nil
		})
		return err == nil && empty
	})
}

func hasStep(s Status, state, path string) bool {
	return slices.ContainsFunc(s.Steps, func(step Step) bool { return step.State == state && step.Path == path })
}

// Sender and recipient are never there at the same time, neither at first contact, for
// which the recipient had logged in and left at once, nor later; what was said arrives,
// and both hear of it.
func TestNeverThereTogether(t *testing.T) {
	w := newWorld(t)
	bob := w.newPerson("bob", "7")
	bob.end()
	alice := w.newPerson("alice", "42")
	first := alice.sends("bob7", "you do not know me")
	alice.sees("that it is stored", ofMessage(EventStored, first))
	second := alice.sends("bob7", "but I know you")
	alice.sees("that it is stored", ofMessage(EventStored, second))
	alice.end()

	bob = w.open(bob.home)
	bob.login("bob7")
	bob.sees("the second", text("but I know you"))
	if got := bob.texts(); !slices.Equal(got, []string{"you do not know me", "but I know you"}) {
		t.Errorf("bob sees %q", got)
	}
	bob.hasTold(alice)
	answer := bob.sends("alice42", "now I do")
	bob.sees("that it is stored", ofMessage(EventStored, answer))
	bob.end()

	alice = w.open(alice.home)
	alice.login("alice42")
	alice.sees("the answer", text("now I do"))
	alice.hasTold(bob)
	alice.sees("that the second was delivered", ofMessage(EventDelivered, second))
	for _, id := range []string{first, second} {
		if s := alice.seesState(id, "delivered"); !hasStep(s, "stored", "mailbox") || !hasStep(s, "delivered", "mailbox") || !slices.Contains(s.Has, "bob7") {
			t.Errorf("what became of it: %+v", s)
		}
	}
	alice.end()
	bob = w.open(bob.home)
	bob.login("bob7")
	bob.seesState(answer, "delivered")
	bob.end()
}

// Many messages for somebody who is away come in order and once, some of them by the
// servers and directly as well.
func TestManyWaitInOrder(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	bob.says("alice42", "we have met")
	bob.end()
	var want []string
	var last string
	for i := range 300 {
		want = append(want, fmt.Sprintf("message %d", i))
		last = alice.sends("bob7", want[i])
	}
	alice.sees("that the last is stored", ofMessage(EventStored, last))
	bob = w.open(bob.home)
	bob.login("bob7")
	for i := range 20 { // while he fetches
		want = append(want, fmt.Sprintf("and %d", i))
		last = alice.sends("bob7", want[len(want)-1])
	}
	bob.sees("the last", text(want[len(want)-1]))
	if got := bob.texts(); !slices.Equal(got, want) {
		t.Errorf("bob sees %d messages: %q", len(got), got)
	}
	alice.sees("that the last is delivered", ofMessage(EventDelivered, last))
	await(t, "an empty outbox", func() bool { return !alice.device.courier.waitsFor(bob.device.self.Device) })
}

// A member who is away gets what the others say to each other meanwhile, after they have
// gone too, with every answer behind what it answers.
func TestGroupMailInOrder(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "3")
	alice.founds("walk", bob, carol)
	alice.tells("walk", "all here", bob, carol)
	bob.tells("walk", "yes", alice, carol)
	carol.end()
	var want []string
	var last string
	for range 10 {
		for _, pair := range [][2]*person{{alice, bob}, {bob, alice}} {
			p, other := pair[0], pair[1]
			want = append(want, fmt.Sprintf("round %d", len(want)))
			id, err := p.SendGroup(t.Context(), "walk", want[len(want)-1])
			if err != nil {
				t.Fatal(err)
			}
			other.sees("it", inGroup("walk", want[len(want)-1]))
			if p == alice {
				last = id
			}
		}
	}
	alice.sees("that her last is stored", ofMessage(EventStored, last))
	bob.sees("that his last is stored", func(e Event) bool {
		return e.Kind == EventStored && bob.lastOwn() == e.ID
	})
	s := alice.seesState(last, "sent")
	if !slices.Equal(s.Has, []record.Account{"bob7"}) || !slices.Equal(s.Lacks, []record.Account{"carol3"}) {
		t.Errorf("has %v, lacks %v", s.Has, s.Lacks)
	}
	alice.end()
	bob.end()

	carol = w.open(carol.home)
	carol.login("carol3")
	carol.sees("the last", inGroup("walk", want[len(want)-1]))
	if got := carol.texts(); !slices.Equal(got, want) {
		t.Errorf("carol sees %q, want %q", got, want)
	}
	for _, author := range []*person{alice, bob} {
		carol.hasTold(author)
	}
	carol.end()

	alice = w.open(alice.home)
	alice.login("alice42")
	alice.sees("that all have it", func(e Event) bool { return e.Kind == EventDelivered && e.ID == last && e.Group == "walk" })
	if s := alice.seesState(last, "delivered"); len(s.Lacks) > 0 {
		t.Errorf("lacks %v", s.Lacks)
	}
}

// Who was removed while they were away gets nothing of what was said afterwards.
func TestGroupMailAndRemoval(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "3")
	alice.founds("walk", bob, carol)
	alice.tells("walk", "all here", bob, carol)
	carol.end()
	if _, err := alice.RemoveMember(t.Context(), "carol3", "walk"); err != nil {
		t.Fatal(err)
	}
	id, err := alice.SendGroup(t.Context(), "walk", "without her")
	if err != nil {
		t.Fatal(err)
	}
	bob.sees("it", text("without her"))
	alice.sees("that all have it", func(e Event) bool { return e.Kind == EventDelivered && e.ID == id })
	carol = w.open(carol.home)
	carol.login("carol3")
	carol.sees("that she was removed", func(e Event) bool { return e.Kind == EventRemoved && e.Account == "carol3" })
	bob.says("carol3", "a word afterwards")
	carol.sees("it", text("a word afterwards"))
	if got := carol.texts(); slices.Contains(got, "without her") {
		t.Errorf("carol sees %q", got)
	}
}

func TestReadReceipts(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	id := alice.sends("bob7", "look")
	bob.sees("it", text("look"))
	alice.sees("that it is there", ofMessage(EventDelivered, id))
	if err := bob.MarkRead(t.Context(), "alice42"); err != nil {
		t.Fatal(err)
	}
	if e := alice.sees("that it was read", ofMessage(EventRead, id)); e.By != "bob7" {
		t.Errorf("read by %q", e.By)
	}
	alice.seesState(id, "read")

	if err := bob.SetReceipts(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	silent := alice.sends("bob7", "and this")
	bob.sees("it", text("and this"))
	alice.sees("that it is there", ofMessage(EventDelivered, silent))
	if err := bob.MarkRead(t.Context(), "alice42"); err != nil {
		t.Fatal(err)
	}
	bob.says("alice42", "done")
	alice.sees("it", text("done"))
	if alice.all(ofMessage(EventRead, silent)) != nil {
		t.Error("alice hears that bob has read it")
	}
	if s := alice.seesState(silent, "delivered"); !hasStep(s, "delivered", "local") {
		t.Errorf("what became of it: %+v", s)
	}
}

func TestHistoryAndSearch(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "The Weather is fine")
	bob.says("alice42", "so is the WINE")
	alice.sees("it", text("so is the WINE"))
	if _, err := alice.CreateGroup(t.Context(), "wine"); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.SendGroup(t.Context(), "wine", "fine wine"); err != nil {
		t.Fatal(err)
	}
	texts := func(lines []Line, err error) (texts string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			texts += "|" + string(l.With) + string(l.Group) + " " + string(l.From) + ": " + l.Text
		}
		return texts
	}
	ctx := t.Context()
	for what, got := range map[string][2]string{
		"with bob":   {texts(alice.History(ctx, "BOB7", 0)), "|bob7 alice42: The Weather is fine|bob7 bob7: so is the WINE"},
		"the last":   {texts(alice.History(ctx, "bob7", 1)), "|bob7 bob7: so is the WINE"},
		"of a group": {texts(alice.History(ctx, "#wine", 5)), "|wine alice42: fine wine"},
		"its name":   {texts(alice.History(ctx, "wine", 5)), "|wine alice42: fine wine"},
		"of all":     {texts(alice.History(ctx, "", 2)), "|bob7 bob7: so is the WINE|wine alice42: fine wine"},
		"a word":     {texts(alice.Search(ctx, "wine")), "|bob7 bob7: so is the WINE|wine alice42: fine wine"},
		"two words":  {texts(alice.Search(ctx, "fine  WEATHER")), "|bob7 alice42: The Weather is fine"},
		"nothing":    {texts(alice.Search(ctx, "beer")), ""},
		"nobody":     {texts(alice.History(ctx, "carol3", 5)), ""},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", what, got[0], got[1])
		}
	}
	_, err := alice.Search(ctx, " ")
	wantCode(t, err, CodeUsage)
	_, err = alice.Status(ctx, "12")
	wantCode(t, err, CodeUsage)
	_, err = alice.Status(ctx, "ffffffff")
	wantCode(t, err, CodeNoMessage)
	_, err = bob.Status(ctx, strings.Repeat("z", 8))
	wantCode(t, err, CodeUsage)
	if s, err := alice.Status(ctx, ""); err != nil || s.Text != "fine wine" || s.State != "delivered" {
		t.Errorf("the last: %+v, %v", s, err)
	}
	_, err = bob.Status(ctx, "")
	if err != nil {
		t.Error(err)
	}
}

// lastOwn returns the ID of the message that this node sent last.
func (p *person) lastOwn() string {
	s, err := p.Status(p.Context(), "")
	if err != nil {
		p.Fatal(err)
	}
	return s.ID
}
