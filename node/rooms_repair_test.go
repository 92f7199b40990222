package node

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// deaf takes a person's device off a group's topic, without its knowing.
func (p *person) deaf(id record.GroupID) {
	p.Helper()
	if err := p.device.rooms.rotation(id).Leave(p.Context()); err != nil {
		p.Fatal(err)
	}
}

// Whatever a topic loses is asked for: what shows as a gap, and the last message,
// whose loss shows nowhere.
func TestGroupRepairsWhatItsTopicLost(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.founds("g1", bob)
	id := alice.groupID("g1")
	alice.tells("g1", "hello", bob)
	for round := range 2 {
		bob.deaf(id)
		lost := fmt.Sprintf("lost %d", round)
		alice.tells("g1", lost)
		if round == 0 { // the gap shows when the next one comes
			bob.device.rooms.enter(id)
			alice.tells("g1", "and on", bob)
		}
		bob.sees(lost, inGroup("g1", lost))
	}
	for _, s := range []string{"hello", "lost 0", "and on", "lost 1"} {
		if n := len(bob.all(inGroup("g1", s))); n != 1 {
			t.Errorf("%q came %d times", s, n)
		}
	}
}

// What somebody said who has gone is got from whoever heard it.
func TestMembersPassOnWhatTheyHeard(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	alice.founds("g1", bob, carol)
	alice.tells("g1", "hello", bob, carol)
	carol.end()
	for i := range 300 { // more than one answer brings
		alice.tells("g1", fmt.Sprintf("meanwhile %d", i))
	}
	bob.sees("all of it", inGroup("g1", "meanwhile 299"))
	await(t, "bob having all of it", func() bool { return len(bob.all(isGroupText)) == 301 })
	alice.end()
	carol = w.open(carol.home)
	carol.login("carol9")
	carol.sees("the last of what alice said", inGroup("g1", "meanwhile 299"))
	await(t, "carol having all of it", func() bool { return len(carol.all(isGroupText)) == 300 })
	got := carol.all(isGroupText)
	if !slices.IsSortedFunc(got, func(a, b Event) int { return a.At.Compare(b.At) }) {
		t.Error("carol got it in another order than alice said it in")
	}
	for _, e := range got {
		if e.From != "alice42" {
			t.Errorf("%q is from %s", e.Text, e.From)
		}
	}
}

func isGroupText(e Event) bool { return e.Kind == EventMessage && e.Group != "" }

// Only members are answered, and only what is a valid question.
func TestStrangersGetNoGroupMessages(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("eve", "1")
	alice.founds("g1", bob)
	alice.tells("g1", "hello", bob)
	eve.says("alice42", "hello") // so that they are connected
	id := alice.groupID("g1")
	s, _ := alice.device.rooms.state(id)
	chain := s.Have()[0].Chain
	ask := func(p *person, request *pb.SyncRequest) ([][]byte, error) {
		return p.device.link.host.Sync(t.Context(), alice.identity().Device, request)
	}
	all := wire.SyncRequest{Group: id, Have: []wire.Have{{Chain: chain}}}.ToWire()
	if got, err := ask(bob, all); err != nil || len(got) != 1 {
		t.Errorf("a member got %d messages, %v", len(got), err)
	}
	for name, request := range map[string]*pb.SyncRequest{
		"a stranger asks":    all,
		"an unknown group":   wire.SyncRequest{Group: record.NewGroupID()}.ToWire(),
		"a malformed group":  {Group: []byte("g1")},
		"a malformed chain":  {Group: id[:], Have: []*pb.Have{{Chain: []byte("c")}}},
		"numbers from above": {Group: id[:], Have: []*pb.Have{{Chain: chain[:], Next: 1, Missing: []uint32{1}}}},
	} {
		from := bob
		if name == "a stranger asks" {
			from = eve
		}
		if got, err := ask(from, request); err == nil {
			t.Errorf("%s: %d messages and no error", name, len(got))
		}
	}
}

// A member who passes on something else than what was said changes nothing.
func TestForgedRepairs(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.founds("g1", bob)
	alice.tells("g1", "hello", bob)
	id := alice.groupID("g1")
	of := repairOf{id, alice.identity().Device}
	s, _ := alice.device.rooms.state(id)
	said, err := alice.device.link.host.Sync(t.Context(), bob.identity().Device, wire.SyncRequest{Group: id, Have: s.Have()}.ToWire())
	if err != nil || len(said) != 0 {
		t.Fatalf("alice lacks %d messages, %v", len(said), err)
	}
	copies, err := bob.device.link.host.Sync(t.Context(), alice.identity().Device,
		wire.SyncRequest{Group: id, Have: []wire.Have{{Chain: s.Have()[0].Chain}}}.ToWire())
	if err != nil || len(copies) != 1 {
		t.Fatalf("bob got %d messages, %v", len(copies), err)
	}
	_, before := bob.roomState("g1")
	forged := [][]byte{nil, []byte("garbage"), make([]byte, wire.MaxEnvelope+1), copies[0], copies[0]}
	for i := range copies[0] {
		b := bytes.Clone(copies[0])
		b[i] ^= 1
		forged = append(forged, b)
	}
	if fresh, err := bob.device.rooms.takeRepair(of, forged); err != nil || fresh != 0 {
		t.Errorf("%d forged messages were taken, %v", fresh, err)
	}
	if _, after := bob.roomState("g1"); !bytes.Equal(before, after) {
		t.Error("forged messages changed the group")
	}
}

// Who is to be asked is asked once, at the earliest time that was named, and one
// group's members one after the other.
func TestRepairsAreDoneInTurn(t *testing.T) {
	q := newRepairs()
	g1, g2 := record.GroupID{1}, record.GroupID{2}
	q.add(g1, "bob", time.Hour)
	q.add(g1, "bob", 0)
	q.add(g1, "bob", time.Minute)
	q.add(g1, "carol", 0)
	q.add(g2, "dave", time.Hour)
	now := time.Now()
	first, ok, _ := q.next(now)
	if !ok || first.group != g1 {
		t.Fatalf("first is %+v, %t", first, ok)
	}
	if of, ok, wait := q.next(now); ok || wait < 59*time.Minute {
		t.Errorf("beside it %+v, %t, or in %s", of, ok, wait)
	}
	q.done(first)
	second, ok, _ := q.next(now)
	if !ok || second.group != g1 || second == first {
		t.Errorf("second is %+v, %t", second, ok)
	}
	q.done(second)
	if of, ok, _ := q.next(now.Add(time.Hour)); !ok || of.group != g2 {
		t.Errorf("an hour later it is %+v, %t", of, ok)
	}
}
