package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/session"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	rwire "github.com/tryst-chat/tryst/rendezvous/wire"
)

// identity is a person's device as its peers know it.
func (p *person) identity() session.Identity { return p.device.self.Identity }

// seals returns a content in an envelope of the session with another's device, as
// if it were on its way. It begins a session if there is none.
func (p *person) seals(to *person, body wire.Body) transport.Delivery {
	p.Helper()
	content := wire.Content{ID: wire.NewMessageID(), SentAt: time.Now(), Body: body}
	plain, err := content.Marshal()
	if err != nil {
		p.Fatal(err)
	}
	return transport.Delivery{ID: content.ID, Envelope: p.sealsRaw(to, content.ID, plain)}
}

func (p *person) sealsRaw(to *person, id wire.MessageID, plain []byte) []byte {
	p.Helper()
	await(p, "the keys that a session begins with", to.hasPublished)
	peer := to.identity()
	var entry outbox.Entry
	err := p.device.store.Update(func(tx *store.Tx) error {
		var err error
		entry, err = tx.AddEntry(outbox.New(id, peer.Account, peer.Device, plain, time.Now()))
		return err
	})
	if err != nil {
		p.Fatal(err)
	}
	if entry, err = p.device.sealEntry(p.Context(), entry); err != nil {
		p.Fatalf("seal: %v", err)
	}
	err = p.device.store.Update(func(tx *store.Tx) error { // the test brings it
		tx.PutEntry(entry.Expire(outbox.ReasonTooOld))
		return nil
	})
	if err != nil {
		p.Fatal(err)
	}
	return entry.Envelope
}

// receives hands deliveries to a person's inbox as if a device had brought them.
func (p *person) receives(from peer.ID, hello transport.Hello, batch ...transport.Delivery) []pb.Refusal {
	return (&inbox{p.device}).Receive(p.Context(), from, hello, batch)
}

func (p *person) receivesOne(from *person, d transport.Delivery) pb.Refusal {
	return p.receives(from.identity().Device, from.device.hello(), d)[0]
}

// kept returns what a person's device has of another's: the sessions, and the
// conversation.
func (p *person) kept(of *person) (sessions []byte, lines int) {
	p.Helper()
	err := p.device.store.View(func(tx *store.Tx) error {
		var err error
		sessions, err = tx.Session(of.identity().Device).MarshalBinary()
		lines = len(tx.History(string(of.identity().Account), 0))
		return err
	})
	if err != nil {
		p.Fatal(err)
	}
	return sessions, lines
}

// hasPublished reports whether the servers have the device's prekeys.
func (p *person) hasPublished() (published bool) {
	err := p.device.store.View(func(tx *store.Tx) error {
		_, published = tx.Meta(bundlePublished)
		return nil
	})
	return err == nil && published
}

func (p *person) roomState(name record.GroupName) (s group.State, raw []byte) {
	p.Helper()
	s, ok := p.device.rooms.named(name)
	if !ok {
		p.Fatalf("there is no group %s", name)
	}
	raw, err := s.MarshalBinary()
	if err != nil {
		p.Fatal(err)
	}
	return s, raw
}

