package node

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	rwire "github.com/tryst-chat/tryst/rendezvous/wire"
)

// copied ends a person's node and returns a copy of its home.
func (p *person) copied() (home string) {
	p.Helper()
	p.end()
	home = p.TempDir()
	if err := os.CopyFS(home, os.DirFS(p.home)); err != nil {
		p.Fatal(err)
	}
	return home
}

// reopen starts a node on a home, logged in.
func (w *world) reopen(home, account string) *person {
	w.Helper()
	p := w.open(home)
	p.login(account)
	return p
}

func isRestoreNotice(e Event) bool {
	return e.Kind == EventNotice && strings.Contains(e.Text, "restored from an older copy, or is used twice")
}

func isRenewNotice(e Event) bool {
	return e.Kind == EventNotice && strings.Contains(e.Text, "has begun anew")
}

// settles waits until the servers have counted the start of a person's device, and
// have its prekeys.
func (p *person) settles() {
	p.Helper()
	await(p, "a start that is counted", p.device.start.isSettled)
	await(p, "published prekeys", p.hasPublished)
}

// wantTold checks how often a person was told that the home is an older one, which
// takes all notices of sessions with it.
func (p *person) wantTold(times int) {
	p.Helper()
	if n := len(p.all(isRestoreNotice)); n != times {
		p.Errorf("told %d times that the home was restored, want %d", n, times)
	}
	if got := p.all(isRenewNotice); got != nil {
		p.Errorf("told %d times that a session has begun anew: %+v", len(got), got)
	}
	if got := p.all(func(e Event) bool { return e.Kind == EventError }); got != nil {
		p.Errorf("errors: %+v", got)
	}
}

func (p *person) generation() (g generation) {
	p.Helper()
	err := p.device.store.View(func(tx *store.Tx) (err error) {
		g, err = getGeneration(tx)
		return err
	})
	if err != nil {
		p.Fatal(err)
	}
	return g
}

// takes takes one-time prekeys of a person's device until the device has published
// more, so that the stock is of another state than any copy of before. One alone may
// not take as many: another does, too.
func (p *person) takes(of record.Account, device peer.ID, another *person) {
	p.Helper()
	least := record.MaxPrekeys
	taker, other := p, another
	await(p, "more prekeys than before", func() bool {
		taker, other = other, taker
		keys, err := taker.device.link.client.TakeKeys(p.Context(), of, []peer.ID{device})
		if err != nil || len(keys) != 1 {
			p.Fatalf("take keys: %v", err)
		}
		before := least
		least = min(least, keys[0].Left)
		return before < rwire.PrekeyLow && keys[0].Left > before
	})
}

// A home that was restored from a copy, after the device has gone on without it: it
// hears of it once, and everything works again. Each of the contacts is told.
func TestRestoredHome(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	alice.founds("g1", bob, carol)
	alice.says("bob7", "hello")
	bob.says("alice42", "hello")
	alice.tells("g1", "before, from alice", bob, carol)
	bob.tells("g1", "before, from bob", alice, carol)
	device := alice.identity().Device

	home := alice.copied()
	alice = w.reopen(alice.home, "alice42")
	for i := range 3 {
		alice.says("bob7", fmt.Sprintf("lost %d", i))
		bob.says("alice42", fmt.Sprintf("lost too %d", i))
		alice.tells("g1", fmt.Sprintf("lost, from alice %d", i), bob, carol)
		bob.tells("g1", fmt.Sprintf("lost, from bob %d", i), alice, carol)
	}
	carol.tells("g1", "the first from carol", alice, bob) // in a chain that the copy does not know
	bob.takes("alice42", device, carol)
	alice.wantTold(0)
	alice.end()

	alice = w.reopen(home, "alice42")
	alice.sees("that the home was restored", isRestoreNotice)
	for i := range 3 {
		alice.says("bob7", fmt.Sprintf("again %d", i))
		bob.sees("it", text(fmt.Sprintf("again %d", i)))
		bob.says("alice42", fmt.Sprintf("welcome %d", i))
		alice.sees("it", text(fmt.Sprintf("welcome %d", i)))
		alice.tells("g1", fmt.Sprintf("again, from alice %d", i), bob, carol)
		bob.tells("g1", fmt.Sprintf("again, from bob %d", i), alice, carol)
	}
	for i := range 3 { // what the group said meanwhile comes from its members
		alice.sees("what was lost", inGroup("g1", fmt.Sprintf("lost, from bob %d", i)))
	}
	await(t, "that all were asked for their keys", func() bool { return !alice.generation().behind })
	carol.seesAsked(alice)
	carol.tells("g1", "the second from carol", alice, bob)

	keys, err := bob.device.link.client.TakeKeys(t.Context(), "alice42", []peer.ID{device})
	if err != nil || len(keys) != 1 || keys[0].OneTime == nil || keys[0].Left < refill/2 {
		t.Errorf("the servers do not have the new prekeys: keys of %d devices, %v", len(keys), err)
	}
	dave := w.newPerson("dave", "3")
	dave.says("alice42", "we have not met")
	alice.sees("it", text("we have not met"))
	dave.takes("alice42", device, w.newPerson("eve", "8"))
	alice.wantTold(1)
	for _, p := range []*person{bob, carol} {
		if len(p.all(isRenewNotice)) == 0 {
			t.Errorf("%s was not told that the session has begun anew", p.home)
		}
	}

	alice.missesNothing() // though the others' words follow hers, which she has lost
	alice = alice.again("alice42")
	alice.settles()
	alice.says("bob7", "as usual")
	alice.tells("g1", "as usual, from alice", bob, carol)
	alice.wantTold(0)
}

