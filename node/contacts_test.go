package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/roster"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transfer"
	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// asks has a person be asked by strangers first.
func (p *person) asks() {
	p.Helper()
	c, err := p.SetContactPolicy(p.Context(), "ask")
	if err != nil || !c.Asking {
		p.Fatalf("contacts ask: %+v, %v", c, err)
	}
	await(p, "servers that know", func() bool { return !p.contacts().Pending })
	p.agrees()
}

// agrees waits until the servers have what a person has said: mostly they do when
// the command returns.
func (p *person) agrees() {
	p.Helper()
	await(p, "that the servers have taken it", func() bool { return !p.contacts().Pending })
}

func (p *person) contacts() Contacts {
	p.Helper()
	c, err := p.Contacts(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	return c
}

func (p *person) accepts(a string) {
	p.Helper()
	if _, err := p.Accept(p.Context(), a); err != nil {
		p.Fatalf("accept %s: %v", a, err)
	}
	p.agrees()
}

func (p *person) blocks(a string) Blocking {
	p.Helper()
	b, err := p.Block(p.Context(), a)
	if err != nil {
		p.Fatalf("block %s: %v", a, err)
	}
	p.agrees()
	return b
}

func (p *person) unblocks(a string) {
	p.Helper()
	if _, err := p.Unblock(p.Context(), a); err != nil {
		p.Fatalf("unblock %s: %v", a, err)
	}
	p.agrees()
}

// finds reports whether the servers tell a person where another is.
func (p *person) finds(other *person) bool {
	p.Helper()
	direct, circuits := p.whereabouts(other)
	return len(direct)+len(circuits) > 0
}

// writes brings a text to somebody's device as a connection that is there would.
func (p *person) writes(to *person, s string) pb.Refusal {
	p.Helper()
	return to.receivesOne(p, p.seals(to, wire.Text(s)))
}

func requestOf(a record.Account) func(Event) bool {
	return func(e Event) bool { return e.Kind == EventRequest && e.Account == a }
}

// texts returns the texts that a person has been shown, in order.
func (p *person) texts() (texts []string) {
	for _, e := range p.all(func(e Event) bool { return e.Kind == EventMessage }) {
		texts = append(texts, e.Text)
	}
	return texts
}

// What a stranger writes waits until the person says a word, over a restart too, and
// is then shown in order; and nobody learns where they are before.
func TestStrangersAsk(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "9")
	alice.says("bob7", "we have met")
	bob.says("alice42", "so we have")
	bob.asks()
	if c := bob.contacts(); !slices.Equal(c.Accepted, []record.Account{"alice42"}) || c.Requests != nil || c.Blocked != nil {
		t.Errorf("whom he has written to is accepted: %+v", c)
	}
	if !alice.finds(bob) || eve.finds(bob) {
		t.Errorf("alice finds him: %t, eve: %t", alice.finds(bob), eve.finds(bob))
	}
	for i, s := range []string{"one", "two"} {
		if refusal := eve.writes(bob, s); refusal != pb.Refusal_NONE {
			t.Fatalf("message %d is refused: %s", i, refusal)
		}
	}
	request := bob.sees("that eve asks", requestOf("eve9"))
	if request.Count != 2 || request.Text != "" {
		t.Errorf("the request is %+v", request)
	}
	eve.writes(bob, "three")
	bob = bob.again("bob7")
	if request := bob.sees("that eve still asks", requestOf("eve9")); request.Count != 3 {
		t.Errorf("after a restart: %+v", request)
	}
	if c := bob.contacts(); !slices.Equal(c.Requests, []Request{{"eve9", 3}}) {
		t.Errorf("requests %+v", c.Requests)
	}
	waiting, err := eve.Send(t.Context(), "bob7", "five") // she does not find him
	if err != nil {
		t.Fatal(err)
	}
	alice.says("bob7", "I am still let in")
	if got := bob.texts(); !slices.Equal(got, []string{"I am still let in"}) {
		t.Errorf("bob is shown %q", got)
	}
	bob.accepts("eve9")
	eve.sees("that the next one is delivered", ofMessage(EventDelivered, waiting))
	bob.says("eve9", "hello eve")
	eve.sees("the answer", text("hello eve"))
	if got := bob.texts(); !slices.Equal(got, []string{"I am still let in", "one", "two", "three", "five"}) {
		t.Errorf("bob is shown %q", got)
	}
	if c := bob.contacts(); c.Requests != nil || !slices.Equal(c.Accepted, []record.Account{"alice42", "eve9"}) {
		t.Errorf("afterwards %+v", c)
	}
	if _, kept := bob.kept(eve); kept != 5 {
		t.Errorf("%d lines are kept", kept)
	}
}

