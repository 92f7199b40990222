package store

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

func TestOwnRows(t *testing.T) {
	s := newStore(t)
	id, other := wire.MessageID{0xab, 0xcd, 1}, wire.MessageID{0xab, 0xce, 2}
	want := Own{ID: id, Conversation: "#walk", Order: 7, State: outbox.Stored, Chain: [16]byte{9}, Iteration: 3}
	steps := []Step{
		{At: now, State: outbox.Queued},
		{At: now.Add(time.Second), State: outbox.Delivered, Account: "bob7", Device: "device", Path: "mailbox"},
	}
	mustUpdate(t, s, func(tx *Tx) {
		tx.PutOwn(Own{ID: other, Conversation: "bob7", Order: 8, State: outbox.Queued})
		tx.PutOwn(want)
		for _, step := range steps {
			tx.AddStep(id, step)
		}
		for range 2 * MaxSteps {
			tx.AddStep(other, steps[0])
		}
	})
	mustView(t, s, func(tx *Tx) {
		if got, ok := tx.Own(id); !ok || got != want {
			t.Errorf("%+v came back as %+v, %t", want, got, ok)
		}
		if _, ok := tx.Own(wire.MessageID{1}); ok {
			t.Error("a message that was never sent")
		}
		if got := tx.OwnLike([]byte{0xab}, 0); len(got) != 2 || got[0].ID != id || got[1].Chain != ([16]byte{}) {
			t.Errorf("beginning alike: %+v", got)
		}
		if got := tx.OwnLike([]byte{0xab, 0xce}, 0); len(got) != 1 || got[0].ID != other {
			t.Errorf("beginning like one: %+v", got)
		}
		got := tx.Steps(id)
		for i := range got {
			got[i].At = got[i].At.UTC()
		}
		if !reflect.DeepEqual(got, steps) {
			t.Errorf("%+v came back as %+v", steps, got)
		}
		if n := len(tx.Steps(other)); n != MaxSteps {
			t.Errorf("%d steps are kept", n)
		}
	})
}

func TestParkedRows(t *testing.T) {
	s := newStore(t)
	parked := func(n int) Parked {
		return Parked{From: "bob7", Device: "device", ID: wire.MessageID{byte(n), byte(n >> 8)}, Envelope: []byte{byte(n)}, Since: now}
	}
	for first := 0; first <= MaxParked+1; first += 256 {
		mustUpdate(t, s, func(tx *Tx) {
			for n := first; n < min(first+256, MaxParked+2); n++ {
				tx.Park(parked(n))
			}
		})
	}
	mustView(t, s, func(tx *Tx) {
		all := tx.Parked(0, MaxParked+10)
		if len(all) != MaxParked || all[0].ID != parked(2).ID || all[MaxParked-1].ID != parked(MaxParked+1).ID {
			t.Errorf("%d parked", len(all))
		}
		got, want := all[0], parked(2)
		if want.Order = got.Order; got.Since.UTC() != now || got.From != want.From || got.Device != want.Device || !slices.Equal(got.Envelope, want.Envelope) {
			t.Errorf("came back as %+v", got)
		}
		if next := tx.Parked(all[4].Order, 3); len(next) != 3 || next[0].Order != all[5].Order {
			t.Errorf("behind the fifth: %+v", next)
		}
	})
	mustUpdate(t, s, func(tx *Tx) { tx.Unpark(tx.Parked(0, 1)[0].Order) })
	mustView(t, s, func(tx *Tx) {
		if all := tx.Parked(0, 1); all[0].ID != parked(3).ID {
			t.Errorf("after the first has gone: %+v", all)
		}
	})
}

func TestEarlyRows(t *testing.T) {
	s := newStore(t)
	group, other := record.GroupID{1}, record.GroupID{2}
	want := Early{From: "bob7", Device: "device", Content: []byte("too soon")}
	mustUpdate(t, s, func(tx *Tx) {
		tx.PutEarly(group, [16]byte{1}, 5, want)
		tx.PutEarly(group, [16]byte{1}, 6, want)
		tx.PutEarly(other, [16]byte{1}, 5, want)
	})
	mustUpdate(t, s, func(tx *Tx) {
		if got, ok := tx.TakeEarly(group, [16]byte{1}, 5); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("came back as %+v, %t", got, ok)
		}
		if _, ok := tx.TakeEarly(group, [16]byte{1}, 5); ok {
			t.Error("taken twice")
		}
		tx.DropEarly(group)
		if _, ok := tx.TakeEarly(group, [16]byte{1}, 6); ok {
			t.Error("dropped, and still there")
		}
		if _, ok := tx.TakeEarly(other, [16]byte{1}, 5); !ok {
			t.Error("another group's went too")
		}
	})
}

func TestConversations(t *testing.T) {
	s := newStore(t)
	names := []string{"bo7", "#walk", "alice42", "#ab"}
	mustUpdate(t, s, func(tx *Tx) {
		for i := range 12 {
			name := names[i%len(names)]
			tx.Append(Message{ID: wire.MessageID{byte(i)}, Conversation: name, From: "bob7", Device: "device", Text: fmt.Sprint(i), SentAt: now, ReceivedAt: now})
		}
		tx.Append(Message{Conversation: "#walk", From: "bob7", Missing: 3, SentAt: now, ReceivedAt: now})
	})
	mustView(t, s, func(tx *Tx) {
		got := tx.Conversations()
		if len(got) != len(names) {
			t.Fatalf("conversations %q", got)
		}
		for _, name := range names {
			if !slices.Contains(got, name) {
				t.Errorf("%q is not among %q", name, got)
			}
		}
		all := tx.HistoryFrom("#walk", 0, 100)
		if len(all) != 4 || all[0].Text != "1" || all[0].Device != "device" || all[3].Missing != 3 {
			t.Fatalf("history: %+v", all)
		}
		if rest := tx.HistoryFrom("#walk", all[1].Order, 1); len(rest) != 1 || rest[0].Text != "5" {
			t.Errorf("from the second on: %+v", rest)
		}
		if m, ok := tx.MessageAt("#walk", all[2].Order); !ok || m.Text != "9" {
			t.Errorf("the third: %+v", m)
		}
		if _, ok := tx.MessageAt("bo7", all[2].Order); ok {
			t.Error("found in another conversation")
		}
	})
}

// An entry is found by its message while it waits, for one device alone.
func TestEntryOfMessage(t *testing.T) {
	s := newStore(t)
	id := wire.MessageID{1}
	var added outbox.Entry
	mustUpdate(t, s, func(tx *Tx) {
		e := outbox.New(id, "bob7", "device", []byte("hello"), now)
		e.NoReceipt = true
		var err error
		if added, err = tx.AddEntry(e); err != nil {
			t.Fatal(err)
		}
	})
	mustUpdate(t, s, func(tx *Tx) {
		e, ok := tx.EntryOf("device", id)
		if !ok || e.Seq != added.Seq || !e.NoReceipt {
			t.Fatalf("found %+v, %t", e, ok)
		}
		if _, ok := tx.EntryOf("another", id); ok {
			t.Error("found for another device")
		}
		e.NoReceipt = false
		e = e.After(outbox.OutcomeStored, now)
		tx.PutEntry(e)
		if got, _ := tx.EntryOf("device", id); got.State != outbox.Stored || !got.Again.Equal(e.Again) {
			t.Errorf("stored: %+v", got.Status)
		}
		tx.PutEntry(e.After(outbox.OutcomeDelivered, now))
		if _, ok := tx.EntryOf("device", id); ok {
			t.Error("found when it is done")
		}
	})
}