// seesAsked waits until a person's device would hand out its sender key to another's
// again.
func (p *person) seesAsked(by *person) {
	p.Helper()
	s, ok := p.device.rooms.named("g1")
	if !ok {
		p.Fatal("there is no group")
	}
	await(p, "the question for a sender key", func() bool {
		s, _ = p.device.rooms.state(s.ID())
		_, out, err := s.Send(p.device.rooms.self(), []byte("x"), p.device.rooms.devices(s)) // a value: nothing is sent
		return err == nil && out.SenderKeys[by.identity().Device] != nil
	})
}

// Between copy and restoration the group has begun another epoch.
func TestRestoredHomeOfAnotherEpoch(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	tablet := w.open("")
	tablet.login("carol9")
	alice.founds("g1", bob, carol)
	alice.tells("g1", "before", bob, carol)
	old, _ := alice.device.rooms.named("g1")

	home := alice.copied()
	alice = w.reopen(alice.home, "alice42")
	alice.settles()
	if err := tablet.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*person{alice, bob, carol} {
		await(t, "a new epoch", func() bool {
			s, _ := p.device.rooms.named("g1")
			return s.Epoch() > old.Epoch() && !s.Waiting()
		})
	}
	for _, from := range []*person{alice, bob, carol} {
		for _, to := range []*person{alice, bob, carol} {
			if from != to {
				from.tells("g1", fmt.Sprintf("lost, from %s to %s", from.home, to.home), to)
			}
		}
	}
	alice.end()

	alice = w.reopen(home, "alice42")
	alice.sees("that the home was restored", isRestoreNotice)
	await(t, "the new epoch", func() bool {
		s, _ := alice.device.rooms.named("g1")
		return s.Epoch() > old.Epoch() && !s.Waiting()
	})
	for _, p := range []*person{bob, carol} {
		p.seesAsked(alice)
	}
	alice.tells("g1", "again, from alice", bob, carol)
	bob.tells("g1", "again, from bob", alice, carol)
	carol.tells("g1", "again, from carol", alice, bob)
	alice.wantTold(1)
	alice.missesNothing()
}