// To write to somebody is to let them in, and so is to let everybody in.
func TestWritingAcceptsAndOpenAcceptsAll(t *testing.T) {
	w := newWorld(t)
	bob, eve, dave, zoe := w.newPerson("bob", "7"), w.newPerson("eve", "9"), w.newPerson("dave", "3"), w.newPerson("zoe", "1")
	bob.asks()
	for _, p := range []*person{eve, dave, zoe} {
		p.writes(bob, "from "+string(p.identity().Account))
	}
	zoes := newFile(t, "zoe.bin", random(5000))
	if _, err := bob.Block(t.Context(), "zoe1"); err != nil {
		t.Fatal(err)
	}
	bob.says("eve9", "what is it?")
	bob.sees("what eve wrote", text("from eve9"))
	if got := bob.texts(); len(got) != 1 {
		t.Errorf("bob is shown %q", got)
	}
	if c := bob.contacts(); !slices.Equal(c.Accepted, []record.Account{"eve9"}) || !slices.Equal(c.Requests, []Request{{"dave3", 1}}) {
		t.Errorf("%+v", c)
	}
	c, err := bob.SetContactPolicy(t.Context(), "open")
	if err != nil || c.Asking || c.Requests != nil {
		t.Errorf("open: %+v, %v", c, err)
	}
	bob.sees("what dave wrote", text("from dave3"))
	dave.says("bob7", "and more")
	bob.sees("it", text("and more"))
	bob.unblocks("zoe1")
	zoe.gives("bob7", zoes)
	bob.sees("zoe's file", func(e Event) bool { return e.Kind == EventFile && e.From == "zoe1" })
	if got := bob.all(text("from zoe1")); got != nil {
		t.Error("what was dropped comes back")
	}
}

// As much of a stranger waits as may; the rest stays with them, and comes once they
// are accepted.
func TestRequestsAreBounded(t *testing.T) {
	w := newWorld(t)
	bob, eve := w.newPerson("bob", "7"), w.newPerson("eve", "9")
	bob.asks()
	for i := range roster.MaxHeld {
		if refusal := eve.writes(bob, fmt.Sprint(i)); refusal != pb.Refusal_NONE {
			t.Fatalf("message %d is refused: %s", i, refusal)
		}
	}
	more := eve.seals(bob, wire.Text("more"))
	if refusal := bob.receivesOne(eve, more); refusal != pb.Refusal_LATER {
		t.Errorf("one more: %s", refusal)
	}
	// What no person sees waits for nobody.
	if refusal := bob.receivesOne(eve, eve.seals(bob, wire.FileReceived{})); refusal != pb.Refusal_NONE {
		t.Errorf("a receipt: %s", refusal)
	}
	bob.accepts("eve9")
	if refusal := bob.receivesOne(eve, more); refusal != pb.Refusal_NONE {
		t.Errorf("one more, afterwards: %s", refusal)
	}
	bob.sees("the last", text("more"))
	if got := bob.texts(); len(got) != roster.MaxHeld+1 || got[0] != "0" || got[len(got)-1] != "more" {
		t.Errorf("bob is shown %q", got)
	}

	dave := w.newPerson("dave", "3")
	all := bob.device.contacts
	all.mu.Lock()
	if all.load != (roster.Load{}) || len(all.waits) != 0 {
		t.Errorf("%+v is left of what waited", all.load)
	}
	all.load.Messages = roster.MaxHeldAll
	all.mu.Unlock()
	if refusal := dave.writes(bob, "hello"); refusal != pb.Refusal_LATER {
		t.Errorf("more than of all strangers: %s", refusal)
	}
}

