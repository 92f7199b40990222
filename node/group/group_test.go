package group

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

func expectContent(t *testing.T, delivered []Delivered, from Self, contents ...string) {
	t.Helper()
	if len(delivered) != len(contents) {
		t.Fatalf("%d messages delivered, want %d", len(delivered), len(contents))
	}
	for i, d := range delivered {
		if d.From != from.Member || string(d.Content) != contents[i] {
			t.Errorf("delivered %q from %v", d.Content, d.From)
		}
	}
}

func TestMessagesReachAllDevicesOfMembers(t *testing.T) {
	alice, bob := newSelf(t, "alice1"), newSelf(t, "bob2")
	tablet := newSelf(t, "bob2") // his second device
	c := newCircle(t, alice, bob, tablet)
	for round := range 3 {
		for i := range c.selves {
			text := fmt.Sprintf("round %d from %d", round, i)
			message := c.send(t, i, text)
			for k := range c.selves {
				delivered, effect := c.receive(t, i, k, message)
				if k == i {
					if !effect.Duplicate {
						t.Error("took its own message")
					}
					continue
				}
				expectContent(t, delivered, c.selves[i], text)
				if effect != (Effect{}) {
					t.Errorf("effect %+v", effect)
				}
			}
		}
	}
}

func TestSenderKeysGoOnceToEachMemberDevice(t *testing.T) {
	alice, bob, eve := newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "eve3")
	c := newCircle(t, alice, bob)
	all := members(alice, bob, eve)
	s, out, err := c.states[0].Send(c.selves[0], []byte("one"), all)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.SenderKeys) != 1 || out.SenderKeys[bob.Device] == nil {
		t.Errorf("sender keys for %d devices", len(out.SenderKeys))
	}
	s, out, err = s.Send(c.selves[0], []byte("two"), all)
	if err != nil || len(out.SenderKeys) != 0 {
		t.Errorf("sender keys again for %d devices, %v", len(out.SenderKeys), err)
	}
	if _, out, _ = s.Forget(bob.Device).Send(c.selves[0], []byte("three"), all); len(out.SenderKeys) != 1 {
		t.Error("none for a device that lost it")
	}
	tablet := newSelf(t, "bob2")
	if _, out, _ = s.Send(c.selves[0], []byte("three"), append(all, tablet.Member)); len(out.SenderKeys) != 1 || out.SenderKeys[tablet.Device] == nil {
		t.Error("none for a device that was added later")
	}
}

func TestDeviceAddedLaterReadsFromThereOn(t *testing.T) {
	alice, bob, tablet := newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "bob2")
	c := newCircle(t, alice, bob)
	before := c.send(t, 0, "before")
	late, err := FromChain(c.states[0].Statements(), c.acts, tablet.Member)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := late.Topic(); ok || !late.Waiting() {
		t.Error("it knows the topic without the secret")
	}
	secret, err := c.states[1].SecretFor(1, tablet.Account)
	if err != nil {
		t.Fatal(err)
	}
	if late, err = late.AcceptSecret(1, secret); err != nil {
		t.Fatal(err)
	}
	c.selves, c.states = append(c.selves, tablet), append(c.states, late)
	after := c.send(t, 0, "after")
	if _, _, _, err := c.states[2].Receive(alice.Member, before); !errors.Is(err, ErrMessage) {
		t.Errorf("read what was said before: %v", err)
	}
	delivered, _ := c.receive(t, 0, 2, after)
	expectContent(t, delivered, alice, "after")
	a, _ := c.states[0].Topic()
	b, ok := c.states[2].Topic()
	if a != b || !ok || len(a) != 2*topicSize {
		t.Errorf("topics %q and %q", a, b)
	}
}

