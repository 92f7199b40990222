package store

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

func logged(chain byte, iteration uint32) Logged {
	return Logged{Chain: [16]byte{chain}, Iteration: iteration, Message: []byte{chain, byte(iteration)}}
}

func TestGroupLog(t *testing.T) {
	s := newStore(t)
	g, other := record.GroupID{1}, record.GroupID{2}
	said := []Logged{logged(1, 0), logged(2, 7), logged(1, 2), logged(1, 1), logged(2, 8)}
	mustUpdate(t, s, func(tx *Tx) {
		for _, m := range said {
			tx.LogGroup(g, m, now)
			tx.LogGroup(g, m, now) // it is kept once
		}
		tx.LogGroup(other, logged(1, 9), now)
	})
	mustView(t, s, func(tx *Tx) {
		for _, from := range []uint32{0, 1, 2, 3} {
			var got []uint32
			for _, order := range tx.LoggedFrom(g, [16]byte{1}, from, 10) {
				m, ok := tx.Logged(g, order)
				if want := logged(1, m.Iteration); !ok || m.Chain != want.Chain || !bytes.Equal(m.Message, want.Message) {
					t.Fatalf("message %d came back as %+v", order, m)
				}
				got = append(got, m.Iteration)
			}
			if want := []uint32{0, 1, 2}[min(from, 3):]; !slices.Equal(got, want) {
				t.Errorf("from %d: %v, want %v", from, got, want)
			}
		}
		if got := tx.LoggedFrom(g, [16]byte{1}, 0, 2); len(got) != 2 {
			t.Errorf("%d of at most 2", len(got))
		}
		// Orders are those in which the messages came.
		var last uint64
		for _, m := range said {
			order, ok := tx.LoggedAt(g, m.Chain, m.Iteration)
			if !ok || order <= last {
				t.Errorf("message %d of chain %d: order %d after %d", m.Iteration, m.Chain[0], order, last)
			}
			last = order
		}
		if _, ok := tx.LoggedAt(g, [16]byte{1}, 9); ok {
			t.Error("another group's message")
		}
	})
}

func TestGroupLogForgetsTheOld(t *testing.T) {
	s := newStore(t)
	g, other := record.GroupID{1}, record.GroupID{2}
	mustUpdate(t, s, func(tx *Tx) {
		for i := range uint32(10) {
			tx.LogGroup(g, logged(1, i), now.Add(time.Duration(i)*time.Hour))
		}
		tx.LogGroup(other, logged(1, 0), now.Add(5*time.Hour))
	})
	mustUpdate(t, s, func(tx *Tx) {
		if tx.PruneLogs(now.Add(LogLifetime + 7*time.Hour)) {
			t.Error("there is more to forget")
		}
	})
	mustUpdate(t, s, func(tx *Tx) {
		if n := len(tx.LoggedFrom(g, [16]byte{1}, 0, 100)); n != 3 {
			t.Errorf("%d messages are left, want 3", n)
		}
		if n := len(tx.LoggedFrom(other, [16]byte{1}, 0, 100)); n != 0 {
			t.Errorf("%d messages are left of another group", n)
		}
		tx.LogGroup(other, logged(1, 1), now.Add(LogLifetime))
	})
	mustUpdate(t, s, func(tx *Tx) { tx.PruneLogs(now.Add(3 * LogLifetime)) })
	mustView(t, s, func(tx *Tx) {
		for _, id := range []record.GroupID{g, other} {
			if log, _ := tx.logSize(id); log.bytes != 0 || len(tx.LoggedFrom(id, [16]byte{1}, 0, 100)) != 0 {
				t.Errorf("%d bytes are left of a log that is over", log.bytes)
			}
		}
	})
}

// A prune that has much to forget does it in several transactions.
func TestGroupLogForgetsInParts(t *testing.T) {
	s := newStore(t)
	g := record.GroupID{1}
	for part := range uint32(3) {
		mustUpdate(t, s, func(tx *Tx) {
			for i := range uint32(maxPrune / 2) {
				tx.LogGroup(g, logged(1, part*maxPrune+i), now)
			}
		})
	}
	for _, want := range []bool{true, false} {
		mustUpdate(t, s, func(tx *Tx) {
			if got := tx.PruneLogs(now.Add(2 * LogLifetime)); got != want {
				t.Errorf("more to forget: %v, want %v", got, want)
			}
		})
	}
}

func TestGroupLogIsBounded(t *testing.T) {
	s := newStore(t)
	g := record.GroupID{1}
	const size, together = 90 << 10, 30
	var i uint32
	for i < MaxLog/size+2*together {
		mustUpdate(t, s, func(tx *Tx) {
			for range together {
				tx.LogGroup(g, Logged{Iteration: i, Message: make([]byte, size)}, now)
				i++
			}
		})
	}
	mustView(t, s, func(tx *Tx) {
		orders := tx.LoggedFrom(g, [16]byte{}, 0, int(i))
		if n := len(orders); n != MaxLog/(size+loggedOverhead) {
			t.Errorf("%d messages are kept, want %d", n, MaxLog/(size+loggedOverhead))
		}
		if m, ok := tx.Logged(g, orders[len(orders)-1]); !ok || m.Iteration != i-1 {
			t.Errorf("the newest kept is %d, want %d", m.Iteration, i-1)
		}
	})
}