// Where strangers have to ask, one who knows the address gets no connection.
func TestStrangersCannotConnect(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "9")
	direct, circuits := eve.whereabouts(bob)
	bob.accepts("alice42")
	bob.asks()
	at := peer.AddrInfo{ID: bob.peerID(), Addrs: append(direct, circuits...)}
	there := func(p *person) bool {
		return len(p.device.link.host.Libp2p().Network().ConnsToPeer(bob.peerID())) > 0
	}
	_ = eve.device.link.host.Reach(t.Context(), at) // it may seem to succeed
	await(t, "that eve is put out", func() bool { return !there(eve) })
	if err := alice.device.link.host.Reach(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	alice.says("bob7", "hello")
	bob.accepts("eve9")
	eve.says("bob7", "hello too")
	bob.blocks("eve9")
	if err := bob.device.reach(t.Context(), eve.peerID()); err == nil {
		t.Error("bob dials eve, whom he has blocked")
	}
}

// After a block nothing goes either way, be it queued, under way or new.
func TestBlock(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "9")
	alice.says("eve9", "hello")
	eve.says("alice42", "hello")
	eve.end()
	var queued []string
	for _, s := range []string{"for you", "and this"} {
		id, err := alice.Send(t.Context(), "eve9", s)
		if err != nil {
			t.Fatal(err)
		}
		queued = append(queued, id)
	}
	queued = append(queued, alice.gives("eve9", newFile(t, "letter.txt", random(100))))
	alice.blocks("eve9")
	for _, id := range queued {
		wantCode(t, alice.sees("that it will not go out", ofMessage(EventError, id)).Err, CodeRefused)
	}
	var left []peer.ID
	if err := alice.device.store.View(func(tx *store.Tx) error { left = tx.Waiting(); return nil }); err != nil || len(left) > 0 {
		t.Errorf("%d devices are waited for, %v", len(left), err)
	}
	_, err := alice.Send(t.Context(), "eve9", "no")
	wantCode(t, err, CodeBlocked)
	_, err = alice.SendFile(t.Context(), "eve9", newFile(t, "no.txt", random(10)))
	wantCode(t, err, CodeBlocked)
	_, err = alice.Accept(t.Context(), "eve9")
	wantCode(t, err, CodeBlocked)

	eve = w.open(eve.home)
	eve.login("eve9")
	if eve.finds(alice) || !bob.finds(alice) {
		t.Errorf("eve finds her: %t, bob: %t", eve.finds(alice), bob.finds(alice))
	}
	for what, body := range map[string]wire.Body{
		"text": wire.Text("let me explain"), "file": wire.FileOffer{Manifest: &pb.File{}}, "receipt": wire.FileReceived{},
		"sender key": wire.SenderKey{Group: record.NewGroupID(), Epoch: 1},
	} {
		if refusal := alice.receivesOne(eve, eve.seals(alice, body)); refusal != pb.Refusal_BLOCKED {
			t.Errorf("a %s: %s", what, refusal)
		}
	}
	waiting, err := eve.Send(t.Context(), "alice42", "later then")
	if err != nil {
		t.Fatal(err)
	}
	bob.says("alice42", "I am not eve")
	if got := alice.all(func(e Event) bool { return e.From == "eve9" && e.Text != "hello" }); got != nil {
		t.Errorf("alice is shown %+v", got)
	}
	if c := alice.contacts(); !slices.Equal(c.Blocked, []record.Account{"eve9"}) || c.Pending {
		t.Errorf("%+v", c)
	}
	alice.unblocks("eve9")
	eve.sees("that what waited goes out", ofMessage(EventDelivered, waiting))
	alice.says("eve9", "hello again")
	if got := eve.texts(); !slices.Equal(got, []string{"hello again"}) {
		t.Errorf("eve is shown %q", got)
	}
	_, err = alice.Unblock(t.Context(), "eve9")
	wantCode(t, err, CodeUsage)
	_, err = alice.Block(t.Context(), "alice42")
	wantCode(t, err, CodeUsage)
	_, err = alice.Block(t.Context(), "nobody1")
	wantCode(t, err, CodeNoAccount)
	_, err = alice.SetContactPolicy(t.Context(), "maybe")
	wantCode(t, err, CodeUsage)
}

