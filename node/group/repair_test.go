package group

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// What one member passes on to another is what its author sent, or it is refused.
func TestRepairTakesOnlyWhatTheAuthorSent(t *testing.T) {
	c := newCircle(t, newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "carol3"))
	c.send(t, 0, "first") // so that all have the key
	lost := c.sendOnly(t, 0, "lost").Sealed
	before := c.states[2]
	for i := range lost.Message {
		forged := bytes.Clone(lost.Message)
		forged[i] ^= 1
		if s, delivered, err := before.Repair(forged); err == nil && len(delivered) > 0 || len(s.receivers) != len(before.receivers) {
			t.Fatalf("byte %d changed: %d delivered, %v", i, len(delivered), err)
		}
	}
	unknown := c.sendOnly(t, 1, "with a key that nobody has").Sealed
	if _, _, err := before.Repair(unknown.Message); !errors.Is(err, ErrMessage) {
		t.Errorf("of a chain that is not known: %v", err)
	}
	s, delivered, err := before.Repair(lost.Message)
	if err != nil || len(delivered) != 1 || delivered[0].From != c.selves[0].Member || string(delivered[0].Content) != "lost" {
		t.Fatalf("delivered %+v, %v", delivered, err)
	}
	if d := delivered[0].Sealed; d.Chain != lost.Chain || d.Iteration != lost.Iteration || !bytes.Equal(d.Message, lost.Message) {
		t.Error("what is kept to be passed on again is another message")
	}
	if _, delivered, err = s.Repair(lost.Message); err != nil || len(delivered) != 0 {
		t.Errorf("again: %d delivered, %v", len(delivered), err)
	}
}

func TestHaveAndLacks(t *testing.T) {
	c := newCircle(t, newSelf(t, "alice1"), newSelf(t, "bob2"))
	if have := c.states[1].Have(); len(have) != 0 {
		t.Fatalf("before anybody has spoken: %+v", have)
	}
	c.receive(t, 0, 1, c.send(t, 0, "0"))
	var lost []Sealed
	for range 3 {
		lost = append(lost, c.sendOnly(t, 0, "lost").Sealed)
	}
	alices := c.states[0].Have()
	if !c.states[1].Lacks(alices) || c.states[0].Lacks(c.states[1].Have()) {
		t.Error("bob lacks what alice has said, and alice lacks nothing")
	}
	last := c.sendOnly(t, 0, "4").Sealed
	if _, effect := c.receive(t, 0, 1, last.Message); !effect.Gap {
		t.Error("no gap shows")
	}
	have := c.states[1].Have()
	if len(have) != 1 || have[0].Chain != last.Chain || have[0].Next != 5 || !slices.Equal(have[0].Missing, []uint32{1, 2, 3}) {
		t.Fatalf("bob has %+v", have)
	}
	for i, m := range lost {
		s, delivered, err := c.states[1].Repair(m.Message)
		if err != nil || len(delivered) != 1 {
			t.Fatalf("message %d: %v", i, err)
		}
		c.states[1] = s
	}
	if have = c.states[1].Have(); have[0].Next != 5 || len(have[0].Missing) != 0 {
		t.Errorf("after the repair bob has %+v", have)
	}
	if own := c.states[0].Have(); len(own) != 1 || own[0].Next != 5 || own[0].Chain != last.Chain {
		t.Errorf("alice has %+v", own)
	}
	if c.states[1].Lacks(c.states[0].Have()) {
		t.Error("bob lacks something still")
	}
}

// A device that was given a chain and does not have it is noticed, and given it again.
func TestLacksKey(t *testing.T) {
	c := newCircle(t, newSelf(t, "alice1"), newSelf(t, "bob2"))
	bob := c.selves[1].Device
	if c.states[0].LacksKey(bob, nil) {
		t.Error("bob lacks what nobody has given him")
	}
	copied := c.states[1]
	c.send(t, 0, "one")
	if c.states[0].LacksKey(bob, c.states[1].Have()) {
		t.Error("bob lacks a key that he has")
	}
	c.states[1] = copied
	if !c.states[0].LacksKey(bob, c.states[1].Have()) {
		t.Fatal("that bob has lost the key goes unnoticed")
	}
	c.states[0] = c.states[0].Forget(bob)
	if c.states[0].LacksKey(bob, c.states[1].Have()) {
		t.Error("it is noticed twice")
	}
	expectContent(t, first(c.receive(t, 0, 1, c.send(t, 0, "two"))), c.selves[0], "two")
}

