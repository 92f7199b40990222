package node

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

func isFork(e Event) bool { return e.Kind == EventError && e.Err.Code == CodeForked }

// Servers that show another history of a group than before are found out, whether it is
// as long or longer; what they show changes nothing, and the person is told once. That
// they show what is known already, or not enough, is no such thing.
func TestServersShowTwoHistories(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.founds("g1", bob)
	alice.tells("g1", "hello", bob)
	id := alice.groupID("g1")
	s, before := alice.roomState("g1")
	chain, err := record.VerifyChain(s.Statements()[:1], alice.device.people.acts)
	if err != nil {
		t.Fatal(err)
	}
	if s.Chain().Len() != 2 {
		t.Fatalf("the chain has %d statements", s.Chain().Len())
	}
	bobs := bob.device.rooms.self()
	rekey := func(c record.Chain) []byte {
		next := c.Next(record.Rekey, "alice42", alice.identity().Device, time.Now())
		next.Commitment = record.Hash{1}
		return next.Sign(alice.device.key)
	}
	// Another second statement, as alice might have made it, and one more after it.
	second := rekey(chain)
	forked, err := chain.Append(second, alice.device.people.acts)
	if err != nil {
		t.Fatal(err)
	}
	join := forked.Next(record.JoinGroup, bobs.Account, bobs.Device, time.Now()).Sign(bobs.Signer)
	shows := func(statements ...[]byte) error {
		return alice.device.rooms.extend(t.Context(), id, client.GroupChain{ID: id, Statements: statements})
	}
	if err := shows(s.Statements()...); err != nil {
		t.Errorf("the known history: %v", err)
	}
	ahead := forked.Next(record.LeaveGroup, bobs.Account, bobs.Device, time.Now())
	ahead.Seq = 9
	if err := shows(ahead.Sign(bobs.Signer)); !errors.Is(err, record.ErrChain) {
		t.Errorf("a history with a hole: %v", err)
	}
	if got := alice.all(isFork); got != nil {
		t.Fatalf("told of a fork that is none: %v", got[0].Err)
	}
	for name, statements := range map[string][][]byte{
		"as long":                    {second},
		"longer":                     {second, join},
		"longer, from there on":      {join},
		"longer, from the beginning": {s.Statements()[0], second, join},
	} {
		if err := shows(statements...); !errors.Is(err, record.ErrFork) {
			t.Errorf("a history that is %s: %v", name, err)
		}
	}
	e := alice.sees("that there are two histories", isFork)
	if e.Group != "g1" || !strings.Contains(e.Err.Message, "two different histories of #g1") || e.Err.Hint == "" {
		t.Errorf("told of %s: %v", e.Group, e.Err)
	}
	bob.tells("g1", "and on", alice)
	if n := len(alice.all(isFork)); n != 1 {
		t.Errorf("told %d times", n)
	}
	if after, _ := alice.roomState("g1"); after.Chain().Head() != s.Chain().Head() || len(before) == 0 {
		t.Error("a forged history changed the group")
	}
}

// A member who has been shown another history says so with each message.
func TestMembersKnowTwoHistories(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.founds("g1", bob)
	bob.tells("g1", "hello", alice)
	says := func(text string, length uint64, head record.Hash) {
		t.Helper()
		content, err := wire.GroupContent{ID: wire.NewMessageID(), SentAt: time.Now(), ChainLength: length, ChainHead: head, Body: wire.Text(text)}.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		s, _ := bob.roomState("g1")
		s, out, err := s.Send(bob.device.rooms.self(), content, nil)
		if err != nil {
			t.Fatal(err)
		}
		rooms := bob.device.rooms
		rooms.mu.Lock()
		rooms.byID[s.ID()].state = s
		rooms.mu.Unlock()
		alice.device.rooms.takeAll([]topicMessage{{s.ID(), bob.device.rooms.self().Member, out.Sealed.Message}})
		alice.sees(text, inGroup("g1", text))
	}
	s, _ := bob.roomState("g1")
	says("as of the beginning", 1, record.HashOf(s.Statements()[0]))
	says("as of now", s.Chain().Len(), s.Chain().Head())
	says("as of a time to come", s.Chain().Len()+1, record.Hash{1})
	if got := alice.all(isFork); got != nil {
		t.Fatalf("told of a fork that is none: %v", got[0].Err)
	}
	says("as of another beginning", 1, record.Hash{1})
	says("and another", 2, record.Hash{1})
	got := alice.all(isFork)
	if len(got) != 1 || got[0].Group != "g1" || !strings.Contains(got[0].Err.Message, "bob7 knows another history of #g1") {
		t.Errorf("told %+v", got)
	}
}
