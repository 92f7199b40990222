package node

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// foundsWithHistory creates an open group with a history, which others join.
func (p *person) foundsWithHistory(group string, history int, others ...*person) {
	p.Helper()
	if _, err := p.CreateGroupWith(p.Context(), group, record.Settings{History: history}); err != nil {
		p.Fatalf("create %s: %v", group, err)
	}
	for _, o := range others {
		o.joins(group)
	}
}

func isEarlier(e Event) bool { return e.Kind == EventMessage && e.Earlier }

// earlier is what a person was shown of what was said before, as "author: text".
func (p *person) earlier() (lines []string) {
	for _, e := range p.all(isEarlier) {
		who := string(e.From)
		if e.Claimed != "" {
			who += " says " + string(e.Claimed)
		}
		lines = append(lines, who+": "+e.Text)
	}
	return lines
}

// hasHistory reports whether a person's device has got what there is.
func (p *person) hasHistory(id record.GroupID) bool {
	h := p.device.rooms.histories
	h.mu.Lock()
	defer h.mu.Unlock()
	_, wanted := h.wanted[id]
	return !wanted
}

// Who joins late sees the last messages from before, as many as the group gives, in
// the order in which they were said, under the names of who said them, be they gone;
// from whichever member is there, also one who came late; and on each device.
func TestHistory(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol, dave := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9"), w.newPerson("dave", "5")
	alice.foundsWithHistory("g1", 5, bob)
	id := alice.groupID("g1")
	for i := range 4 {
		alice.tells("g1", fmt.Sprintf("a%d", i), bob)
		bob.tells("g1", fmt.Sprintf("b%d", i), alice)
	}
	if _, err := bob.LeaveGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	alice.sees("bob leaving", gone(EventLeft, "g1", "bob7"))
	want := []string{"bob7: b1", "alice42: a2", "bob7: b2", "alice42: a3", "bob7: b3"}
	carol.joins("g1")
	await(t, "carol having what was said", func() bool { return carol.hasHistory(id) })
	if got := carol.earlier(); !slices.Equal(got, want) {
		t.Errorf("carol is shown %q, want %q", got, want)
	}
	alice.tells("g1", "welcome", carol)
	want = append(want[1:], "alice42: welcome")

	alice.end()
	dave.joins("g1") // carol lets him in, and has it to give
	await(t, "dave having what was said", func() bool { return dave.hasHistory(id) })
	if got := dave.earlier(); !slices.Equal(got, want) {
		t.Errorf("dave is shown %q, want %q", got, want)
	}
	tablet := w.open("")
	tablet.login("carol9")
	await(t, "carol's tablet in the group", func() bool {
		_, ok := tablet.device.rooms.named("g1")
		return ok && tablet.hasHistory(id)
	})
	if got := tablet.earlier(); !slices.Equal(got, want) {
		t.Errorf("carol's tablet is shown %q, want %q", got, want)
	}
	dave.tells("g1", "thanks", carol, tablet)
	dave = dave.again("dave5")
	carol.tells("g1", "you are welcome", dave, tablet)
	tablet.missesNothing() // though carol had heard alice, who was gone before the tablet came
	if got := dave.earlier(); got != nil {
		t.Errorf("after a restart dave is shown %q again", got)
	}
	if got := dave.openings(id); len(got) != 5 {
		t.Errorf("dave keeps the keys of %d messages", len(got))
	}
	if _, err := dave.LeaveGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	if got := dave.openings(id); len(got) != 0 {
		t.Errorf("dave keeps the keys of %d messages of a group that he has left", len(got))
	}
}

func (p *person) openings(id record.GroupID) (all []store.Opened) {
	p.Helper()
	err := p.device.store.View(func(tx *store.Tx) error {
		all = tx.Openings(id)
		return nil
	})
	if err != nil {
		p.Fatal(err)
	}
	return all
}

