package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

func gone(kind EventKind, group record.GroupName, a record.Account) func(Event) bool {
	return func(e Event) bool { return e.Kind == kind && e.Group == group && e.Account == a }
}

// Who was removed reads nothing from the moment on at which the others know, from the
// topic or from members, and says nothing; a new epoch begins.
func TestRemovedMember(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	alice.founds("g1", bob, carol)
	alice.tells("g1", "hello", bob, carol)
	bob.tells("g1", "hello, alice", alice, carol)
	carol.tells("g1", "hello, you two", alice, bob)
	id := alice.groupID("g1")
	s, _ := carol.device.rooms.state(id)
	topic, _ := s.Topic()

	_, err := bob.RemoveMember(t.Context(), "carol9", "g1")
	wantCode(t, err, CodeRefused) // he is no admin
	_, err = alice.RemoveMember(t.Context(), "alice42", "g1")
	wantCode(t, err, CodeUsage)
	_, err = alice.RemoveMember(t.Context(), "nobody0", "g1")
	wantCode(t, err, CodeNotMember)
	if _, err := alice.RemoveMember(t.Context(), "carol9", "#G1"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*person{alice, bob, carol} {
		if e := p.sees("the removal", gone(EventRemoved, "g1", "carol9")); e.By != "alice42" {
			t.Errorf("removed by %s", e.By)
		}
	}
	if groups, err := carol.MyGroups(t.Context()); err != nil || len(groups) != 0 {
		t.Errorf("carol is in %+v, %v", groups, err)
	}
	// Carol's device goes on listening on the topic that it knows, and asks around.
	var own *transport.Topic
	await(t, "carol leaving the topic herself", func() bool {
		own, err = carol.device.topics.Join(topic, func(peer.ID) bool { return true }, func(_ context.Context, from peer.ID, data []byte) {
			t.Errorf("carol hears %d bytes from %s", len(data), from)
		})
		return !errors.Is(err, transport.ErrJoined)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		alice.tells("g1", fmt.Sprintf("without her %d", i), bob)
		if err := own.Publish(t.Context(), []byte("still here"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := carol.device.link.host.Sync(t.Context(), alice.identity().Device, wire.SyncRequest{Group: id, Have: s.Have()}.ToWire()); err == nil {
		t.Errorf("carol is passed %d messages", len(got))
	}
	await(t, "a new epoch", func() bool {
		a, _ := alice.device.rooms.state(id)
		b, _ := bob.device.rooms.state(id)
		return a.Epoch() == s.Epoch()+1 && b.Epoch() == a.Epoch() && !a.Waiting() && !b.Waiting() && !a.Chain().Lapsed()
	})
	alice.tells("g1", "in the new epoch", bob)
	bob.tells("g1", "here too", alice)

	_, _, err = carol.JoinGroup(t.Context(), "g1")
	wantCode(t, err, CodeRefused)
	_, err = carol.SendGroup(t.Context(), "g1", "let me in")
	wantCode(t, err, CodeNotMember)
	carol = carol.again("carol9")
	if groups, err := carol.MyGroups(t.Context()); err != nil || len(groups) != 0 {
		t.Errorf("after a restart carol is in %+v, %v", groups, err)
	}
	members, err := bob.Members(t.Context(), "g1")
	if want := []Member{{Account: "alice42", Admin: true}, {Account: "bob7"}}; err != nil || !slices.Equal(members, want) {
		t.Errorf("members %+v, %v", members, err)
	}
	carol.says("alice42", "why?") // they are no strangers for it
}

// Who leaves can come back, reads what is said from then on, and nothing of what was
// said meanwhile. Who was away hears of it.
func TestLeavingAndComingBack(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	alice.founds("g1", bob, carol)
	alice.tells("g1", "hello", bob, carol)
	tablet := w.open("")
	tablet.login("bob7")
	await(t, "bob's tablet in the group", func() bool {
		groups, err := tablet.MyGroups(t.Context())
		return err == nil && len(groups) == 1 && !groups[0].Waiting
	})
	carol.end() // she is away as bob leaves
	if _, err := bob.LeaveGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*person{alice, bob, tablet} {
		p.sees("bob leaving", gone(EventLeft, "g1", "bob7"))
	}
	_, err := bob.LeaveGroup(t.Context(), "g1")
	wantCode(t, err, CodeNotMember)
	_, err = bob.LeaveGroup(t.Context(), "nowhere")
	wantCode(t, err, CodeNoGroup)
	alice.tells("g1", "between us")
	carol = w.open(carol.home)
	carol.login("carol9")
	carol.sees("bob leaving", gone(EventLeft, "g1", "bob7"))
	carol.sees("what was said meanwhile", inGroup("g1", "between us"))

	if _, waiting, err := bob.JoinGroup(t.Context(), "g1"); err != nil || waiting {
		t.Fatalf("waiting %t, %v", waiting, err)
	}
	alice.sees("bob coming back", func(e Event) bool { return e.Kind == EventJoined && e.Account == "bob7" })
	alice.tells("g1", "welcome back", bob, carol)
	bob.tells("g1", "thanks", alice, carol)
	tablet.sees("what is said now", inGroup("g1", "thanks"))
	for _, p := range []*person{bob, tablet} {
		if got := p.all(text("between us")); got != nil {
			t.Error("bob reads what was said while he was gone")
		}
	}
}

// The last to leave leaves a name that is taken, and a group that somebody may take up.
func TestGroupThatAllHaveLeft(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.founds("g1", bob)
	alice.tells("g1", "hello", bob)
	for _, p := range []*person{alice, bob} {
		if _, err := p.LeaveGroup(t.Context(), "g1"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := alice.CreateGroup(t.Context(), "g1")
	wantCode(t, err, CodeGroupTaken)
	if _, waiting, err := bob.JoinGroup(t.Context(), "g1"); err != nil || waiting {
		t.Fatalf("bob waits %t, %v", waiting, err)
	}
	if _, waiting, err := alice.JoinGroup(t.Context(), "g1"); err != nil || waiting {
		t.Fatalf("alice waits %t, %v", waiting, err)
	}
	bob.tells("g1", "again", alice)
	if members, err := alice.Members(t.Context(), "g1"); err != nil || len(members) != 2 || members[0].Admin {
		t.Errorf("members %+v, %v", members, err)
	}
}
