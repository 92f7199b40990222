package store

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/roster"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

func TestRosterRow(t *testing.T) {
	s := newStore(t)
	want := roster.Roster{
		Servers: roster.List{Version: 7, Policy: roster.Open, Standings: map[record.Account]roster.Standing{"bob7": roster.Accepted, "eve9": roster.Blocked}},
		Own:     roster.Change{Policy: roster.Ask, Standings: map[record.Account]roster.Standing{"bob7": roster.Stranger, "carol1": roster.Accepted}},
	}
	mustUpdate(t, s, func(tx *Tx) {
		if got := tx.Roster(); got.Policy() != roster.Open || got.Pending() {
			t.Errorf("at first it is %+v", got)
		}
		tx.PutRoster(want)
	})
	mustView(t, s, func(tx *Tx) {
		if got := tx.Roster(); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestHeldRows(t *testing.T) {
	s := newStore(t)
	device := deviceID(t, key.NewDevice())
	held := func(text string) Held { return Held{Device: device, Content: []byte(text)} }
	mustUpdate(t, s, func(tx *Tx) {
		tx.Hold("eve9", held("one"))
		tx.Hold("eve", held("of a shorter name"))
		tx.Hold("eve9", held("three"))
	})
	mustUpdate(t, s, func(tx *Tx) {
		tx.Hold("eve9", held("last"))
		want := []Held{held("one"), held("three"), held("last")}
		if got := tx.Held("eve9"); !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		waits := map[record.Account]roster.Load{"eve9": {Messages: 3, Bytes: 12}, "eve": {Messages: 1, Bytes: 17}}
		if got := tx.Waits(); !reflect.DeepEqual(got, waits) {
			t.Errorf("%v, want %v", got, waits)
		}
		tx.DropHeld("eve9")
	})
	mustView(t, s, func(tx *Tx) {
		if got := tx.Held("eve9"); got != nil {
			t.Errorf("%v is left", got)
		}
		if got := tx.Held("eve"); !slices.EqualFunc(got, []Held{held("of a shorter name")}, func(a, b Held) bool { return string(a.Content) == string(b.Content) }) {
			t.Errorf("another's: %v", got)
		}
	})
}

func TestWhoWroteInAConversation(t *testing.T) {
	for _, own := range []int{-1, 0, 1, wroteAtOnce - 1, wroteAtOnce, 2*wroteAtOnce + 5} {
		s := newStore(t)
		mustUpdate(t, s, func(tx *Tx) {
			for i := range 2*wroteAtOnce + 6 {
				from := record.Account("eve9")
				if i == own {
					from = "alice42"
				}
				tx.Append(Message{ID: wire.NewMessageID(), Conversation: "eve9", From: from, Text: fmt.Sprint(i), SentAt: now, ReceivedAt: now})
			}
			tx.Append(Message{ID: wire.NewMessageID(), Conversation: "eve", From: "alice42", Text: "elsewhere", SentAt: now, ReceivedAt: now})
		})
		mustView(t, s, func(tx *Tx) {
			if got := tx.Wrote("eve9", "alice42"); got != (own >= 0) {
				t.Errorf("line %d is one's own, and it is told %t", own, got)
			}
		})
	}
}