// An envelope with any byte changed opens nothing and changes nothing, whether it
// begins a session, repeats how one began, or goes on in one; the genuine one is
// then taken, once.
func TestEnvelopeWithEveryByteFlipped(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	if _, err := bob.device.people.find(t.Context(), "alice42"); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.device.people.find(t.Context(), "bob7"); err != nil {
		t.Fatal(err)
	}
	for i, stage := range []string{"that begins a session", "that repeats how it began", "of an open session"} {
		said := "the message " + stage
		genuine := alice.seals(bob, wire.Text(said))
		flipped := make([]transport.Delivery, len(genuine.Envelope))
		for j := range flipped {
			envelope := bytes.Clone(genuine.Envelope)
			envelope[j] ^= 1 << (j % 8)
			flipped[j] = transport.Delivery{ID: genuine.ID, Envelope: envelope}
		}
		// What bob answers to the one before changes his session, too.
		await(t, "that bob has no more to say", func() bool { return !bob.device.courier.waitsFor(alice.identity().Device) })
		sessions, lines := bob.kept(alice)
		for j, refusal := range bob.receives(alice.identity().Device, alice.device.hello(), flipped...) {
			if refusal != pb.Refusal_RENEW && refusal != pb.Refusal_UNKNOWN {
				t.Errorf("%s, byte %d: %s", stage, j, refusal)
			}
		}
		if after, n := bob.kept(alice); n != lines || !bytes.Equal(after, sessions) {
			t.Errorf("%s: changed envelopes left something behind", stage)
		}
		for range 3 {
			if refusal := bob.receivesOne(alice, genuine); refusal != pb.Refusal_NONE {
				t.Errorf("%s: the genuine one is refused: %s", stage, refusal)
			}
		}
		bob.sees("the genuine one", text(said))
		if _, n := bob.kept(alice); n != lines+1 {
			t.Errorf("%s: %d lines are kept", stage, n-lines)
		}
		if i == 1 {
			bob.says("alice42", "so that the session is open on both sides")
		}
		if n := len(bob.all(text(said))); n != 1 {
			t.Errorf("%s: shown %d times", stage, n)
		}
	}
	// The same envelope under another ID, or in one's own name, is nothing new.
	again := alice.seals(bob, wire.Text("once"))
	bob.receivesOne(alice, again)
	again.ID = wire.NewMessageID()
	if refusal := bob.receivesOne(alice, again); refusal != pb.Refusal_RENEW {
		t.Errorf("an envelope under another ID: %s", refusal)
	}
	lying := alice.seals(bob, wire.Text("under a wrong ID"))
	lying.ID = wire.NewMessageID()
	bob.receivesOne(alice, lying)
	alice.says("bob7", "the last")
	if bob.all(text("under a wrong ID")) != nil || len(bob.all(text("once"))) != 1 {
		t.Error("an envelope under another ID is shown")
	}
}

// A device speaks for the account whose log it is in, and for no other; and its
// idea of that log may not contradict what is known.
func TestHelloThatLies(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "1")
	alice.says("bob7", "hello")
	bob.says("alice42", "hello") // from here on alice's envelopes do not tell who made them
	eve.says("bob7", "hello")
	genuine := alice.device.hello()
	aliceDevice, eveDevice := alice.identity().Device, eve.identity().Device
	forked, ahead, behind, longFork := genuine, genuine, genuine, genuine
	forked.LogHead[0] ^= 1
	ahead.LogLength++
	behind.LogLength = 0
	stranger := genuine
	stranger.Account = "nobody0"

	for name, c := range map[string]struct {
		from  peer.ID
		hello transport.Hello
		want  pb.Refusal
	}{
		"another's account":        {eveDevice, genuine, pb.Refusal_UNKNOWN},
		"an account that is not":   {aliceDevice, stranger, pb.Refusal_UNKNOWN},
		"a forked log":             {aliceDevice, forked, pb.Refusal_UNKNOWN},
		"a log without entries":    {aliceDevice, behind, pb.Refusal_UNKNOWN},
		"a log that no server has": {aliceDevice, ahead, pb.Refusal_LATER},
		"an envelope of another's": {eveDevice, eve.device.hello(), pb.Refusal_RENEW},
	} {
		if got := bob.receives(c.from, c.hello, alice.seals(bob, wire.Text("lie"))); got[0] != c.want {
			t.Errorf("%s: %s, want %s", name, got[0], c.want)
		}
	}

	// A log that has grown at the servers, but not to what the device says.
	tablet := w.open("")
	tablet.login("alice42")
	alice.seesNotices("alice42", 1)
	longFork.LogLength++
	longFork.LogHead[0] ^= 1
	if got := bob.receives(aliceDevice, longFork, alice.seals(bob, wire.Text("lie"))); got[0] != pb.Refusal_UNKNOWN {
		t.Errorf("a longer forked log: %s", got[0])
	}
	newcomer := w.newPerson("carol", "9") // who meets alice for the first time
	if got := newcomer.receives(aliceDevice, longFork, transport.Delivery{}); got[0] != pb.Refusal_UNKNOWN {
		t.Errorf("a forked log at first sight: %s", got[0])
	}
	if got := bob.receives(aliceDevice, genuine, alice.seals(bob, wire.Text("truth"))); got[0] != pb.Refusal_NONE {
		t.Errorf("a log that is only a little behind: %s", got[0])
	}
	alice.says("bob7", "the last")
	if got := bob.all(text("lie")); got != nil {
		t.Errorf("%d lies are shown", len(got))
	}
}