func TestMessagesWaitForTheirKey(t *testing.T) {
	c := newCircle(t, newSelf(t, "alice1"), newSelf(t, "bob2"))
	first := c.sendOnly(t, 0, "one")
	second := c.sendOnly(t, 0, "two")
	for _, m := range [][]byte{second.Sealed.Message, first.Sealed.Message} {
		if delivered, effect := c.receive(t, 0, 1, m); len(delivered) != 0 || effect != (Effect{NeedSenderKey: true}) {
			t.Errorf("delivered %d, effect %+v", len(delivered), effect)
		}
	}
	if _, effect := c.receive(t, 0, 1, first.Sealed.Message); !effect.Duplicate {
		t.Errorf("it waits twice: %+v", effect)
	}
	delivered := c.hand(t, 0, 1, first.SenderKeys[c.selves[1].Device])
	expectContent(t, delivered, c.selves[0], "two", "one") // as they came
	for _, m := range [][]byte{first.Sealed.Message, second.Sealed.Message} {
		if delivered, effect := c.receive(t, 0, 1, m); len(delivered) != 0 || !effect.Duplicate {
			t.Errorf("delivered again: %d, %+v", len(delivered), effect)
		}
	}
	if again := c.hand(t, 0, 1, first.SenderKeys[c.selves[1].Device]); len(again) != 0 {
		t.Error("the key came again and opened something")
	}
}

func TestStrangersReadAndSayNothing(t *testing.T) {
	alice, bob, eve := newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "eve3")
	c := newCircle(t, alice, bob)
	out := c.sendOnly(t, 0, "secret")
	if _, err := FromChain(c.states[0].Statements(), c.acts, eve.Member); !errors.Is(err, ErrNotMember) {
		t.Errorf("a stranger has a state: %v", err)
	}
	if _, err := c.states[0].SecretFor(1, eve.Account); !errors.Is(err, ErrNotMember) {
		t.Errorf("a stranger is given the secret: %v", err)
	}
	if _, _, effect, err := c.states[1].Receive(eve.Member, out.Sealed.Message); !errors.Is(err, ErrNotMember) || !effect.NeedChain {
		t.Errorf("a stranger speaks: %v", err)
	}
	if _, _, err := c.states[1].AcceptSenderKey(eve.Member, 1, out.SenderKeys[bob.Device]); !errors.Is(err, ErrNotMember) {
		t.Errorf("a stranger's key: %v", err)
	}
}

func TestNobodySpeaksAsAnother(t *testing.T) {
	alice, bob, carol := newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "carol3")
	c := newCircle(t, alice, bob, carol)
	out := c.sendOnly(t, 0, "mine")
	c.hand(t, 0, 1, out.SenderKeys[bob.Device])
	for name, from := range map[string]Member{
		"another member":              carol.Member,
		"another account's device":    {alice.Account, carol.Device},
		"a device of another account": {carol.Account, alice.Device},
	} {
		if _, _, _, err := c.states[1].Receive(from, out.Sealed.Message); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := c.states[1].AcceptSenderKey(from, 1, out.SenderKeys[bob.Device]); !errors.Is(err, ErrSenderKey) {
			t.Errorf("%s hands out the chain: %v", name, err)
		}
	}
	if _, _, err := c.states[2].AcceptSenderKey(bob.Member, 1, out.SenderKeys[carol.Device]); !errors.Is(err, ErrSenderKey) {
		t.Errorf("another's chain: %v", err)
	}
	// A key that came in another's name opens nothing that the author sent.
	thief, _, err := c.states[2].AcceptSenderKey(bob.Member, 1, recertified(t, bob, out.SenderKeys[carol.Device]))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := thief.Receive(alice.Member, out.Sealed.Message); !errors.Is(err, ErrMessage) {
		t.Errorf("opened with a stolen key: %v", err)
	}
	if _, _, _, err := thief.Receive(bob.Member, out.Sealed.Message); !errors.Is(err, ErrMessage) {
		t.Errorf("opened as the thief's: %v", err)
	}
}

// recertified is a chain that a device hands out as its own.
func recertified(t testing.TB, self Self, handed []byte) []byte {
	t.Helper()
	r, err := parseHanded(self.Member, handed)
	if err != nil {
		t.Fatal(err)
	}
	c := certify(self, r.chain)
	return append(bytes.Clone(handed[:senderkey.DistributionSize]), c[:]...)
}