// A group that gives no history gives none: no keys are kept, and who asks gets nothing.
func TestNoHistory(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	alice.founds("g1", bob)
	alice.tells("g1", "between us", bob)
	carol.joins("g1")
	id := alice.groupID("g1")
	if n := len(alice.openings(id)) + len(bob.openings(id)); n != 0 {
		t.Errorf("the keys of %d messages are kept", n)
	}
	if got := alice.wouldGive(carol, id); got != nil {
		t.Errorf("carol is given %d messages", len(got.Messages))
	}
	alice.tells("g1", "welcome", bob, carol)
	if carol.all(text("between us")) != nil || !carol.hasHistory(id) {
		t.Error("carol reads what was said before she joined")
	}
}

var errUndone = errors.New("undone")

// wouldGive returns the part that a person's device would queue for another's that asks
// for a group's history, nil if it queues nothing.
func (p *person) wouldGive(to *person, id record.GroupID) (part *wire.HistoryPart) {
	p.Helper()
	device := to.identity().Device
	err := p.device.commit(func(tx *store.Tx, fx *effects) error {
		member := group.Member{Account: to.identity().Account, Device: device}
		if err := p.device.rooms.giveHistory(tx, fx, member, wire.HistoryRequest{Group: id}); err != nil {
			return err
		}
		for _, e := range tx.Entries(device, 1000) {
			content, err := wire.ParseContent(e.Content)
			if err != nil {
				return err
			}
			if given, ok := content.Body.(wire.HistoryPart); ok {
				part = &given
			}
		}
		return errUndone
	})
	if !errors.Is(err, errUndone) {
		p.Fatal(err)
	}
	return part
}

// Who is no member, or not any more, is given nothing, also of a private group.
func TestHistoryIsForMembers(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "1")
	alice.foundsPrivately("g1", record.Settings{History: 10}, map[record.Account]*person{"bob7": bob})
	alice.tells("g1", "hello", bob)
	id := alice.groupID("g1")
	eve.says("alice42", "hello")
	if got := alice.wouldGive(bob, id); got == nil || len(got.Messages) != 1 || !got.Last {
		t.Errorf("bob is given %+v", got)
	}
	if _, err := bob.LeaveGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	alice.sees("bob leaving", gone(EventLeft, "g1", "bob7"))
	alice.tells("g1", "alone")
	for _, p := range []*person{bob, eve} {
		if got := alice.wouldGive(p, id); got != nil {
			t.Errorf("%s is given %d messages", p.identity().Account, len(got.Messages))
		}
		asked := p.seals(alice, wire.HistoryRequest{Group: id})
		if refusal := alice.receivesOne(p, asked); refusal != pb.Refusal_NONE {
			t.Errorf("%s is refused: %s", p.identity().Account, refusal)
		}
	}
	if _, err := alice.Invite(t.Context(), "eve1", "g1"); err != nil {
		t.Fatal(err)
	}
	if got := alice.wouldGive(eve, id); got != nil { // invited is not in
		t.Errorf("eve is given %d messages", len(got.Messages))
	}
	eve.sees("the invitation", about(EventInvited, "g1", "eve1"))
	eve.joins("g1")
	await(t, "eve having what was said", func() bool { return eve.hasHistory(id) })
	if got := eve.earlier(); !slices.Equal(got, []string{"alice42: hello", "alice42: alone"}) {
		t.Errorf("eve is shown %q", got)
	}
}

// A member who has nothing to give is passed over for one who has, and a history that
// takes many parts comes whole.
func TestAnotherMemberGivesTheHistory(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	alice.foundsWithHistory("g1", record.MaxHistory, bob)
	id := alice.groupID("g1")
	var want []string
	for i := range 12 {
		text := fmt.Sprintf("%d %s", i, bytes.Repeat([]byte("x"), 20<<10))
		alice.tells("g1", text, bob)
		want = append(want, "alice42: "+text)
	}
	alice.hasNothingToGive(id)     // who has been here the longest
	carol.says("alice42", "hello") // so that both are there to be asked
	carol.says("bob7", "hello")
	carol.joins("g1")
	await(t, "carol having what was said", func() bool { return carol.hasHistory(id) })
	if got := carol.earlier(); !slices.Equal(got, want) {
		t.Errorf("carol is shown %d of %d messages", len(got), len(want))
	}
}

func (p *person) hasNothingToGive(id record.GroupID) {
	p.Helper()
	err := p.device.store.Update(func(tx *store.Tx) error {
		tx.RemoveOpenings(id)
		return nil
	})
	if err != nil {
		p.Fatal(err)
	}
}