// Over a connection that is there, who is blocked is told so.
func TestBlockedOverAnOpenConnection(t *testing.T) {
	w := newWorld(t)
	alice, eve := w.newPerson("alice", "42"), w.newPerson("eve", "9")
	eve.says("alice42", "hello")
	alice.blocks("eve9")
	id, err := eve.Send(t.Context(), "alice42", "and?")
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, eve.sees("that it is refused", ofMessage(EventError, id)).Err, CodeRefused)
	if got := alice.all(text("and?")); got != nil {
		t.Error("alice sees it")
	}
}

// An entry that a lane has read before the block does not go out after it.
func TestBlockHoldsBackWhatWasRead(t *testing.T) {
	w := newWorld(t)
	alice, eve := w.newPerson("alice", "42"), w.newPerson("eve", "9")
	alice.says("eve9", "hello")
	id := eve.identity()
	entry := outbox.New(wire.NewMessageID(), id.Account, id.Device, []byte("no content that is valid"), time.Now())
	all := alice.device.contacts
	blocked, err := all.roster().With(roster.Blocked, "eve9")
	if err != nil {
		t.Fatal(err)
	}
	if all.withholds(entry) {
		t.Error("held back before the block")
	}
	all.mu.Lock()
	all.own = blocked // and nothing that follows from it has happened yet
	all.mu.Unlock()
	if u, err := alice.device.courier.dispatch(t.Context(), nil, nil, entry); err != nil || u.outcome != nil {
		t.Errorf("it goes out: %+v, %v", u, err)
	}
}

// Of a blocked account's devices the person is not told.
func TestBlockedAccountsNewDevice(t *testing.T) {
	w := newWorld(t)
	alice, eve := w.newPerson("alice", "42"), w.newPerson("eve", "9")
	eve.says("alice42", "hello")
	alice.blocks("eve9")
	w.open("").login("eve9")
	await(t, "the new device", func() bool {
		c, _ := alice.device.people.contact("eve9")
		return len(c.Devices().Active()) == 2
	})
	alice.unblocks("eve9")
	w.open("").login("eve9")
	alice.seesNotices("eve9", 1)
	if got := alice.all(func(e Event) bool { return e.Kind == EventNotice && e.Account == "eve9" }); len(got) != 1 {
		t.Errorf("told %d times", len(got))
	}
}

// Files that are on their way stop when the other side is blocked, in both directions.
func TestBlockEndsTransfers(t *testing.T) {
	w := newWorld(t)
	alice, eve := w.newPerson("alice", "42"), w.newPerson("eve", "9")
	big := newFile(t, "big.bin", random(8*seal.ChunkSize))
	there, here := eve.hatch(3), alice.hatch(3)
	to, from := alice.announced(alice.gives("eve9", big)), eve.announced(eve.gives("alice42", big))
	part, hers := alice.hasPart(from, 2), eve.hasPart(to, 2)
	alice.blocks("eve9")
	close(there.open)
	close(here.open)
	await(t, "the end of the fetch", func() bool {
		alice.device.files.mu.Lock()
		defer alice.device.files.mu.Unlock()
		_, err := os.Stat(part)
		return len(alice.device.files.fetching) == 0 && errors.Is(err, fs.ErrNotExist)
	})
	failed := func(e Event) bool { return e.Kind == EventError && e.Err.Code == CodeFileFailed }
	eve.sees("that the file is not to be had", failed)
	if _, err := os.Stat(hers); err == nil || here.served() > 3 {
		t.Errorf("eve has got %d chunks", here.served())
	}
	if got := alice.all(failed); got != nil {
		t.Errorf("alice is told %+v", got)
	}
	var left []transfer.ID
	err := alice.device.store.View(func(tx *store.Tx) error {
		for id := range tx.Transfers() {
			if row, _ := getTransfer(tx, id); !row.Outgoing {
				left = append(left, id)
			}
		}
		return nil
	})
	if err != nil || left != nil || alice.inDownloads() != nil {
		t.Errorf("left are %v, %v and %q", left, err, alice.inDownloads())
	}
}