// A chain of another group, or of another epoch than it was sent for, is refused,
// whoever hands it out.
func TestSenderKeysOfAnotherGroup(t *testing.T) {
	alice, bob := newSelf(t, "alice1"), newSelf(t, "bob2")
	c, other := newCircle(t, alice, bob), newCircle(t, alice, bob)
	foreign := other.sendOnly(t, 0, "elsewhere").SenderKeys[bob.Device]
	if _, _, err := c.states[1].AcceptSenderKey(alice.Member, 1, foreign); !errors.Is(err, ErrSenderKey) {
		t.Errorf("of another group: %v", err)
	}
	own := c.sendOnly(t, 0, "here").SenderKeys[bob.Device]
	for _, epoch := range []uint64{0, 2} {
		if _, _, err := c.states[1].AcceptSenderKey(alice.Member, epoch, own); !errors.Is(err, ErrSenderKey) {
			t.Errorf("as of epoch %d: %v", epoch, err)
		}
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	c := newCircle(t, newSelf(t, "alice1"), newSelf(t, "bob2"))
	message := c.send(t, 0, "hello")
	for i := range message {
		forged := bytes.Clone(message)
		forged[i] ^= 1
		_, delivered, _, _ := c.states[1].Receive(c.selves[0].Member, forged)
		if len(delivered) != 0 {
			t.Errorf("byte %d changed and still delivered", i)
		}
	}
	other := newCircle(t, c.selves[0], c.selves[1])
	if _, _, _, err := other.states[1].Receive(c.selves[0].Member, message); !errors.Is(err, ErrMessage) {
		t.Errorf("taken in another group: %v", err)
	}
}

func TestEpochs(t *testing.T) {
	alice, bob, carol := newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "carol3")
	c := newCircle(t, alice, bob, carol)
	old := c.send(t, 0, "old") // under way while the epoch changes
	topic, _ := c.states[0].Topic()
	next, statement, secret, err := c.states[0].Rekey(alice, now)
	if err != nil {
		t.Fatal(err)
	}
	c.states[0] = next
	if changed, _ := next.Topic(); changed == topic {
		t.Error("the topic stayed the same")
	}
	out := c.sendOnly(t, 0, "new")
	if len(out.SenderKeys) != 2 {
		t.Errorf("the new chain goes to %d devices", len(out.SenderKeys))
	}

	// Bob gets the message before the statement.
	if delivered, effect := c.receive(t, 0, 1, out.Sealed.Message); len(delivered) != 0 || !effect.NeedChain {
		t.Errorf("ahead of the chain: %d delivered, %+v", len(delivered), effect)
	}
	if _, _, err := c.states[1].AcceptSenderKey(alice.Member, 2, out.SenderKeys[bob.Device]); !errors.Is(err, ErrBehind) {
		t.Errorf("a key ahead of the chain: %v", err)
	}
	if _, err := c.states[1].AcceptSecret(2, secret); !errors.Is(err, ErrBehind) {
		t.Errorf("a secret ahead of the chain: %v", err)
	}
	s, change, err := c.states[1].Extend([][]byte{statement}, c.acts)
	if err != nil || !change.EpochStarted || len(change.Joined) != 0 || !s.Waiting() {
		t.Fatalf("change %+v, waiting %t, %v", change, s.Waiting(), err)
	}
	if _, err := s.AcceptSecret(2, key.NewEpoch()); !errors.Is(err, ErrCommitment) {
		t.Errorf("another secret: %v", err)
	}
	if _, err := s.AcceptSecret(1, secret); !errors.Is(err, ErrOver) {
		t.Errorf("for the epoch before: %v", err)
	}
	if _, err := s.SecretFor(2, carol.Account); !errors.Is(err, ErrNoSecret) {
		t.Errorf("gives what it has not: %v", err)
	}
	if _, err := s.SecretFor(1, carol.Account); !errors.Is(err, ErrOver) {
		t.Errorf("gives the one before: %v", err)
	}
	if s, err = s.AcceptSecret(2, secret); err != nil {
		t.Fatal(err)
	}
	c.states[1] = s
	expectContent(t, c.hand(t, 0, 1, out.SenderKeys[bob.Device]), alice, "new")
	delivered, _ := c.receive(t, 0, 1, old) // the old epoch's can still be read
	expectContent(t, delivered, alice, "old")
}

