package node

import (
	"errors"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/store"
)

// effects is what a transaction wants done once it is on disk, and only then.
// The store runs transactions one at a time, so that what they read and write
// together needs no other lock.
type effects struct {
	events []Event
	lanes  map[peer.ID]uint64 // by device, the newest outbox entry that may go out
	later  []func()           // must not block: start or signal what does
	undo   []func()           // what to do if nothing of it gets to the disk
}

// tell adds events for the person.
func (fx *effects) tell(events ...Event) { fx.events = append(fx.events, events...) }

// wake has a device's lane deliver the entries up to one with this number. The
// lane does not run ahead of it, so that a message's first event is told before
// its second can happen.
func (fx *effects) wake(device peer.ID, seq uint64) {
	if fx.lanes == nil {
		fx.lanes = make(map[peer.ID]uint64)
	}
	fx.lanes[device] = max(seq, fx.lanes[device])
}

// after adds what is to be done last.
func (fx *effects) after(f func()) { fx.later = append(fx.later, f) }

// otherwise adds what takes back a change that others see already, should the
// transaction fail.
func (fx *effects) otherwise(f func()) { fx.undo = append(fx.undo, f) }

// failed takes everything back, the latest first.
func (fx *effects) failed() {
	for _, f := range slices.Backward(fx.undo) {
		f()
	}
}

// turns has what transactions tell told in the order in which they ran. The store
// answers several at once, to goroutines that would otherwise race to tell.
type turns struct {
	mu      sync.Mutex
	changed *sync.Cond
	drawn   uint64 // how many turns were drawn
	over    uint64 // how many are over
}

func newTurns() *turns {
	t := new(turns)
	t.changed = sync.NewCond(&t.mu)
	return t
}

// draw returns the next turn. Whoever draws it takes it.
func (t *turns) draw() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drawn++
	return t.drawn - 1
}

// take waits for a turn, runs f, and ends it.
func (t *turns) take(turn uint64, f func()) {
	t.mu.Lock()
	for t.over != turn {
		t.changed.Wait()
	}
	t.mu.Unlock()
	f()
	t.mu.Lock()
	t.over++
	t.mu.Unlock()
	t.changed.Broadcast()
}

// commit runs fn in a transaction and, when that is on disk, what fn asked for.
// On an error nothing has happened.
func (d *device) commit(fn func(tx *store.Tx, fx *effects) error) error {
	var fx effects
	var ran bool
	var turn uint64
	err := d.store.Update(func(tx *store.Tx) error {
		ran, turn = true, d.turns.draw()
		fx = effects{}
		err := fn(tx, &fx)
		if err != nil {
			fx.failed() // here, before the next transaction reads
		}
		return err
	})
	if ran {
		d.turns.take(turn, func() {
			if err != nil {
				return
			}
			for _, e := range fx.events {
				d.emit(e)
			}
		})
	}
	if errors.Is(err, store.ErrFailed) {
		d.diskFailed.Do(func() { d.emit(Event{Kind: EventError, Err: explain(err, "keep what happens")}) })
	}
	if full := errors.Is(err, store.ErrNoSpace); full && !d.diskFull.Swap(true) {
		d.emit(Event{Kind: EventError, Err: explain(err, "keep what happens")})
	} else if err == nil && d.diskFull.Load() && d.diskFull.Swap(false) {
		d.emit(Event{Kind: EventNotice, Text: "The disk has room again: everything goes on."})
	}
	if err != nil {
		return err
	}
	for to, seq := range fx.lanes {
		d.courier.wake(to, seq)
	}
	for _, f := range fx.later {
		f()
	}
	return nil
}