// In a group that both are in the one who blocks sees nothing of the other, who still
// reads what they say.
func TestBlockInAGroup(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "9")
	alice.founds("g1", bob, eve)
	alice.founds("g2", bob)
	eve.tells("g1", "before", alice, bob)
	if b := alice.blocks("eve9"); !slices.Equal(b.Groups, []record.GroupName{"g1"}) || b.Account != "eve9" {
		t.Errorf("blocking says %+v", b)
	}
	eve.tells("g1", "can you hear me?", bob)
	if _, err := eve.SendGroupFile(t.Context(), "g1", newFile(t, "g.bin", random(100))); err != nil {
		t.Fatal(err)
	}
	bob.sees("the file", func(e Event) bool { return e.Kind == EventFile && e.Group == "g1" })
	alice.tells("g1", "hello all", bob, eve)
	bob.tells("g1", "hello alice", alice)
	if got := alice.all(func(e Event) bool { return e.From == "eve9" && e.Text != "before" }); got != nil {
		t.Errorf("alice is shown %+v", got)
	}
	if refusal := eve.writes(alice, "psst"); refusal != pb.Refusal_BLOCKED {
		t.Errorf("a direct message: %s", refusal)
	}
	// What the group needs passes, also after somebody has left.
	if _, err := bob.LeaveGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	await(t, "the next epoch", func() bool {
		s, ok := alice.device.rooms.named("g1")
		hers, ok2 := eve.device.rooms.named("g1")
		return ok && ok2 && s.Epoch() > 0 && !s.Waiting() && hers.Epoch() == s.Epoch() && !hers.Waiting() && len(s.Chain().Members()) == 2
	})
	alice.tells("g1", "only you are left", eve)
	alice.unblocks("eve9")
	eve.tells("g1", "and now?", alice)
}

// Groups work among people who do not know each other and want to be asked.
func TestGroupsAmongStrangersWhoAsk(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "9")
	for _, p := range []*person{alice, bob, eve} {
		p.asks()
	}
	alice.founds("g1", bob, eve)
	for i, p := range []*person{alice, bob, eve} {
		others := slices.DeleteFunc([]*person{alice, bob, eve}, func(o *person) bool { return o == p })
		p.tells("g1", fmt.Sprintf("hello from %d", i), others...)
	}
	if _, err := bob.SendGroupFile(t.Context(), "g1", newFile(t, "g.bin", random(1000))); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*person{alice, eve} {
		p.sees("the file", func(e Event) bool { return e.Kind == EventFile && e.Group == "g1" })
	}
	// To know each other from a group is not to be let in.
	id, err := eve.Send(t.Context(), "alice42", "a word alone?")
	if err != nil {
		t.Fatal(err)
	}
	eve.sees("that it is there", ofMessage(EventDelivered, id))
	alice.sees("that eve asks", requestOf("eve9"))
	if got := alice.all(text("a word alone?")); got != nil {
		t.Error("alice sees it")
	}
}