// What was written and has not left yet when the home was copied leaves after its
// restoration, also where the device that it is for comes later.
func TestRestoredHomeWithAFullOutbox(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "hello")
	bob.says("alice42", "hello")
	bob.end()
	const waiting = renewAtOnce + 10 // more than one transaction renews
	for i := range waiting {
		if _, err := alice.Send(t.Context(), "bob7", fmt.Sprintf("waits %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	home := alice.copied()
	alice = w.reopen(alice.home, "alice42")
	alice.settles()
	alice.end()
	alice = w.reopen(home, "alice42")
	alice.sees("that the home was restored", isRestoreNotice)
	alice.settles()
	bob = w.reopen(bob.home, "bob7")
	bob.sees("the last", text(fmt.Sprintf("waits %d", waiting-1)))
	if got := bob.all(func(e Event) bool { return e.Kind == EventMessage }); len(got) != waiting || got[0].Text != "waits 0" {
		t.Errorf("%d messages, the first %+v", len(got), got[0])
	}
	alice.wantTold(1)
}

// A home that is used on two machines by turns is told each time, and talks.
func TestHomeThatIsUsedTwice(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "hello")
	homes := []string{alice.home, alice.copied()}
	told := []int{0, 1, 1, 1} // the original's next start is as it should be
	for i, times := range told {
		alice = w.reopen(homes[i%2], "alice42")
		alice.settles()
		alice.says("bob7", fmt.Sprintf("turn %d", i))
		bob.says("alice42", fmt.Sprintf("answer %d", i))
		alice.wantTold(times)
		alice.end()
	}
}

// A device that stops between the question and the answer, or between any two steps
// of a renewal, finds out at its next start.
func TestCrashesWhileAStartIsCounted(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "hello")
	bob.says("alice42", "hello")
	alice.settles()
	// crash changes what is on the disk to what a crash would have left, and starts again.
	crash := func(leave func(g generation) generation) {
		t.Helper()
		g := leave(alice.generation())
		err := alice.device.store.Update(func(tx *store.Tx) error {
			putGeneration(tx, g)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		alice = alice.again("alice42")
		alice.settles()
		if g := alice.generation(); g.token != (client.Token{}) || g.renewing {
			t.Errorf("left behind: %+v", g)
		}
	}
	ask := func(g generation) client.Generation {
		t.Helper()
		found, err := alice.device.link.client.BeginGeneration(t.Context(), g.number, g.token, g.renewing)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, c := range []struct {
		name  string
		leave func(g generation) generation
		told  int
	}{
		{"before the question", func(g generation) generation {
			g.token = newToken()
			return g
		}, 0},
		{"before the answer is written", func(g generation) generation {
			g.token = newToken()
			if found := ask(g); !found.Stepped {
				t.Fatalf("%+v", found)
			}
			return g
		}, 0},
		{"after the renewal", func(g generation) generation {
			g.token, g.renewing, g.behind = newToken(), true, true
			return g
		}, 1},
		{"before the renewal's answer is written", func(g generation) generation {
			g.token, g.renewing, g.behind = newToken(), true, true
			if found := ask(g); !found.Stepped {
				t.Fatalf("%+v", found)
			}
			return g
		}, 1},
		{"in the middle of a renewal that was overtaken", func(g generation) generation {
			ask(generation{number: g.number, token: newToken()})
			g.token, g.renewing, g.behind = newToken(), true, true
			return g
		}, 1},
		{"before the members are asked", func(g generation) generation {
			g.behind = true
			return g
		}, 0},
	} {
		crash(c.leave)
		alice.says("bob7", "after a crash "+c.name)
		bob.says("alice42", "still here after a crash "+c.name)
		if n := len(alice.all(isRestoreNotice)); n != c.told {
			t.Errorf("a crash %s: told %d times, want %d", c.name, n, c.told)
		}
	}
	await(t, "that nobody is left to ask", func() bool { return !alice.generation().behind })
}

// As long as it is not known whether the home is an older one, a device speaks to its
// groups in a chain of this run, and says no later than it must.
func TestSpeakingBeforeTheAnswer(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.founds("g1", bob)
	alice.tells("g1", "hello", bob)
	chain := func() [16]byte {
		s, _ := alice.device.rooms.named("g1")
		id, _ := s.SenderChain()
		return id
	}
	before := chain()
	alice = alice.again("alice42")
	alice.tells("g1", "after a start that is counted", bob)
	if chain() != before {
		t.Error("a new chain without need")
	}
	w.stop()
	alice = alice.again("alice42")
	alice.tells("g1", "into the void")
	fresh := chain()
	alice.tells("g1", "and again")
	if fresh == before || chain() != fresh {
		t.Error("not one new chain in a run that nobody has counted")
	}
	if alice.device.start.isSettled() || alice.device.start.unsure() {
		t.Error("it is settled without servers, or still waited for")
	}
}

// A log-out ends the device, and with it the count.
func TestLogoutEndsTheCount(t *testing.T) {
	w := newWorld(t)
	alice := w.newPerson("alice", "42")
	alice.settles()
	alice = alice.again("alice42")
	alice.settles()
	if g := alice.generation(); g.number != 2 {
		t.Errorf("the second start is %+v", g)
	}
	if err := alice.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice.login("alice42")
	alice.settles()
	if g := alice.generation(); g != (generation{number: 1}) {
		t.Errorf("the new device's first start is %+v", g)
	}
	alice.wantTold(0)
}
