package node

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tryst-chat/tryst/node/store"
)

// Whoever commits at the same time, the person hears of it in the order in which it was
// committed.
func TestEventsComeInOrder(t *testing.T) {
	w := newWorld(t)
	alice := w.newPerson("alice", "42")
	const writers, each = 8, 50
	next := 0 // changed by transactions alone, which run one after the other
	var running sync.WaitGroup
	for i := range writers {
		running.Go(func() {
			for n := range each {
				err := alice.device.commit(func(tx *store.Tx, fx *effects) error {
					if (i+n)%7 == 0 {
						return errTest
					}
					fx.tell(Event{Kind: EventNotice, Text: fmt.Sprint("number ", next)})
					next++
					tx.PutMeta("next", []byte{byte(next)})
					return nil
				})
				if err != nil && err != errTest {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	last := alice.sees("the last", func(e Event) bool { return e.Text == fmt.Sprint("number ", next-1) })
	got := alice.all(func(e Event) bool { return e.Kind == EventNotice && len(e.Text) > 7 && e.Text[:7] == "number " })
	if len(got) != next {
		t.Fatalf("%d of %d told, the last %q", len(got), next, last.Text)
	}
	for i, e := range got {
		if e.Text != fmt.Sprint("number ", i) {
			t.Fatalf("%q in place %d", e.Text, i)
		}
	}
}

var errTest = fmt.Errorf("no")
