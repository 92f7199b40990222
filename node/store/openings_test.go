package store

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// A group's openings are those of the last messages of its log, as many as it asks
// for, whatever comes twice, and go with the messages.
func TestOpenings(t *testing.T) {
	s := newStore(t)
	rapid.Check(t, func(r *rapid.T) {
		g, other := record.NewGroupID(), record.NewGroupID()
		most := rapid.IntRange(1, 5).Draw(r, "most")
		said, at := uint32(0), now
		var want []string
		one := func(tx *Tx, i uint32) { tx.KeepOpening(g, logged(1, i), fmt.Append(nil, i), most) }
		for range rapid.IntRange(1, 3).Draw(r, "transactions") {
			mustUpdate(t, s, func(tx *Tx) {
				for range rapid.IntRange(0, 6).Draw(r, "messages") {
					at = at.Add(1e9)
					tx.LogGroup(g, logged(1, said), at)
					one(tx, said)
					one(tx, said) // it is kept once
					tx.KeepOpening(other, logged(1, said), []byte("not in the log"), most)
					want = append(want, fmt.Sprint(said))
					said++
				}
				want = want[max(0, len(want)-most):]
				if rapid.IntRange(0, 3).Draw(r, "prune") == 0 { // all but the last message
					tx.PruneLogs(at.Add(LogLifetime))
					want = want[max(0, len(want)-1):]
				}
			})
			mustView(t, s, func(tx *Tx) {
				var got []string
				for _, o := range tx.Openings(g) {
					m, ok := tx.Logged(g, o.Order)
					if !ok || fmt.Sprint(m.Iteration) != string(o.Opening) {
						r.Fatalf("opening %q of message %d", o.Opening, m.Iteration)
					}
					got = append(got, string(o.Opening))
				}
				if fmt.Sprint(got) != fmt.Sprint(want) || len(tx.Openings(other)) != 0 {
					r.Fatalf("%v, want %v", got, want)
				}
			})
		}
		mustUpdate(t, s, func(tx *Tx) { tx.RemoveOpenings(g) })
		mustUpdate(t, s, func(tx *Tx) {
			if n := len(tx.Openings(g)); n != 0 {
				r.Fatalf("%d are left", n)
			}
			if said > 0 {
				tx.LogGroup(g, logged(2, 0), at)
				tx.KeepOpening(g, logged(2, 0), []byte("again"), most)
				if n := len(tx.Openings(g)); n != 1 {
					r.Fatalf("%d after a removal", n)
				}
			}
			tx.PruneLogs(at.Add(2 * LogLifetime))
		})
	})
}