// A home that was restored from a copy sends on numbers of its chain that it has used.
// It hears of that from any member that it asks for messages: what it sent and does not
// know of comes back, and its next message goes out in a new chain.
func TestRestoredHomeGetsANewChain(t *testing.T) {
	alice, bob := newSelf(t, "alice1"), newSelf(t, "bob2")
	c := newCircle(t, alice, bob)
	c.receive(t, 0, 1, c.send(t, 0, "zero"))
	copied := c.states[0]
	var lost []Sealed
	for _, text := range []string{"one", "two", "three"} {
		m := c.sendOnly(t, 0, text).Sealed
		c.receive(t, 0, 1, m.Message)
		lost = append(lost, m)
	}
	for _, m := range lost {
		if s, delivered, err := c.states[0].Repair(m.Message); err != nil || len(delivered) != 0 || s.sender == nil {
			t.Fatalf("passed on to a home that knows it: %d delivered, %v", len(delivered), err)
		}
		for i := range m.Message {
			forged := bytes.Clone(m.Message)
			forged[i] ^= 1
			if s, delivered, err := copied.Repair(forged); err == nil && len(delivered) > 0 || s.sender == nil {
				t.Fatalf("byte %d changed, and it gives its chain up: %v", i, err)
			}
		}
	}

	c.states[0] = roundTrip(t, copied, c.acts)
	if have := c.states[0].Have(); have[0].Chain != lost[0].Chain || have[0].Next != lost[0].Iteration {
		t.Fatalf("it asks for %+v, and so is not answered", have)
	}
	for _, i := range []int{2, 0, 1, 0} { // in any order, and twice
		s, delivered, err := c.states[0].Repair(lost[i].Message)
		if err != nil {
			t.Fatal(err)
		}
		if len(delivered) > 0 {
			expectContent(t, delivered, alice, []string{"one", "two", "three"}[i])
		}
		c.states[0] = roundTrip(t, s, c.acts)
	}
	if have := c.states[0].Have(); len(have) != 1 || have[0].Next != 4 || len(have[0].Missing) != 0 {
		t.Errorf("after that it lacks something: %+v", have)
	}
	out := c.sendOnly(t, 0, "on")
	if out.Sealed.Chain == lost[0].Chain || out.Sealed.Iteration != 0 || out.SenderKeys[bob.Device] == nil {
		t.Fatalf("it goes on in chain %x at %d", out.Sealed.Chain, out.Sealed.Iteration)
	}
	c.hand(t, 0, 1, out.SenderKeys[bob.Device])
	delivered, _ := c.receive(t, 0, 1, out.Sealed.Message)
	expectContent(t, delivered, alice, "on")
}

// A home that begins its chain anew before it has asked anybody still gets back what
// the lost state said in the old one, and speaks in the new one.
func TestRenewedHomeGetsItsWordsBack(t *testing.T) {
	alice, bob := newSelf(t, "alice1"), newSelf(t, "bob2")
	c := newCircle(t, alice, bob)
	c.receive(t, 0, 1, c.send(t, 0, "known"))
	copied := c.states[0]
	lost := c.sendOnly(t, 0, "lost").Sealed
	c.receive(t, 0, 1, lost.Message)

	renewed := roundTrip(t, copied.Renew(), c.acts)
	if !renewed.Lacks(c.states[1].Have()) {
		t.Error("it does not see that bob has something of its own that it lacks")
	}
	after, delivered, err := renewed.Repair(lost.Message)
	if err != nil {
		t.Fatal(err)
	}
	expectContent(t, delivered, alice, "lost")
	c.states[0] = after
	out := c.sendOnly(t, 0, "on")
	if out.Sealed.Chain == lost.Chain || out.SenderKeys[bob.Device] == nil {
		t.Error("it goes on in the chain that the lost state has used")
	}
	for range 3 * MaxChains { // runs that begin a chain each leave a bounded state
		c.states[0] = c.states[0].Renew()
		c.sendOnly(t, 0, "again")
	}
	if n := len(c.states[0].receivers); n > MaxChains {
		t.Errorf("%d chains of its own are kept", n)
	}
}
