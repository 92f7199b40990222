package node

import (
	"slices"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/node/causal"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// withholds seals a text for a group and does not publish it. If it is not kept either,
// nobody will ever have it.
func (p *person) withholds(name record.GroupName, text string, kept bool) {
	p.Helper()
	rooms := p.device.rooms
	err := p.device.commit(func(tx *store.Tx, fx *effects) error {
		s, err := rooms.mine(name)
		if err != nil {
			return err
		}
		now := time.Now()
		content, err := wire.GroupContent{ID: wire.NewMessageID(), SentAt: now, ChainLength: s.Chain().Len(), ChainHead: s.Chain().Head(), Body: wire.Text(text)}.Marshal()
		if err != nil {
			return err
		}
		s, out, err := s.Send(rooms.self(), content, rooms.devices(s))
		if err != nil {
			return err
		}
		if kept {
			tx.LogGroup(s.ID(), store.Logged(out.Sealed), now)
		}
		return rooms.put(tx, fx, s)
	})
	if err != nil {
		p.Fatal(err)
	}
}

// What is missing is told, with who said it, while what follows waits; and when nobody
// has it, what follows is shown and the gap stays in the conversation.
func TestGapsAreShown(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.founds("walk", bob)
	alice.tells("walk", "one", bob)
	alice.withholds("walk", "two", false)
	alice.withholds("walk", "three", false)
	if _, err := alice.SendGroup(t.Context(), "walk", "four"); err != nil {
		t.Fatal(err)
	}
	gap := bob.sees("that something is missing", func(e Event) bool { return e.Kind == EventGap })
	if gap.Group != "walk" || gap.From != "alice42" || gap.Missing != 2 || gap.Text != "2 messages from alice42 are missing; asking others." {
		t.Errorf("told %+v", gap)
	}
	if got := bob.texts(); !slices.Equal(got, []string{"one"}) {
		t.Errorf("shown before the gap is filled: %q", got)
	}
	bob = bob.again("bob7") // what waits is on disk
	bob.device.rooms.reviewOrder(bob.groupID("walk"), time.Now().Add(causal.Patience))
	bob.sees("what follows", inGroup("walk", "four"))
	lines, err := bob.History(t.Context(), "#walk", 0)
	if err != nil || len(lines) != 3 || lines[1].Missing != 2 || lines[1].From != "alice42" || lines[2].Text != "four" {
		t.Errorf("history %+v, %v", lines, err)
	}
	alice.tells("walk", "five", bob)
	if n := len(bob.all(func(e Event) bool { return e.Kind == EventGap })); n > 1 {
		t.Errorf("told %d times", n)
	}
}

// missesNothing checks that a person has not been told that something is missing.
func (p *person) missesNothing() {
	p.Helper()
	if gaps := p.all(func(e Event) bool { return e.Kind == EventGap }); len(gaps) > 0 {
		p.Errorf("%s waited for what never comes: %+v", p.home, gaps)
	}
}

// A gap that can be filled is: what was lost on one way comes by another, and nothing is
// shown out of turn.
func TestGapsAreFilled(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.founds("walk", bob)
	alice.tells("walk", "one", bob)
	alice.withholds("walk", "two", true)
	alice.tells("walk", "three", bob)
	if got := bob.texts(); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("bob is shown %q", got)
	}
}

// Mail that is ahead of what this device knows of a group waits on its disk, over a
// restart too, until it is clear what becomes of the group.
func TestMailAheadOfTheGroup(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "we have met")
	id := record.NewGroupID() // of a group that bob has not heard of
	ahead := alice.seals(bob, wire.SenderKey{Group: id, Epoch: 1, Distribution: []byte("a key")})
	parked := func() (all []store.Parked) {
		if err := bob.device.store.View(func(tx *store.Tx) error { all = tx.Parked(0, 10); return nil }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	w.stop() // so that nobody can tell him
	err := bob.device.mailbox.takeLetters(t.Context(), []letter{{from: "alice42", device: alice.id, id: ahead.ID, envelope: ahead.Envelope}})
	if err != nil || len(parked()) != 1 || parked()[0].ID != ahead.ID {
		t.Fatalf("%d letters are parked: %v", len(parked()), err)
	}
	bob = bob.again("bob7")
	if err := bob.device.mailbox.takeParked(t.Context()); err != nil || len(parked()) != 1 {
		t.Fatalf("after a restart %d letters are parked: %v", len(parked()), err)
	}
	bob.device.rooms.disown(id) // as when the servers say that he is not in it
	if err := bob.device.mailbox.takeParked(t.Context()); err != nil || len(parked()) != 0 {
		t.Fatalf("at last %d letters are parked: %v", len(parked()), err)
	}
}
