package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transport"
)

// reachTimeout bounds finding and dialling a device before its lane waits for
// its presence again.
const reachTimeout = 10 * time.Second

// courier brings what is in the outbox to the devices it is for. Each device
// with entries has a lane: a goroutine that connects, delivers in order, and
// ends when nothing is left.
type courier struct {
	d *device

	mu      sync.Mutex
	lanes   map[peer.ID]*lane
	start   func(*lane) // runs it; nil before run and after its end
	running sync.WaitGroup
}

func newCourier(d *device) *courier {
	return &courier{d: d, lanes: make(map[peer.ID]*lane)}
}

// run starts a lane for everything that waits on disk, and then whatever wake
// asks for, until the context ends; it waits for all lanes.
func (c *courier) run(ctx context.Context) error {
	var waiting []peer.ID
	err := c.d.store.View(func(tx *store.Tx) error {
		waiting = tx.Waiting()
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the outbox: %w", err)
	}
	c.mu.Lock()
	c.start = func(l *lane) { c.running.Go(func() { c.work(ctx, l) }) }
	for _, l := range c.lanes {
		c.start(l)
	}
	c.mu.Unlock()
	for _, to := range waiting {
		c.wake(to, math.MaxUint64)
	}
	if err := c.rehome(); err != nil { // a disk that is full: the lanes go on when it is not
		c.d.log.Error("what waits for a person's next device stays", "err", err)
	}
	<-ctx.Done()
	c.mu.Lock()
	c.start = nil
	c.mu.Unlock()
	c.running.Wait()
	return nil
}

// wake lets a device's lane deliver entries up to a number.
func (c *courier) wake(to peer.ID, seq uint64) {
	if to == noDevice {
		return // there is nowhere to go: see rehome
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.lanes[to]
	if !ok {
		l = &lane{to: to, nudge: make(chan struct{}, 1), unstored: make(chan struct{}, 1), changed: make(chan struct{}, 1), moved: time.Now()}
		c.lanes[to] = l
		if c.start != nil {
			c.start(l)
		}
	}
	l.upTo = max(l.upTo, seq)
	signal(l.nudge)
	signal(l.unstored)
}

// seen tells a device's lane, if it has one, that the device is there now.
func (c *courier) seen(device peer.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l, ok := c.lanes[device]; ok {
		l.present = true
		signal(l.nudge)
	}
}

// waitsFor reports whether something waits for a device.
func (c *courier) waitsFor(device peer.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, waits := c.lanes[device]
	return waits
}

// work runs a lane until nothing is left for its device or the context ends.
func (c *courier) work(ctx context.Context, l *lane) {
	c.d.start.wait(ctx) // what is sealed in an older state would be refused
	ctx, over := context.WithCancel(ctx)
	var storing sync.WaitGroup
	storing.Go(func() { c.keepStoring(ctx, l) })
	defer storing.Wait()
	defer over()
	for ctx.Err() == nil {
		err := c.deliverAll(ctx, l)
		c.mu.Lock()
		if err == nil && !l.nudged() { // nothing is left, and nothing came meanwhile
			delete(c.lanes, l.to)
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			c.d.log.Debug("a device was not reached", "peer", l.to, "err", err)
			c.setAway(l, true)
			c.pause(ctx, l)
		}
	}
}

// pause waits until the oldest entry is due again, or the device shows itself.
func (c *courier) pause(ctx context.Context, l *lane) {
	wait := outbox.FirstDelay
	err := c.d.commit(func(tx *store.Tx, fx *effects) error {
		now := time.Now()
		for _, e := range outbox.TooOld(tx.Entries(l.to, outbox.Window), now) {
			c.d.told(tx, fx, e, tx.PutEntry(e), "")
		}
		for _, e := range tx.Entries(l.to, 1) {
			e = e.After(outbox.OutcomeFailed, now)
			wait = e.Next.Sub(now)
			tx.PutEntry(e)
		}
		return nil
	})
	if err != nil {
		c.d.log.Error("the outbox could not be written", "err", err)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-l.nudge:
			if c.takePresence(l) {
				return
			}
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (c *courier) takePresence(l *lane) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	present := l.present
	l.present = false
	return present
}

func (c *courier) limit(l *lane) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return l.upTo
}

// lane is the way to one device. Its fields from upTo on are guarded by the
// courier's mu.
type lane struct {
	to       peer.ID
	nudge    chan struct{} // holds a token when there is news
	unstored chan struct{} // the same, for whoever gives it to the servers
	changed  chan struct{} // holds a token when the servers may answer otherwise than before
	sealing  sync.Mutex    // held while an entry is sealed that was not when it was put

	upTo    uint64    // entries with a higher number stay
	present bool      // the device has shown itself since the last look
	away    bool      // the last attempt to reach it failed
	moved   time.Time // when the device last took something, or the lane began
}

func (l *lane) nudged() bool { return len(l.nudge) > 0 }

// connect returns a link to a device, dialling it if need be.
func (c *courier) connect(ctx context.Context, to peer.ID) (*transport.Link, error) {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if err := c.d.reach(ctx, to); err != nil {
		return nil, err
	}
	l, err := c.d.link.host.Link(ctx, to)
	if err == nil {
		c.d.checkHello(to, l.Hello())
	}
	return l, err
}

// underway is an entry whose receipt is awaited.
type underway struct {
	entry   outbox.Entry
	outcome <-chan error
}

// deliverAll delivers a device's entries in order, several at a time, until
// none is left (nil) or the link fails.
func (c *courier) deliverAll(ctx context.Context, l *lane) error {
	if _, acts := c.d.people.owner(l.to); !acts {
		return c.redirect(l.to)
	}
	var flight []underway
	var link *transport.Link
	var last uint64 // number of the newest entry that was read
	for {
		var fresh []outbox.Entry
		if len(flight) < outbox.Window {
			var err error
			if fresh, err = c.next(l, last, outbox.Window-len(flight)); err != nil {
				return err
			}
		}
		if len(fresh) == 0 && len(flight) == 0 {
			return nil
		}
		if link == nil {
			var err error
			if link, err = c.connect(ctx, l.to); err != nil {
				return err
			}
			c.setAway(l, false)
			continue // that took a while, and what was read may have been given up
		}
		for _, e := range fresh {
			last = e.Seq
			u, err := c.dispatch(ctx, l, link, e)
			if err != nil {
				return err
			}
			if u.outcome != nil {
				flight = append(flight, u)
			}
			if e.Renewals > 0 {
				break // a session has begun, and those behind it are to be read again
			}
		}
		if len(flight) == 0 {
			continue
		}
		var err error
		if flight, err = c.await(ctx, l, flight); err != nil {
			return err
		}
	}
}

// next reads the entries that follow a number and may go out.
func (c *courier) next(l *lane, after uint64, most int) (entries []outbox.Entry, err error) {
	upTo := c.limit(l)
	err = c.d.store.View(func(tx *store.Tx) error {
		entries = tx.EntriesAfter(l.to, after, most)
		return nil
	})
	entries = slices.DeleteFunc(entries, func(e outbox.Entry) bool { return e.Seq > upTo })
	return entries, err
}

// dispatch seals an entry that is not sealed yet and gives it to the link. An
// entry that has become pointless is finished instead.
func (c *courier) dispatch(ctx context.Context, l *lane, link *transport.Link, e outbox.Entry) (underway, error) {
	if time.Since(e.Made) >= outbox.Lifetime {
		return underway{}, c.expire(e, outbox.ReasonTooOld)
	}
	if c.d.contacts.withholds(e) {
		return underway{}, c.expire(e, outbox.ReasonUnwanted)
	}
	if _, acts := c.d.people.owner(e.Device); !acts {
		return underway{}, c.redirect(e.Device)
	}
	if e.Envelope == nil {
		var err error
		if e, err = c.sealLate(ctx, l, e); err != nil {
			return underway{}, err
		}
	}
	outcome, err := link.Deliver(ctx, e.ID, e.Envelope)
	return underway{e, outcome}, err
}

// await waits for the oldest receipt, or for new entries to send meanwhile, and
// commits all outcomes that are there. It returns what is still under way, and
// an error when the link is of no more use.
func (c *courier) await(ctx context.Context, l *lane, flight []underway) ([]underway, error) {
	var done []result
	var broken error
	settle := func(err error) {
		var outcome outbox.Outcome
		if outcome, broken = outcomeOf(err); broken == nil {
			done = append(done, result{flight[0].entry.Seq, outcome})
			flight = flight[1:]
		}
	}
	select {
	case err := <-flight[0].outcome:
		settle(err)
	case <-l.nudge:
		return flight, nil
	case <-ctx.Done():
		return flight, ctx.Err()
	}
	for more := true; more && broken == nil && len(flight) > 0; {
		select {
		case err := <-flight[0].outcome:
			settle(err)
		default:
			more = false
		}
	}
	left, err := c.finish(l.to, string(c.d.link.host.Path(l.to)), done)
	if err != nil {
		return flight, err
	}
	if len(done) > 0 {
		c.noteMoved(l)
	}
	if left { // it must go out again before what follows it
		return flight, fmt.Errorf("message refused for now")
	}
	return flight, broken
}

// result is what became of an attempt to bring an entry to its device.
type result struct {
	seq     uint64
	outcome outbox.Outcome
}

// outcomeOf translates the outcome of a delivery; an error that is no refusal means
// that nobody knows, and that the link has ended.
func outcomeOf(err error) (outbox.Outcome, error) {
	var refused *transport.Refused
	switch {
	case err == nil:
		return outbox.OutcomeDelivered, nil
	case errors.As(err, &refused):
		return outbox.Answered(refused.Refusal), nil
	default:
		return 0, err
	}
}

// finish writes down what became of a device's entries, and tells. It reports
// whether one of them still waits. Entries that have been finished by another way
// meanwhile stay as they are.
func (c *courier) finish(to peer.ID, path string, results []result) (left bool, err error) {
	if len(results) == 0 {
		return false, nil
	}
	err = c.d.commit(func(tx *store.Tx, fx *effects) error {
		left = false
		now := time.Now()
		for _, r := range results {
			if e, ok := tx.Entry(to, r.seq); ok {
				e = c.settle(tx, fx, e, r.outcome, path, now)
				left = left || !e.Done()
			}
		}
		return nil
	})
	return left, err
}

// settle stores an entry after an outcome, and tells.
func (c *courier) settle(tx *store.Tx, fx *effects, e outbox.Entry, outcome outbox.Outcome, path string, now time.Time) outbox.Entry {
	if outcome == outbox.OutcomeRenew && e.Envelope == nil {
		return e // one before it has had them all sealed anew
	}
	after := e.After(outcome, now)
	if outcome == outbox.OutcomeRenew && !after.Done() {
		unseal(tx, e.Device)
		if after.Renewals == 1 && tx.Session(e.Device).Established() {
			c.d.tellRenewed(fx, e.To)
		}
	}
	c.d.told(tx, fx, after, tx.PutEntry(after), path)
	return after
}

// expire gives an entry up.
func (c *courier) expire(e outbox.Entry, why outbox.Reason) error {
	return c.d.commit(func(tx *store.Tx, fx *effects) error {
		e := e.Expire(why)
		c.d.told(tx, fx, e, tx.PutEntry(e), "")
		return nil
	})
}
