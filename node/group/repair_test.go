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