// The account's other device has the same, whatever either of them is told.
func TestContactsFollowToTheOtherDevice(t *testing.T) {
	w := newWorld(t)
	bob, eve, dave := w.newPerson("bob", "7"), w.newPerson("eve", "9"), w.newPerson("dave", "3")
	bob.asks()
	bob.blocks("dave3")
	tablet := w.open("")
	tablet.login("bob7")
	if c := tablet.contacts(); !c.Asking || !slices.Equal(c.Blocked, []record.Account{"dave3"}) {
		t.Errorf("a new device has %+v", c)
	}
	eve.sees("the new device", func(e Event) bool { return e.Kind == EventLink })
	for _, device := range []*person{bob, tablet} {
		if refusal := eve.writes(device, "to each of you"); refusal != pb.Refusal_NONE {
			t.Fatalf("refused: %s", refusal)
		}
		device.sees("that eve asks", requestOf("eve9"))
		if refusal := dave.writes(device, "hello?"); refusal != pb.Refusal_BLOCKED {
			t.Errorf("dave: %s", refusal)
		}
	}
	tablet.accepts("eve9")
	for _, device := range []*person{bob, tablet} {
		device.sees("what eve wrote", text("to each of you"))
	}
	tablet.unblocks("dave3")
	bob.blocks("eve9")
	for _, device := range []*person{bob, tablet} {
		await(t, "the same on both", func() bool {
			c := device.contacts()
			return slices.Equal(c.Blocked, []record.Account{"eve9"}) && c.Accepted == nil && !c.Pending
		})
	}
}

// What is changed while no server is there holds at once, and reaches the servers and
// the other device later, together with what that one has changed meanwhile.
func TestContactsChangedOffline(t *testing.T) {
	w := newWorld(t)
	bob, eve := w.newPerson("bob", "7"), w.newPerson("eve", "9")
	tablet := w.open("")
	tablet.login("bob7")
	eve.says("bob7", "hello")
	bob.end()

	// Bob's first device has its word while it is alone.
	offline := w.open(bob.home)
	offline.login("bob7")
	alone := offline.device.contacts
	<-alone.turn // so that nothing is agreed with the servers
	for _, change := range []func(roster.Roster) (roster.Roster, error){
		func(r roster.Roster) (roster.Roster, error) { return r.With(roster.Blocked, "eve9") },
		func(r roster.Roster) (roster.Roster, error) { return r.WithPolicy(roster.Ask), nil },
	} {
		if err := alone.change(change); err != nil {
			t.Fatal(err)
		}
	}
	if refusal := eve.writes(offline, "are you there?"); refusal != pb.Refusal_BLOCKED {
		t.Errorf("without the servers: %s", refusal)
	}
	if c := offline.contacts(); !c.Pending || !c.Asking {
		t.Errorf("it has %+v", c)
	}
	tablet.accepts("eve9") // which the first device's later word replaces
	alone.turn <- struct{}{}
	offline = offline.again("bob7")
	for _, device := range []*person{offline, tablet} {
		await(t, "the same on both", func() bool {
			c := device.contacts()
			return c.Asking && slices.Equal(c.Blocked, []record.Account{"eve9"}) && c.Accepted == nil && !c.Pending
		})
	}
	await(t, "that eve does not find him", func() bool { return !eve.finds(tablet) })
}

// What is refused of a blocked account changes nothing.
func TestBlockedLeaveNothingBehind(t *testing.T) {
	w := newWorld(t)
	alice, eve := w.newPerson("alice", "42"), w.newPerson("eve", "9")
	eve.says("alice42", "hello")
	alice.blocks("eve9")
	session, lines := alice.kept(eve)
	var batch []transport.Delivery
	for range 5 {
		batch = append(batch, eve.seals(alice, wire.Text("again")))
	}
	for _, refusal := range alice.receives(eve.identity().Device, eve.device.hello(), batch...) {
		if refusal != pb.Refusal_BLOCKED {
			t.Errorf("%s", refusal)
		}
	}
	if after, n := alice.kept(eve); string(after) != string(session) || n != lines {
		t.Error("something is left behind")
	}
}
