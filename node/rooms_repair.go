package node

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// A topic brings a message quickly or not at all: it drops what is too much, and
// forgets who was away. What makes sure is that each device keeps a group's sealed
// messages, its own and those of others, and that devices ask each other for what
// they lack: when they meet, when a gap shows, when a key comes that opens more, and
// now and then, since nothing shows that the last message of all is missing. Asking
// also shows the other side what it lacks itself, so that one of two is enough.

const (
	// repairDelay is how long a gap is left alone: messages overtake each other.
	repairDelay = 500 * time.Millisecond
	// maxRepairs is how many groups are repaired at a time.
	maxRepairs = 8
	// maxRequests bounds the requests of one repair: 64 answers of the most that one
	// brings. A device that lacks more goes on at the next occasion.
	maxRequests = 64
	// roundSize is how many members are asked in a round: with two each, everybody is
	// likely to be asked by somebody.
	roundSize = 2
	// shortestQuiet is how soon after a message members are asked whether there is
	// more; while there is not, the wait doubles up to longestQuiet.
	shortestQuiet = 5 * time.Second
	longestQuiet  = 5 * time.Minute
	// maxLooked bounds the messages of the log that are looked at for one request,
	// whatever it asks for.
	maxLooked = 16 << 10
)

// repairs are the member devices that are to be asked for messages of a group, and
// from when on.
type repairs struct {
	changed chan struct{} // holds a token when there is news

	mu   sync.Mutex
	due  map[repairOf]time.Time
	busy map[record.GroupID]bool // one at a time, so that nothing is fetched twice
}

type repairOf struct {
	group  record.GroupID
	device peer.ID
}

func newRepairs() *repairs {
	return &repairs{
		changed: make(chan struct{}, 1),
		due:     make(map[repairOf]time.Time), busy: make(map[record.GroupID]bool),
	}
}

// add has a device asked after a while, or sooner if it is to be already.
func (q *repairs) add(id record.GroupID, device peer.ID, after time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	of, at := repairOf{id, device}, time.Now().Add(after)
	if before, waits := q.due[of]; !waits || at.Before(before) {
		q.due[of] = at
		q.signal()
	}
}

func (q *repairs) signal() { signal(q.changed) }

// next takes out a repair that is due and makes its group busy. If there is none it
// tells when there will be, at the earliest; 0 means that news is to be awaited.
func (q *repairs) next(now time.Time) (of repairOf, ok bool, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.busy) >= maxRepairs {
		return of, false, 0
	}
	var first time.Time
	for candidate, at := range q.due {
		if !q.busy[candidate.group] && (first.IsZero() || at.Before(first)) {
			of, first = candidate, at
		}
	}
	switch {
	case first.IsZero():
		return of, false, 0
	case first.After(now):
		return of, false, first.Sub(now)
	}
	delete(q.due, of)
	q.busy[of.group] = true
	return of, true, 0
}

// await waits for news, and at most so long if that is not 0.
func (q *repairs) await(ctx context.Context, most time.Duration) {
	var over <-chan time.Time
	if most > 0 {
		timer := time.NewTimer(most)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-q.changed:
	case <-over:
	case <-ctx.Done():
	}
}

func (q *repairs) done(of repairOf) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.busy, of.group)
	q.signal()
}

// repair does the repairs as they become due, until the context ends.
func (r *rooms) repair(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		of, ok, wait := r.repairs.next(time.Now())
		if ok {
			running.Go(func() {
				defer r.repairs.done(of)
				if err := r.fetchFrom(ctx, of); err != nil && ctx.Err() == nil {
					r.d.log.Debug("a member was not asked for messages", "peer", of.device, "err", err)
				}
			})
			continue
		}
		r.repairs.await(ctx, wait)
	}
}

// fetchFrom asks a member device for everything that this one lacks.
func (r *rooms) fetchFrom(ctx context.Context, of repairOf) error {
	for range maxRequests {
		s, ok := r.state(of.group)
		if !ok || !r.isMember(of.group, of.device) || len(r.connected([]group.Member{{Device: of.device}})) == 0 {
			return nil
		}
		request := wire.SyncRequest{Group: of.group, Have: s.Have()}
		messages, err := r.d.link.host.Sync(ctx, of.device, request.ToWire())
		if err != nil || len(messages) == 0 {
			return err
		}
		if fresh, err := r.takeRepair(of, messages); err != nil || fresh == 0 {
			return err
		}
	}
	return nil
}

