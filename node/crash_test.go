package node

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// everyCrash has TestCrashAtEveryStep try each transaction, which takes some minutes.
var everyCrash = flag.Bool("every-crash", false, "crash at every transaction, not only at some")

// fuse is a disk that takes so many transactions and no more: whatever is written after
// that is lost, as when the power fails.
type fuse struct{ left atomic.Int64 }

func (f *fuse) free(string) (uint64, error) {
	if f.left.Add(-1) < 0 {
		return 0, nil
	}
	return 1 << 40, nil
}

func (f *fuse) blown() bool { return f.left.Load() < 0 }

// talker is a person of TestCrashAtEveryStep, whose node may lose its disk.
type talker struct {
	*person
	account string
	fuse    *fuse    // nil: it is sound
	said    []string // IDs of messages that were taken
	shown   []string // texts that were shown in the runs before
}

// mend starts a node again whose disk is lost, on what it had written.
func (p *talker) mend() {
	if p.fuse == nil || !p.fuse.blown() {
		return
	}
	p.restart(nil)
}

func (p *talker) restart(f *fuse) {
	p.end()
	p.shown = append(p.shown, p.texts()...)
	p.fuse = f
	if f == nil {
		p.person = p.w.open(p.home)
	} else {
		p.person = p.w.openWith(p.home, f.free)
	}
	if _, err := p.Login(p.Context(), p.account, []byte(password)); err != nil {
		if f == nil {
			p.Fatalf("log in again: %v", err)
		}
		f.left.Store(-1)
		p.mend() // it was lost before anybody was logged in
	}
}

// say sends a text to an account or, as "#name", to a group. What is refused because
// the disk is lost was never said.
func (p *talker) say(to, text string) (taken bool) {
	p.Helper()
	var id string
	var err error
	if to[0] == '#' {
		id, err = p.SendGroup(p.Context(), to, text)
	} else {
		id, err = p.Send(p.Context(), to, text)
	}
	switch {
	case err == nil:
		p.said = append(p.said, id)
		return true
	case p.fuse != nil && p.fuse.blown():
		p.mend()
		return false
	default:
		p.Fatalf("say %q: %v", text, err)
		return false
	}
}

// hears waits until texts were shown, which are all that were said to this person: each
// once, and those of a conversation in this order. A node may be mended meanwhile.
func (p *talker) hears(want []string) {
	p.Helper()
	var got []string
	await(p, fmt.Sprintf("all of %q at %s", want, p.account), func() bool {
		p.mend()
		got = append(slices.Clone(p.shown), p.texts()...)
		return len(got) >= len(want)
	})
	for _, group := range []bool{true, false} {
		in := func(texts []string) []string {
			return slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return strings.Contains(s, "#") == group })
		}
		if got, want := in(got), in(want); !slices.Equal(got, want) {
			p.Errorf("%s was shown %q, want %q", p.account, got, want)
		}
	}
}

// Whenever a node loses its power, after any of its transactions: what it had taken is
// delivered, once and in order, what it had not taken never, and in the end everybody
// knows.
func TestCrashAtEveryStep(t *testing.T) {
	steps := []int{0, 3, 9, 20}
	if *everyCrash {
		steps = nil
		for i := range 50 {
			steps = append(steps, i)
		}
	}
	for _, victim := range []string{"alice", "bob"} {
		for _, n := range steps {
			if testing.Short() && n%5 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", victim, n), func(t *testing.T) { crash(t, victim, n) })
		}
	}
}

func crash(t *testing.T, victim string, after int) {
	w := newWorld(t)
	alice := &talker{person: w.newPerson("alice", "42"), account: "alice42"}
	bob := &talker{person: w.newPerson("bob", "7"), account: "bob7"}
	alice.founds("g", bob.person)
	alice.says("bob7", "we have met")
	alice.tells("g", "in #g too", bob.person)
	bob.tells("g", "yes, #g", alice.person)
	toBob, toAlice := []string{"we have met", "in #g too"}, []string{"yes, #g"}

	f := new(fuse)
	f.left.Store(int64(after))
	bob.end()
	if victim == "alice" {
		alice.restart(f)
	}
	for _, to := range []string{"bob7", "#g", "bob7", "#g"} {
		text := fmt.Sprintf("to %s %d", to, len(toBob))
		if alice.say(to, text) {
			toBob = append(toBob, text)
		}
	}
	if victim == "bob" {
		bob.restart(f)
	} else {
		bob.restart(nil)
	}
	alice.mend()
	bob.hears(toBob)
	for _, to := range []string{"alice42", "#g"} {
		text := fmt.Sprintf("from bob to %s %d", to, len(toAlice))
		if bob.say(to, text) {
			toAlice = append(toAlice, text)
		}
	}
	alice.hears(toAlice)
	alice.mend()
	bob.mend()
	for _, p := range []*talker{alice, bob} {
		for _, id := range p.said {
			p.settles(id)
		}
	}
	bob.hears(toBob)
	alice.hears(toAlice)
}

// settles waits until a message is delivered, although the node may lose its disk.
func (p *talker) settles(id string) {
	p.Helper()
	await(p, "a message that is delivered", func() bool {
		p.mend()
		s, err := p.Status(p.Context(), id)
		return err == nil && s.State == "delivered"
	})
}