// Whom to ask, and when to pass over to another: one at a time, who has been here the
// longest first, until one has given something or nobody has anything.
func TestWhomToAskForHistory(t *testing.T) {
	founder, second, third := newDevice(t, "alice42"), newDevice(t, "bob7"), newDevice(t, "carol9")
	all := func(record.Account, peer.ID) bool { return true }
	s, create, err := group.Create("g1", record.Settings{History: 9}, founder, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	statements := [][]byte{create}
	for _, self := range []group.Self{second, third} {
		joined, err := group.Join(statements, all, self, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, joined)
	}
	if s, _, err = s.Extend(statements, all); err != nil {
		t.Fatal(err)
	}
	here := []group.Member{third.Member, founder.Member, second.Member}
	h, now := newHistories(), time.Now()
	asks := func(want peer.ID) wire.HistoryRequest {
		t.Helper()
		to, request, ok := h.next(s, here, now)
		if ok != (want != "") || to.Device != want {
			t.Fatalf("%s is asked, %t; want %s", to.Account, ok, want)
		}
		return request
	}
	asks("") // it is not wanted
	h.add(s.ID())
	request := asks(founder.Device)
	asks("") // she may still answer
	now = now.Add(historyPatience)
	if asks(second.Device); h.take(founder.Device, wire.HistoryPart{Group: s.ID(), Request: request.Request}, now) {
		t.Error("what comes too late is taken")
	}
	now = now.Add(historyPatience)
	request = asks(third.Device)
	empty := wire.HistoryPart{Group: s.ID(), Request: request.Request, Last: true}
	if h.take(second.Device, empty, now) || !h.take(third.Device, empty, now) || h.take(third.Device, empty, now) {
		t.Error("a part is taken of another than who was asked, or twice")
	}
	if _, done, more := h.taken(empty, 0, len(here), now); done || more {
		t.Errorf("one has nothing: done %t, more %t", done, more)
	}
	asks("") // all have failed
	now = now.Add(historyAgain + time.Second)
	asks("")
	request = asks(founder.Device)
	o, err := group.ParseOpening(said(t, founder, s, "x").Opening)
	if err != nil {
		t.Fatal(err)
	}
	part := wire.HistoryPart{Group: s.ID(), Request: request.Request, Messages: []wire.PastMessage{said(t, founder, s, "x")}}
	if !h.take(founder.Device, part, now) {
		t.Error("a part is not taken")
	}
	next, done, more := h.taken(part, 1, len(here), now)
	if done || !more || next.After == (wire.Place{}) || next.After.Iteration != o.Iteration || next.Request == part.Request {
		t.Errorf("after a part: %+v, done %t, more %t", next, done, more)
	}
	last := wire.HistoryPart{Group: s.ID(), Request: next.Request, Last: true}
	if _, done, more := h.taken(last, 0, len(here), now); !done || more {
		t.Errorf("after the last part: done %t, more %t", done, more)
	}
}

// ignores has a person's device answer nothing about a group, until answer is called.
func (p *person) ignores(id record.GroupID) (answer func()) {
	rooms := p.device.rooms
	rooms.mu.Lock()
	defer rooms.mu.Unlock()
	lost := rooms.byID[id]
	delete(rooms.byID, id)
	return func() {
		rooms.mu.Lock()
		defer rooms.mu.Unlock()
		rooms.byID[id] = lost
	}
}

// expects has a person's device wait for a part from another's, and for nobody else.
func (p *person) expects(from *person, id record.GroupID) wire.RequestID {
	p.Helper()
	h := p.device.rooms.histories
	h.add(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.wanted[id]
	at.from = from.identity().Device
	return at.ask(id, time.Now().Add(time.Hour)).Request
}

// newDevice makes a device that an account has not entered in its log.
func newDevice(t *testing.T, account record.Account) group.Self {
	t.Helper()
	signer := key.NewDevice()
	public, err := crypto.UnmarshalEd25519PublicKey(ed25519.PublicKey(signer.Public()))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return group.Self{Member: group.Member{Account: account, Device: id}, Signer: signer}
}

// said is a message that a device makes for a group on its own.
func said(t *testing.T, self group.Self, s group.State, text string) wire.PastMessage {
	t.Helper()
	content, err := wire.GroupContent{
		ID: wire.NewMessageID(), SentAt: time.Now(), ChainLength: s.Chain().Len(), ChainHead: s.Chain().Head(), Body: wire.Text(text),
	}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	own, err := group.FromChain(s.Statements(), func(record.Account, peer.ID) bool { return true }, self.Member)
	if err != nil {
		t.Fatal(err)
	}
	_, out, err := own.Send(self, content, nil)
	if err != nil {
		t.Fatal(err)
	}
	opening, err := out.Opening.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return wire.PastMessage{Message: out.Sealed.Message, Opening: opening}
}

// A member who gives a history cannot change a word of it, nor who said it, nor turn
// around what somebody said, nor add to it in another's name. What it says that others
// said stands under its own name.
func TestForgedHistory(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	alice.foundsWithHistory("g1", 50, bob)
	id := alice.groupID("g1")
	for i := range 3 {
		bob.tells("g1", fmt.Sprintf("b%d", i), alice)
		alice.tells("g1", fmt.Sprintf("a%d", i), bob)
	}
	genuine := alice.wouldGive(bob, id)
	if genuine == nil || len(genuine.Messages) != 6 {
		t.Fatalf("alice gives %+v", genuine)
	}
	byName := func(name string) wire.PastMessage {
		return genuine.Messages[slices.Index([]string{"b0", "a0", "b1", "a1", "b2", "a2"}, name)]
	}
	for _, p := range []*person{alice, bob} { // what carol is given is up to the test
		p.hasNothingToGive(id)
	}
	carol.joins("g1")
	await(t, "carol having heard that there is nothing", func() bool { return carol.hasHistory(id) })
	s, _ := alice.roomState("g1")
	defer alice.ignores(id)() // she says what the test says
	swap := func(m wire.PastMessage, opening []byte) wire.PastMessage {
		return wire.PastMessage{Message: m.Message, Opening: opening}
	}
	flipped := byName("b0")
	flipped.Message = bytes.Clone(flipped.Message)
	flipped.Message[len(flipped.Message)/2] ^= 1
	renamed := byName("b0")
	renamed.Opening = bytes.Replace(renamed.Opening, []byte("bob7"), []byte("eve7"), 1)
	masked := group.Self{Member: group.Member{Account: "bob7", Device: bob.identity().Device}, Signer: alice.device.key}
	parts := [][]wire.PastMessage{
		{flipped, renamed, swap(byName("b0"), byName("b1").Opening), said(t, masked, s, "in bob's name")},
		{byName("b1"), byName("b0"), byName("b1"), byName("a2"), byName("a0")}, // b0 and a0 come too late
		{said(t, newDevice(t, "bob7"), s, "from a device that is not bob's")},
		{byName("b2"), byName("b1")},
	}
	for i, messages := range parts {
		part := wire.HistoryPart{Group: id, Messages: messages, Last: i == len(parts)-1}
		if i == 0 {
			part.Request = carol.expects(alice, id)
		} else {
			part.Request = carol.request(id)
		}
		stray := part
		stray.Request = wire.RequestID{1}
		for _, p := range []wire.HistoryPart{stray, part, part} { // only what was asked for, once
			if refusal := carol.receivesOne(alice, alice.seals(carol, p)); refusal != pb.Refusal_NONE {
				t.Fatalf("part %d: %s", i, refusal)
			}
		}
		await(t, "the part having been looked at", func() bool { return carol.hasHistory(id) || carol.request(id) != part.Request })
	}
	await(t, "the end of the history", func() bool { return carol.hasHistory(id) })
	got := carol.earlier()
	if want := []string{"bob7: b1", "alice42: a2", "alice42 says bob7: from a device that is not bob's", "bob7: b2"}; !slices.Equal(got, want) {
		t.Errorf("carol is shown %q, want %q", got, want)
	}
}

// request returns the request that a person's device waits to be answered.
func (p *person) request(id record.GroupID) (request wire.RequestID) {
	h := p.device.rooms.histories
	h.mu.Lock()
	defer h.mu.Unlock()
	if at, wanted := h.wanted[id]; wanted {
		request = at.request
	}
	return request
}