func TestExtend(t *testing.T) {
	alice, bob := newSelf(t, "alice1"), newSelf(t, "bob2")
	acts := actsFor(alice, bob)
	s, first, err := Create("walkers", record.Settings{}, alice, now)
	if err != nil {
		t.Fatal(err)
	}
	joined, err := Join([][]byte{first}, acts, bob, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Join([][]byte{first, joined}, acts, bob, now); !errors.Is(err, ErrMember) {
		t.Errorf("joined twice: %v", err)
	}
	next, change, err := s.Extend([][]byte{first, joined}, acts) // what is known may come again
	if err != nil || change.EpochStarted || !slices.Equal(change.Joined, []record.Account{"bob2"}) {
		t.Fatalf("change %+v, %v", change, err)
	}
	if next.Waiting() || s.Chain().Member("bob2") || len(s.Statements()) != 1 || len(next.Statements()) != 2 {
		t.Error("the state before was changed, or the one after is wrong")
	}
	_, fork, _ := Create("walkers", record.Settings{}, alice, now)
	carol := newSelf(t, "carol3")
	after, err := Join([][]byte{first, joined}, actsFor(alice, bob, carol), carol, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][][]byte{"fork": {fork}, "gap": {after}, "garbage": {joined[:9]}} {
		start := s
		if name == "fork" {
			start = next
		}
		if _, _, err := start.Extend(bad, actsFor(alice, bob, carol)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, _, err := s.Extend([][]byte{joined}, actsFor(alice)); err == nil {
		t.Error("a device that does not act for the account")
	}
}

func TestBufferIsBoundedAndFair(t *testing.T) {
	alice, bob, carol := newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "carol3")
	c := newCircle(t, alice, bob, carol)
	small := c.sendOnly(t, 0, "small")
	c.receive(t, 0, 2, small.Sealed.Message)
	dropped := 0
	big := string(make([]byte, 60<<10))
	for range 2 * MaxBufferedBytes / len(big) {
		_, effect := c.receive(t, 1, 2, c.sendOnly(t, 1, big).Sealed.Message)
		dropped += effect.Dropped
		if n := bufferedBytes(c.states[2].buffered); n > MaxBufferedBytes {
			t.Fatalf("%d bytes wait", n)
		}
	}
	if dropped == 0 {
		t.Error("nothing was dropped")
	}
	expectContent(t, c.hand(t, 0, 2, small.SenderKeys[carol.Device]), alice, "small")

	c = newCircle(t, alice, bob, carol)
	dropped = 0
	for range MaxBuffered + 5 {
		_, effect := c.receive(t, 1, 2, c.sendOnly(t, 1, "x").Sealed.Message)
		dropped += effect.Dropped
	}
	if dropped != 5 || len(c.states[2].buffered) != MaxBuffered {
		t.Errorf("%d dropped, %d wait", dropped, len(c.states[2].buffered))
	}
}

func TestChainsOfOneDeviceAreBounded(t *testing.T) {
	alice, bob := newSelf(t, "alice1"), newSelf(t, "bob2")
	c := newCircle(t, alice, bob)
	for range 3 * MaxChains {
		s, out, err := c.states[0].Renew().Send(c.selves[0], []byte("x"), members(bob))
		if err != nil {
			t.Fatal(err)
		}
		c.states[0] = s
		c.hand(t, 0, 1, out.SenderKeys[bob.Device])
	}
	if n := len(c.states[1].receivers); n != MaxChains {
		t.Errorf("%d chains of one device", n)
	}
}

// A home restored from a copy speaks in numbers that the others have heard, until it
// renews; then they hear it, and it still hears them.
func TestRestoredHomeRenews(t *testing.T) {
	c := newCircle(t, newSelf(t, "alice1"), newSelf(t, "bob2"))
	c.receive(t, 0, 1, c.send(t, 0, "before"))
	c.receive(t, 1, 0, c.send(t, 1, "I too"))
	copied := c.states[0]
	old, ok := copied.SenderChain()
	if !ok {
		t.Fatal("alice has no chain")
	}
	c.receive(t, 0, 1, c.send(t, 0, "lost to the copy"))

	c.states[0] = copied
	unheard := c.send(t, 0, "unheard")
	if delivered, effect := c.receive(t, 0, 1, unheard); len(delivered) != 0 || !effect.Duplicate {
		t.Errorf("a number that was used before: %d delivered, %+v", len(delivered), effect)
	}
	c.states[0] = roundTrip(t, copied.Renew(), c.acts)
	if _, ok := c.states[0].SenderChain(); ok {
		t.Error("alice keeps her chain")
	}
	if delivered, _ := c.receive(t, 0, 1, c.send(t, 0, "heard")); len(delivered) != 1 {
		t.Errorf("after the renewal %d delivered", len(delivered))
	}
	if now, ok := c.states[0].SenderChain(); !ok || now == old {
		t.Error("alice goes on in her old chain")
	}
	if delivered, _ := c.receive(t, 1, 0, c.send(t, 1, "welcome back")); len(delivered) != 1 {
		t.Error("alice does not hear bob in the chain that she knows")
	}
}

func TestMessageOfTooManyBytes(t *testing.T) {
	c := newCircle(t, newSelf(t, "alice1"), newSelf(t, "bob2"))
	if _, _, err := c.states[0].Send(c.selves[0], make([]byte, 1<<20), nil); err == nil {
		t.Error("a megabyte was sealed")
	}
	id := c.states[0].ID()
	long, err := proto.Marshal(&pb.GroupMessage{Group: id[:], Epoch: 1, Sealed: make([]byte, 200<<10)})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range [][]byte{nil, long, {0xff}} {
		if _, _, _, err := c.states[1].Receive(c.selves[0].Member, m); !errors.Is(err, ErrMessage) {
			t.Errorf("%d bytes: %v", len(m), err)
		}
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	c := newCircle(t, newSelf(t, "alice1"))
	if s := fmt.Sprintf("%v %+v %#v", c.states[0], c.states[0], c.states[0]); s != "(secret) (secret) (secret)" {
		t.Errorf("prints %s", s)
	}
}

func TestAStateIsAValue(t *testing.T) {
	alice, bob, carol := newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "carol3")
	c := newCircle(t, alice, bob)
	message := c.send(t, 0, "once")
	for range 2 { // from the same state: as if the store had not committed the first
		_, delivered, _, err := c.states[1].Receive(alice.Member, message)
		if err != nil {
			t.Fatal(err)
		}
		expectContent(t, delivered, alice, "once")
	}
	first, _, err := c.states[0].Send(c.selves[0], []byte("one"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.states[0].Send(c.selves[0], []byte("two"), nil); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, first, c.acts)

	acts := actsFor(alice, bob, carol)
	s := c.states[0]
	s.statements = append(make([][]byte, 0, 8), s.statements...) // room to write into
	rekeyed, _, _, err := s.Rekey(alice, now)
	if err != nil {
		t.Fatal(err)
	}
	joined, err := Join(s.Statements(), acts, carol, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Extend([][]byte{joined}, acts); err != nil {
		t.Fatal(err)
	}
	if _, err := FromChain(rekeyed.Statements(), acts, alice.Member); err != nil || rekeyed.Chain().Member(carol.Account) {
		t.Error("one state's statements came to be another's")
	}
	if kept := rekeyed.Statements(); bytes.Equal(kept[len(kept)-1], joined) {
		t.Error("one state's statements came to be another's")
	}
}

// Who has left, or was removed, reads nothing that is said by those who know it,
// with all keys that they have and before any new epoch; the others go on.
func TestWhoIsGoneReadsNothingMore(t *testing.T) {
	for _, removed := range []bool{false, true} {
		c := newCircle(t, newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "carol3"))
		expectContent(t, first(c.receive(t, 0, 2, c.send(t, 0, "all of us"))), c.selves[0], "all of us")
		c.receive(t, 2, 0, c.sendOnly(t, 2, "a key that never comes").Sealed.Message)
		statement, by := c.states[2].Leave(c.selves[2], now), record.Account("")
		if removed {
			statement, by = c.states[0].Remove(c.selves[0], "carol3", now), "alice1"
		}
		for i := range c.states {
			s, change, err := c.states[i].Extend([][]byte{statement}, c.acts)
			if err != nil || len(change.Gone) != 1 || change.Gone[0] != (Gone{"carol3", by}) || change.Out != (i == 2) {
				t.Fatalf("change %+v, %v", change, err)
			}
			if i < 2 { // carol goes on with what she has
				c.states[i] = s
			}
		}
		if len(c.states[0].buffered) != 0 {
			t.Error("what carol has said waits for a key that comes no more")
		}
		out := c.sendOnly(t, 0, "the two of us")
		if _, handed := out.SenderKeys[c.selves[2].Device]; handed || len(out.SenderKeys) != 1 {
			t.Errorf("keys for %d devices", len(out.SenderKeys))
		}
		c.hand(t, 0, 1, out.SenderKeys[c.selves[1].Device])
		expectContent(t, first(c.receive(t, 0, 1, out.Sealed.Message)), c.selves[0], "the two of us")
		if delivered, _ := c.receive(t, 0, 2, out.Sealed.Message); len(delivered) != 0 {
			t.Error("carol reads what was said without her")
		}
		if _, _, _, err := c.states[1].Receive(c.selves[2].Member, c.send(t, 2, "still here")); !errors.Is(err, ErrNotMember) {
			t.Errorf("carol speaks: %v", err)
		}
		if _, err := c.states[1].SecretFor(1, "carol3"); !errors.Is(err, ErrNotMember) {
			t.Errorf("carol asks for the secret: %v", err)
		}
	}
}

func first(delivered []Delivered, _ Effect) []Delivered { return delivered }

// What statements change is told: who came, who went and by whom, who was invited and
// is not any more, and who is an admin now, by whatever way.
func TestChanges(t *testing.T) {
	alice, bob, carol := newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "carol3")
	c := newCircleWith(t, record.Settings{Private: true}, alice, bob)
	c.acts = actsFor(alice, bob, carol)
	s := c.states[1]
	take := func(form func(State) []byte) Change {
		t.Helper()
		next, change, err := s.Extend([][]byte{form(s)}, c.acts)
		if err != nil {
			t.Fatal(err)
		}
		s = next
		return change
	}
	byAlice := func(f func(State, Self, record.Account, time.Time) []byte, who record.Account) func(State) []byte {
		return func(s State) []byte { return f(s, alice, who, now) }
	}
	joins := func(s State) []byte {
		statement, err := Join(s.Statements(), c.acts, carol, now)
		if err != nil {
			t.Fatal(err)
		}
		return statement
	}
	for i, step := range []struct {
		form func(State) []byte
		want Change
	}{
		{byAlice(State.Invite, "carol3"), Change{Invited: []Invited{{"carol3", "alice1"}}}},
		{byAlice(State.Remove, "carol3"), Change{Withdrawn: []Gone{{"carol3", "alice1"}}}},
		{byAlice(State.Invite, "carol3"), Change{Invited: []Invited{{"carol3", "alice1"}}}},
		{joins, Change{Joined: []record.Account{"carol3"}}},
		{byAlice(State.MakeAdmin, "carol3"), Change{Admins: []NewAdmin{{"carol3", "alice1"}}}},
		{byAlice(State.Remove, "carol3"), Change{Gone: []Gone{{"carol3", "alice1"}}}},
		{func(s State) []byte { return s.Leave(alice, now) }, Change{Gone: []Gone{{Account: "alice1"}}, Admins: []NewAdmin{{Account: "bob2"}}}},
	} {
		if got := take(step.form); !reflect.DeepEqual(got, step.want) {
			t.Errorf("step %d: %+v, want %+v", i, got, step.want)
		}
	}
}