// takeRepair takes what a member device has passed on and returns how many of the
// messages are new here.
func (r *rooms) takeRepair(of repairOf, messages [][]byte) (fresh int, err error) {
	err = r.d.commit(func(tx *store.Tx, fx *effects) error {
		fresh = 0
		s, ok := r.state(of.group)
		if !ok {
			return nil
		}
		var all []group.Delivered
		for _, m := range messages {
			next, delivered, err := s.Repair(m)
			if err != nil {
				r.d.log.Warn("a message that was passed on is refused", "peer", of.device, "err", err)
				continue
			}
			s, all = next, append(all, delivered...)
		}
		if fresh = len(all); fresh == 0 {
			return nil
		}
		return r.keep(tx, fx, s, all)
	})
	if err != nil {
		return 0, fmt.Errorf("take what was passed on: %w", err)
	}
	return fresh, nil
}

// passOn answers a member device that asks for messages.
func (r *rooms) passOn(from peer.ID, m *pb.SyncRequest) ([][]byte, error) {
	request, err := wire.ParseSyncRequest(m)
	if err != nil {
		return nil, err
	}
	s, ok := r.state(request.Group)
	if !ok || !r.isMember(request.Group, from) {
		return nil, group.ErrNotMember
	}
	if err := r.noteHave(request.Group, from, request.Have); err != nil {
		return nil, err
	}
	if s.Lacks(request.Have) {
		r.repairs.add(request.Group, from, 0)
	}
	if s.LacksKey(from, request.Have) {
		if err := r.d.commit(func(tx *store.Tx, fx *effects) error { return r.forgetHanded(tx, fx, request.Group, from) }); err != nil {
			return nil, err
		}
	}
	var messages [][]byte
	err = r.d.store.View(func(tx *store.Tx) error {
		messages = lacking(tx, request)
		return nil
	})
	return messages, err
}

// forgetHanded has this device's sender key handed out again to a device that turns
// out not to have it, with the next message.
func (r *rooms) forgetHanded(tx *store.Tx, fx *effects, id record.GroupID, device peer.ID) error {
	s, ok := r.state(id)
	if !ok {
		return nil
	}
	return r.put(tx, fx, s.Forget(device))
}

// lacking returns the messages of a group's log that a device lacks: as many as one
// answer brings, in the order in which they came here, but each sender's in its own.
func lacking(tx *store.Tx, request wire.SyncRequest) (messages [][]byte) {
	var all []lacked
	for _, h := range request.Have {
		var chain []lacked
		for _, iteration := range h.Missing {
			if order, ok := tx.LoggedAt(request.Group, h.Chain, iteration); ok {
				chain = append(chain, lacked{order, order})
			}
		}
		// More of one chain than an answer holds is not needed to find the first.
		for _, order := range tx.LoggedFrom(request.Group, h.Chain, h.Next, min(wire.MaxSyncMessages, maxLooked-len(all))) {
			chain = append(chain, lacked{order, order})
		}
		for i := len(chain) - 2; i >= 0; i-- { // one that was overtaken goes before
			chain[i].turn = min(chain[i].turn, chain[i+1].turn)
		}
		all = append(all, chain...)
	}
	slices.SortStableFunc(all, func(a, b lacked) int { return cmp.Compare(a.turn, b.turn) })
	size := 0
	for _, l := range all {
		m, ok := tx.Logged(request.Group, l.order)
		if !ok || len(messages) == wire.MaxSyncMessages || size+len(m.Message) > wire.MaxSyncBytes {
			break
		}
		messages, size = append(messages, m.Message), size+len(m.Message)
	}
	return messages
}

// lacked is a message of the log, and when it is its turn.
type lacked struct{ order, turn uint64 }

// lively notes that there is talk in a group: then more may be missing.
func (r *rooms) lively(id record.GroupID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.byID[id]; ok {
		r.liven(at)
	}
}

// liven is lively; the caller has the lock.
func (r *rooms) liven(at *room) {
	at.quiet = shortestQuiet
	if next := time.Now().Add(shortestQuiet); at.round.IsZero() || next.Before(at.round) {
		at.round = next
	}
}

// makeRound has a few connected members asked, if a group's time for it has come.
func (r *rooms) makeRound(s group.State) {
	r.mu.Lock()
	at, ok := r.byID[s.ID()]
	now := time.Now()
	if !ok || now.Before(at.round) {
		r.mu.Unlock()
		return
	}
	at.round = now.Add(at.quiet)
	at.quiet = min(2*at.quiet, longestQuiet)
	r.mu.Unlock()
	here := r.connected(r.devices(s))
	rand.Shuffle(len(here), func(i, j int) { here[i], here[j] = here[j], here[i] })
	for _, m := range here[:min(len(here), roundSize)] {
		r.repairs.add(s.ID(), m.Device, 0)
	}
}
