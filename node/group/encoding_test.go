package group

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/tryst-chat/tryst/node/key"
)

// fullState returns a state with something in every field.
func fullState(t testing.TB) (*circle, State) {
	t.Helper()
	c := newCircle(t, newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "carol3"))
	c.send(t, 0, "handed out")
	message := c.send(t, 1, "read")
	c.receive(t, 1, 0, message)
	c.send(t, 2, "missing")
	c.receive(t, 2, 0, c.send(t, 2, "out of order"))
	fresh := c.states[1].Renew()
	_, out, err := fresh.Send(c.selves[1], []byte("waits"), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.receive(t, 1, 0, out.Sealed.Message)
	return c, c.states[0]
}

func TestStateRoundTrip(t *testing.T) {
	c, s := fullState(t)
	if len(s.handed) != 2 || len(s.receivers) != 2 || len(s.buffered) != 1 || s.sender == nil {
		t.Fatal("the state is not full")
	}
	loaded := roundTrip(t, s, c.acts)
	if a, _ := s.Topic(); loaded.ID() != s.ID() || loaded.Self() != s.Self() || loaded.Name() != "walkers" {
		t.Errorf("another group than that of %s", a)
	}
	if _, _, effect, _ := loaded.Receive(c.selves[1].Member, s.buffered[0].message); !effect.Duplicate {
		t.Error("it forgot what waits")
	}
}

func TestStateOfALongerChain(t *testing.T) {
	c, s := fullState(t)
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	next, _, secret, err := s.Rekey(c.selves[0], now)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := Parse(b, next.Statements(), c.acts)
	if err != nil {
		t.Fatal(err)
	}
	if !loaded.Waiting() || loaded.sender != nil || loaded.handed != nil || len(loaded.receivers) != 2 {
		t.Error("it goes on with what belongs to the epoch before")
	}
	if _, err := loaded.AcceptSecret(2, secret); err != nil {
		t.Error(err)
	}
	ahead, err := next.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(ahead, s.Statements(), c.acts); !errors.Is(err, ErrState) {
		t.Errorf("a state ahead of its chain: %v", err)
	}
}

// A state that was stored before somebody left does not go on with the chain that
// they have.
func TestStateOfAChainThatSomebodyHasLeft(t *testing.T) {
	c, s := fullState(t)
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	left := append(slices.Clone(s.Statements()), c.states[2].Leave(c.selves[2], now))
	loaded, err := Parse(b, left, c.acts)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.sender != nil || loaded.handed != nil || loaded.Waiting() {
		t.Error("it goes on with a chain that a former member has")
	}
}

func TestParseRefusesWhatIsNotAState(t *testing.T) {
	c, s := fullState(t)
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if _, err := Parse(b[:n], s.Statements(), c.acts); err == nil {
			t.Fatalf("%d of %d bytes will do", n, len(b))
		}
	}
	if _, err := Parse(append(bytes.Clone(b), 0), s.Statements(), c.acts); !errors.Is(err, ErrState) {
		t.Errorf("one byte more: %v", err)
	}
	other := newCircle(t, c.selves...)
	if _, err := Parse(b, other.states[0].Statements(), other.acts); !errors.Is(err, ErrState) {
		t.Errorf("with another group's chain: %v", err)
	}
	if _, err := Parse(b, nil, c.acts); err == nil {
		t.Error("without a chain")
	}
}

func TestCommitmentsDiffer(t *testing.T) {
	secret := key.NewEpoch()
	seen := make(map[[32]byte]bool)
	for _, id := range [][16]byte{{1}, {2}} {
		for epoch := range uint64(3) {
			seen[Commit(secret, id, epoch)] = true
			seen[Commit(key.NewEpoch(), id, epoch)] = true
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d different commitments of 12", len(seen))
	}
}

func FuzzParse(f *testing.F) {
	c, s := fullState(f)
	b, err := s.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{stateVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b, c.states[0].Statements(), c.acts)
		if err != nil {
			return
		}
		again, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		// One of a shorter chain comes back extended, once.
		if length := 3 + len(s.self.Account) + len(s.self.Device); bytes.Equal(b[length:length+8], again[length:length+8]) && !bytes.Equal(b, again) {
			t.Fatal("a state has two encodings")
		}
		roundTrip(t, s, c.acts)
	})
}

// Whatever bit of a stored state has changed: it is refused, or it is another state,
// with the changed bytes as its one encoding.
func TestChangedStates(t *testing.T) {
	c, s := fullState(t)
	stored, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for i := range stored {
		changed := bytes.Clone(stored)
		changed[i] ^= 1 << (i % 8)
		s, err := Parse(changed, c.states[0].Statements(), c.acts)
		if err != nil {
			continue
		}
		if again, err := s.MarshalBinary(); err != nil || !bytes.Equal(again, changed) {
			t.Errorf("byte %d changed: encodes to other bytes, %v", i, err)
		}
	}
}

// FuzzRepair passes on what it likes, also as of the device's own chain.
func FuzzRepair(f *testing.F) {
	c, s := fullState(f)
	genuine := map[string]bool{}
	for from := range c.states[:2] { // of a chain that s has, and of its own
		for range 2 {
			m := c.send(f, from, "passed on")
			genuine[string(m)] = true
			f.Add(m)
		}
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		next, delivered, err := s.Repair(message)
		if len(delivered) > 0 && (err != nil || string(delivered[0].Content) != "passed on") {
			t.Fatal("a forged message was delivered")
		}
		if next.sender == nil && !genuine[string(message)] && len(delivered) == 0 {
			t.Fatal("a forged message took the own chain away")
		}
		if err == nil {
			roundTrip(t, next, c.acts)
		}
	})
}

func FuzzReceive(f *testing.F) {
	c, s := fullState(f)
	f.Add(s.buffered[0].message)
	f.Add(c.send(f, 1, "y")) // of a chain that s has
	f.Fuzz(func(t *testing.T, message []byte) {
		next, delivered, _, err := s.Receive(c.selves[1].Member, message)
		if len(delivered) > 0 && (err != nil || string(delivered[0].Content) != "y") {
			t.Fatal("a forged message was delivered")
		}
		if err != nil {
			return
		}
		roundTrip(t, next, c.acts)
	})
}

func FuzzAcceptSenderKey(f *testing.F) {
	c, s := fullState(f)
	_, out, err := c.states[2].Renew().Send(c.selves[2], []byte("x"), members(c.selves...))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(out.SenderKeys[c.selves[0].Device])
	f.Fuzz(func(t *testing.T, distribution []byte) {
		next, _, err := s.AcceptSenderKey(c.selves[2].Member, 1, distribution)
		if err != nil {
			return
		}
		roundTrip(t, next, c.acts)
	})
}
