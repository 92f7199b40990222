package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/wire"
)

// outboxModel is what the outbox should hold: all entries of one run in the
// order in which they were queued, finished ones among them.
type outboxModel struct {
	entries []outbox.Entry
	settled map[wire.MessageID]bool
}

// waiting returns a device's unfinished entries.
func (m *outboxModel) waiting(device peer.ID) []outbox.Entry {
	var out []outbox.Entry
	for _, e := range m.entries {
		if e.Device == device && !e.Done() {
			out = append(out, e)
		}
	}
	return out
}

// summary is where a message has got to, by all of its entries.
func (m *outboxModel) summary(id wire.MessageID) outbox.Summary {
	var statuses []outbox.Status
	for _, e := range m.entries {
		if e.ID == id && !e.Copy {
			statuses = append(statuses, e.Status)
		}
	}
	return outbox.Summarise(statuses)
}

// step changes the store and the model alike. Its draws are made before, since
// it runs on another goroutine.
type step func(tx *Tx, m *outboxModel) error

func drawStep(t *rapid.T, devices []peer.ID) step {
	device := rapid.SampledFrom(devices).Draw(t, "device")
	which := rapid.IntRange(0, 1000).Draw(t, "which")
	body := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "body")
	if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
		to := rapid.SliceOfNDistinct(rapid.SampledFrom(devices), 1, len(devices), rapid.ID[peer.ID]).Draw(t, "to")
		return func(tx *Tx, m *outboxModel) error { return queue(tx, m, to, body, which%2 == 0) }
	}
	outcome := outbox.Outcome(rapid.IntRange(0, 5).Draw(t, "outcome"))
	return func(tx *Tx, m *outboxModel) error { return attempt(tx, m, device, which, outcome, body) }
}

// queue puts a message into the outbox, for the last device as a copy.
func queue(tx *Tx, m *outboxModel, to []peer.ID, content []byte, sealed bool) error {
	id := wire.NewMessageID()
	for i, device := range to {
		e := outbox.New(id, "bob7", device, content, now)
		e.Copy = i > 0 && i == len(to)-1
		if sealed {
			e.Envelope = append([]byte("sealed "), content...)
		}
		e, err := tx.AddEntry(e)
		if err != nil {
			return err
		}
		m.entries = append(m.entries, e)
	}
	return nil
}

// attempt has something become of one of a device's entries.
func attempt(tx *Tx, m *outboxModel, device peer.ID, which int, outcome outbox.Outcome, envelope []byte) error {
	waiting := m.waiting(device)
	if len(waiting) == 0 {
		return nil
	}
	e := waiting[which%len(waiting)].After(outcome, now)
	if e.Envelope == nil && !e.Done() && which%2 == 0 {
		e.Envelope = envelope
	}
	i := slices.IndexFunc(m.entries, func(other outbox.Entry) bool { return other.Seq == e.Seq })
	m.entries[i] = e
	got := tx.PutEntry(e)
	if want := m.summary(e.ID); got != want && !m.settled[e.ID] {
		return fmt.Errorf("message is %+v, want %+v", got, want)
	}
	if got.Settled() {
		m.settled[e.ID] = true
	}
	if again := tx.PutEntry(e); e.Done() && again.Settled() {
		return errors.New("a message settled twice")
	}
	return nil
}

// check compares the store with the model.
func (m *outboxModel) check(tx *Tx, devices []peer.ID) error {
	for _, device := range devices {
		want := m.waiting(device)
		got := tx.Entries(device, 0)
		if !slices.EqualFunc(got, want, sameEntry) {
			return fmt.Errorf("waiting for %s: %+v, want %+v", device, got, want)
		}
		load := outbox.Load{}
		for _, e := range want {
			load.Entries++
			load.Bytes += len(e.Content)
		}
		if tx.Load(device) != load {
			return fmt.Errorf("load of %s: %+v, want %+v", device, tx.Load(device), load)
		}
		if slices.Contains(tx.Waiting(), device) != (len(want) > 0) {
			return fmt.Errorf("%s is listed wrongly", device)
		}
		if first := tx.Entries(device, 2); !slices.EqualFunc(first, want[:min(2, len(want))], sameEntry) {
			return fmt.Errorf("the first two for %s: %+v", device, first)
		}
		for i, e := range want {
			if rest := tx.EntriesAfter(device, e.Seq, 0); !slices.EqualFunc(rest, want[i+1:], sameEntry) {
				return fmt.Errorf("after entry %d: %+v", e.Seq, rest)
			}
			if one, ok := tx.Entry(device, e.Seq); !ok || !sameEntry(one, e) {
				return fmt.Errorf("entry %d: %+v", e.Seq, one)
			}
		}
	}
	for _, e := range m.entries {
		if !m.settled[e.ID] && tx.Progress(e.ID) != m.summary(e.ID) {
			return fmt.Errorf("progress %+v, want %+v", tx.Progress(e.ID), m.summary(e.ID))
		}
	}
	return nil
}