// An identity key that differs from the pinned one is not taken.
func TestAnotherIdentityThanThePinnedOne(t *testing.T) {
	w := newWorld(t)
	alice, eve := w.newPerson("alice", "42"), w.newPerson("eve", "1")
	w.newPerson("bob", "7")
	alice.says("bob7", "hello")
	bobs, _ := alice.device.people.contact("bob7")
	found, err := alice.device.link.client.LookUp(t.Context(), "eve1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = alice.device.people.learn(account.Claim{Account: "bob7", Identity: found.Identity, Log: found.Signed})
	wantCode(t, err, CodeIdentity)
	wantCode(t, alice.sees("the warning", func(e Event) bool { return e.Kind == EventError && e.Account == "bob7" }).Err, CodeIdentity)
	if now, _ := alice.device.people.contact("bob7"); !now.Identity.Equal(bobs.Identity) || len(now.Log) != len(bobs.Log) {
		t.Error("what is pinned was replaced")
	}
	eve.says("alice42", "I am only eve")
}

// Bytes that are no frames, and frames that are too long, end a stream and nothing
// else, whoever sends them.
func TestGarbageOnTheStreams(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "1")
	alice.says("bob7", "before")
	eve.says("bob7", "hello")
	target := bob.device.link.host.Libp2p()
	stranger := outsider(t, target).host
	hello := frame(t, &pb.Frame{Kind: &pb.Frame_Hello{Hello: &pb.Hello{
		Account: "eve1", LogLength: 1, LogHead: make([]byte, len(record.Hash{})),
	}}})
	huge := func(size uint64) []byte { return append(binary.AppendUvarint(nil, size), random(1<<20)...) }
	delivery := func(id, envelope []byte) []byte {
		return frame(t, &pb.Frame{Kind: &pb.Frame_Delivery{Delivery: &pb.Delivery{Id: id, Envelope: envelope}}})
	}
	id := wire.NewMessageID()
	bad := map[protocol.ID][][]byte{
		wire.Message: {
			random(1000), huge(1 << 20), huge(1 << 62), bytes.Repeat([]byte{0xff}, 100), {0}, {5, 1},
			delivery(id[:], random(100)), // before the hello
			slices.Concat(hello, random(1000)), slices.Concat(hello, hello), slices.Concat(hello, huge(wire.MaxFrame+1)),
			slices.Concat(hello, delivery(id[:3], nil)),
			slices.Concat(hello, delivery(id[:], random(wire.MaxEnvelope+1))),
			slices.Concat(hello, bytes.Repeat(delivery(id[:], random(2000)), 200)),
		},
		wire.File: {
			random(1000), huge(1 << 20), huge(1 << 62), {0}, {5, 1},
			frame(t, &pb.FileRequest{Id: []byte("short")}),
			frame(t, &pb.FileRequest{Id: make([]byte, 16), From: 1 << 63}),
		},
		wire.File + "/own": {random(1000), {255, 1}, {0}, append([]byte{38}, random(200)...)},
	}
	var attack sync.WaitGroup
	for protocol, all := range bad {
		for _, b := range all {
			for _, from := range []host.Host{stranger, eve.device.link.host.Libp2p()} {
				attack.Go(func() { shout(t, from, target.ID(), protocol, b) })
			}
		}
	}
	attack.Wait()
	alice.says("bob7", "after")
	bob.says("alice42", "still here")
	eve.says("bob7", "I too")
	content := random(1000)
	bob.gets(alice.gives("bob7", newFile(t, "after.bin", content)), content)
	if got := len(bob.all(func(e Event) bool { return e.Kind == EventMessage })); got != 4 {
		t.Errorf("bob sees %d messages", got)
	}
}