func sameEntry(a, b outbox.Entry) bool {
	same := bytes.Equal(a.Content, b.Content) && bytes.Equal(a.Envelope, b.Envelope) &&
		(a.Envelope == nil) == (b.Envelope == nil) && millis(a.Made) == millis(b.Made) && millis(a.Next) == millis(b.Next)
	a.Content, a.Envelope, a.Made, a.Next = b.Content, b.Envelope, b.Made, b.Next
	return same && a.ID == b.ID && a.To == b.To && a.Device == b.Device && a.Seq == b.Seq && a.Copy == b.Copy && a.Status == b.Status
}

func TestOutbox(t *testing.T) {
	s := newStore(t)
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		var devices []peer.ID // one a prefix of the other
		for _, name := range []string{"", "d", "de"} {
			devices = append(devices, peer.ID(fmt.Sprintf("%d-%s", runs, name)))
		}
		m := outboxModel{settled: make(map[wire.MessageID]bool)}
		for range rapid.IntRange(1, 4).Draw(t, "updates") {
			steps := make([]step, rapid.IntRange(1, 10).Draw(t, "steps"))
			for i := range steps {
				steps[i] = drawStep(t, devices)
			}
			fails := rapid.IntRange(0, 4).Draw(t, "fails") == 0
			before := outboxModel{entries: slices.Clone(m.entries), settled: map[wire.MessageID]bool{}}
			for id := range m.settled {
				before.settled[id] = true
			}
			err := s.Update(func(tx *Tx) error {
				for _, step := range steps {
					if err := step(tx, &m); err != nil {
						return err
					}
				}
				if err := m.check(tx, devices); err != nil {
					return fmt.Errorf("within the transaction: %w", err)
				}
				if fails {
					return errRefused
				}
				return nil
			})
			switch {
			case fails && errors.Is(err, errRefused):
				m = before
			case err != nil:
				t.Fatal(err)
			}
			if err := s.View(func(tx *Tx) error { return m.check(tx, devices) }); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// An entry waits for an account's devices to become known.
func TestFanOut(t *testing.T) {
	s := newStore(t)
	id := wire.NewMessageID()
	mustUpdate(t, s, func(tx *Tx) {
		if _, err := tx.AddEntry(outbox.New(id, "bob7", "", []byte("hello"), now)); err != nil {
			t.Fatal(err)
		}
	})
	mustUpdate(t, s, func(tx *Tx) {
		if waiting := tx.Waiting(); !slices.Equal(waiting, []peer.ID{""}) {
			t.Errorf("waiting: %q", waiting)
		}
		fanned, err := tx.FanOut(tx.Entries("", 1)[0], []peer.ID{"a", "b"})
		if err != nil || len(fanned) != 2 {
			t.Fatalf("fanned out: %+v, %v", fanned, err)
		}
		if waiting := tx.Waiting(); !slices.Equal(waiting, []peer.ID{"a", "b"}) {
			t.Errorf("waiting: %q", waiting)
		}
		if got := tx.PutEntry(fanned[0].After(outbox.OutcomeDelivered, now)); got.State != outbox.Sent {
			t.Errorf("one of two has it: %+v", got)
		}
		if got := tx.PutEntry(fanned[1].After(outbox.OutcomeDelivered, now)); got.State != outbox.Delivered {
			t.Errorf("both have it: %+v", got)
		}
	})
}

func TestOutboxIsBounded(t *testing.T) {
	s := newStore(t)
	mustUpdate(t, s, func(tx *Tx) {
		tx.putLoad("a", load{Load: outbox.Load{Entries: outbox.MaxQueued}})
		if _, err := tx.AddEntry(outbox.New(wire.NewMessageID(), "bob7", "a", []byte("x"), now)); !errors.Is(err, outbox.ErrFull) {
			t.Errorf("one too many: %v", err)
		}
	})
}