func frame(t *testing.T, m proto.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := rwire.WriteFrame(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shout writes bytes on a new stream and waits until the other side has ended it.
func shout(t *testing.T, from host.Host, to peer.ID, on protocol.ID, b []byte) {
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	s, err := from.NewStream(ctx, to, on)
	if err != nil {
		return // refused at once is as good
	}
	defer s.Reset()
	s.SetDeadline(time.Now().Add(testTimeout))
	s.Write(b) // the other side may have ended it meanwhile
	s.CloseWrite()
	if n, err := io.Copy(io.Discard, s); err != nil && n > 1<<20 {
		t.Errorf("%s: answered with %d bytes, %v", on, n, err)
	}
}

// When one side has lost a session, messages arrive all the same, once and in
// order, in a new one.
func TestLostSessionRenewsItself(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "hello")
	bob.says("alice42", "hello")
	lose := func(p, of *person) {
		err := p.device.store.Update(func(tx *store.Tx) error {
			tx.RemoveSession(of.identity().Device)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	told := func(p *person, of record.Account) int {
		return len(p.all(func(e Event) bool { return e.Kind == EventNotice && e.Account == of }))
	}
	for _, c := range []struct {
		name             string
		lose             func()
		alices, bobsTold int // so often they have been told of it then
	}{
		{"the recipient", func() { lose(bob, alice) }, 1, 0},
		{"the sender", func() { lose(alice, bob) }, 1, 1},
		{"both", func() { lose(alice, bob); lose(bob, alice) }, 1, 1}, // nobody knows
	} {
		c.lose()
		var last string
		var want []string
		for i := range 2 * outbox.Window {
			s := fmt.Sprintf("%s %d", c.name, i)
			id, err := alice.Send(t.Context(), "bob7", s)
			if err != nil {
				t.Fatal(err)
			}
			want, last = append(want, s), id
		}
		alice.sees("that the last was delivered", ofMessage(EventDelivered, last))
		bob.sees("the last", text(want[len(want)-1]))
		var got []string
		for _, e := range bob.all(func(e Event) bool { return e.Kind == EventMessage && slices.Contains(want, e.Text) }) {
			got = append(got, e.Text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has lost the session: %q", c.name, got)
		}
		bob.says("alice42", "back, after "+c.name)
		if a, b := told(alice, "bob7"), told(bob, "alice42"); a != c.alices || b != c.bobsTold {
			t.Errorf("%s has lost the session: alice was told %d times and bob %d times, want %d and %d", c.name, a, b, c.alices, c.bobsTold)
		}
	}
	if got := alice.all(func(e Event) bool { return e.Kind == EventError }); got != nil {
		t.Errorf("alice is told %+v", got)
	}
}

// What a member, or somebody who is none, says of a group is believed only as far
// as its chain bears it out.
func TestForgeriesAboutGroups(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve, dave := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "1"), w.newPerson("dave", "3")
	alice.founds("g1", eve)
	for _, p := range []*person{eve, dave} {
		p.says("bob7", "hello")
	}
	s, _ := alice.roomState("g1")
	forged := eve.seals(bob, wire.EpochSecret{Group: s.ID(), Epoch: s.Epoch(), Secret: key.NewEpoch()})
	eves, hello := eve.identity().Device, eve.device.hello()
	alice.end()
	eve.end()

	joined := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_, _, err := bob.JoinGroup(ctx, "g1")
		joined <- err
	}()
	await(t, "bob in the group", func() bool { _, ok := bob.device.rooms.named("g1"); return ok })
	cancel()
	if err := <-joined; err != nil {
		t.Fatal(err)
	}
	_, before := bob.roomState("g1")
	if got := bob.receives(eves, hello, forged); got[0] != pb.Refusal_NONE {
		t.Errorf("a forged secret: %s", got[0])
	}
	if now, after := bob.roomState("g1"); !now.Waiting() || !bytes.Equal(before, after) {
		t.Error("a forged secret is taken")
	}
	alice = w.open(alice.home)
	alice.login("alice42")
	await(t, "the genuine secret", func() bool { s, _ := bob.roomState("g1"); return !s.Waiting() })
	strangersInGroups(t, bob, dave, s.ID())

	if _, err := alice.SendGroup(t.Context(), "g1", "welcome"); err != nil {
		t.Fatal(err)
	}
	bob.sees("the message", inGroup("g1", "welcome"))
	if got := bob.all(func(e Event) bool { return e.Group != "" && e.From == "dave3" }); got != nil {
		t.Errorf("dave speaks in groups: %+v", got)
	}
	dave.says("bob7", "I can still write to you")
}

// strangersInGroups has dave, who is not in the group, act as if he were, and talk
// of a group that bob is not in.
func strangersInGroups(t *testing.T, bob, dave *person, g1 record.GroupID) {
	dave.founds("g2")
	foreign, _ := dave.roomState("g2")
	content, err := wire.GroupContent{ID: wire.NewMessageID(), SentAt: time.Now(), ChainLength: 1, Body: wire.Text("psst")}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	bobs := group.Member{Account: "bob7", Device: bob.identity().Device}
	_, out, err := foreign.Send(dave.device.rooms.self(), content, []group.Member{bobs})
	if err != nil {
		t.Fatal(err)
	}
	mine, _ := bob.roomState("g1")
	_, before := bob.roomState("g1")
	for name, body := range map[string]wire.Body{
		"sender key":   wire.SenderKey{Group: g1, Epoch: mine.Epoch(), Distribution: out.SenderKeys[bobs.Device]},
		"epoch secret": wire.EpochSecret{Group: g1, Epoch: mine.Epoch(), Secret: key.NewEpoch()},
	} {
		if got := bob.receivesOne(dave, dave.seals(bob, body)); got != pb.Refusal_LATER {
			t.Errorf("a stranger's %s: %s", name, got)
		}
	}
	// A request is taken, and remembered for when the chain lets him in, but not
	// answered.
	if got := bob.receivesOne(dave, dave.seals(bob, wire.EpochRequest{Group: g1, Epoch: mine.Epoch()})); got != pb.Refusal_NONE {
		t.Errorf("a stranger's request: %s", got)
	}
	own := dave.seals(bob, wire.SenderKey{Group: foreign.ID(), Epoch: foreign.Epoch(), Distribution: out.SenderKeys[bobs.Device]})
	await(t, "that the foreign group is known as such", func() bool {
		return bob.receivesOne(dave, own) == pb.Refusal_NONE
	})
	if _, after := bob.roomState("g1"); !bytes.Equal(before, after) {
		t.Error("a stranger changed the group")
	}
	if _, ok := bob.device.rooms.state(foreign.ID()); ok {
		t.Error("bob has the foreign group")
	}
	if _, ok := dave.device.rooms.state(g1); ok {
		t.Error("dave has bob's group")
	}
}

// A contact who talks of groups that are not there costs a question each, and a
// bounded memory.
func TestFloodOfUnknownGroups(t *testing.T) {
	w := newWorld(t)
	bob, eve := w.newPerson("bob", "7"), w.newPerson("eve", "1")
	eve.says("bob7", "hello")
	var flood []transport.Delivery
	for range 3 * maxWorkers {
		id := record.NewGroupID()
		flood = append(flood, eve.seals(bob, wire.EpochRequest{Group: id, Epoch: 1}), eve.seals(bob, wire.SenderKey{Group: id, Epoch: 1}))
	}
	for i, refusal := range bob.receives(eve.identity().Device, eve.device.hello(), flood...) {
		if want := []pb.Refusal{pb.Refusal_NONE, pb.Refusal_LATER}[i%2]; refusal != want {
			t.Errorf("delivery %d: %s, want %s", i, refusal, want)
		}
	}
	eve.says("bob7", "and now?")
	rooms := bob.device.rooms
	for range 2*maxForeign + 10 {
		rooms.disown(record.NewGroupID())
	}
	rooms.mu.RLock()
	defer rooms.mu.RUnlock()
	if len(rooms.foreign) > maxForeign || len(rooms.byID) != 0 {
		t.Errorf("%d foreign groups are remembered, and %d groups", len(rooms.foreign), len(rooms.byID))
	}
}
