package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// In a group with a history (record.Settings) a device that is new asks one member
// device after the other for what was said before, until one has given something to
// its end. Members pass messages on as they were sealed, each with its opening, part by
// part as they are asked; package group judges them. Whoever is asked again gives the
// same, and what is here already changes nothing, so that anything may be repeated.
// rooms_history_take.go is what becomes of an answer, rooms_history_give.go the other
// side.

const (
	// historyPatience is how long a member device that was asked for a part may take:
	// as long as finding its way to the disk of the other side and back.
	historyPatience = 10 * time.Second
	// historyAgain is how long after all members have failed they are asked again.
	historyAgain = time.Minute
	// maxEmpty is how many devices may have nothing to give before it is believed that
	// there is nothing.
	maxEmpty = 3
	// maxParts bounds the parts that one device gives: each holds a message at least,
	// and some may be said meanwhile.
	maxParts = 2 * record.MaxHistory
	// maxStrangers bounds the accounts that are looked up for one part.
	maxStrangers = 16
)

// histories are the groups whose history this device still lacks.
type histories struct {
	mu     sync.Mutex
	wanted map[record.GroupID]*pursuit
}

// pursuit is how far a device has come in getting a group's history.
type pursuit struct {
	from    peer.ID // who was asked last; empty: nobody yet
	request wire.RequestID
	taken   bool // the answer has come and is being looked at
	asked   time.Time
	after   wire.Place       // where the next part begins
	parts   int              // that from has given
	good    int              // messages that came and hold
	tried   map[peer.ID]bool // who has failed, or had nothing
	empty   int              // who had nothing
	order   pastOrder
}

func newHistories() *histories { return &histories{wanted: make(map[record.GroupID]*pursuit)} }

func (h *histories) add(id record.GroupID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted[id] = &pursuit{tried: make(map[peer.ID]bool)}
}

func (h *histories) remove(id record.GroupID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.wanted, id)
}

// historyName names a value in the store that is there as long as a group's history is
// wanted.
func historyName(id record.GroupID) string { return "history/" + string(id[:]) }

// wantHistory has the history of a group that is new here fetched, if it gives one; and
// says that it does, which who talks there should know.
func (r *rooms) wantHistory(tx *store.Tx, fx *effects, s group.State) {
	if s.Chain().Settings().History == 0 {
		return
	}
	fx.tell(Event{Kind: EventNotice, Group: s.Name(), Text: fmt.Sprintf(
		"The members of #%s keep its last %d messages for people who join later.", s.Name(), s.Chain().Settings().History)})
	tx.PutMeta(historyName(s.ID()), []byte{1})
	r.histories.add(s.ID())
	fx.otherwise(func() { r.histories.remove(s.ID()) })
}

// resumeHistory goes on wanting what an earlier run did not get.
func (r *rooms) resumeHistory(tx *store.Tx, id record.GroupID) {
	if _, wanted := tx.Meta(historyName(id)); wanted {
		r.histories.add(id)
	}
}

// forgetHistory forgets what a group that is left had to give, and what is wanted of it.
func (r *rooms) forgetHistory(tx *store.Tx, fx *effects, id record.GroupID) {
	tx.PutMeta(historyName(id), nil)
	tx.RemoveOpenings(id)
	fx.after(func() { r.histories.remove(id) })
}

// pursueHistory asks a member device for a group's history, if it is wanted and nobody
// is about to answer. Who was asked and does not answer is passed over.
func (r *rooms) pursueHistory(id record.GroupID) {
	s, ok := r.state(id)
	if !ok || s.Waiting() {
		return
	}
	to, request, ok := r.histories.next(s, r.connected(r.devices(s)), time.Now())
	if ok {
		r.askHistory(to, request)
	}
}

func (r *rooms) askHistory(to group.Member, request wire.HistoryRequest) {
	err := r.d.commit(func(tx *store.Tx, fx *effects) error {
		return unlessFull(r.d.tellDevice(tx, fx, to.Account, to.Device, request))
	})
	if err != nil {
		r.d.log.Error("a group's history was not asked for", "err", err)
	}
}

// next chooses whom to ask now, among member devices that are connected: who has been
// in the group the longest is likely to have the most.
func (h *histories) next(s group.State, here []group.Member, now time.Time) (to group.Member, request wire.HistoryRequest, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, wanted := h.wanted[s.ID()]
	if !wanted || p.from != "" && now.Sub(p.asked) < historyPatience {
		return to, request, false
	}
	if p.from != "" {
		p.fail()
	}
	untried := slices.DeleteFunc(slices.Clone(here), func(m group.Member) bool { return p.tried[m.Device] })
	if len(untried) == 0 {
		if len(here) > 0 && now.Sub(p.asked) > historyAgain {
			clear(p.tried)
		}
		return to, request, false
	}
	since := func(m group.Member) uint64 {
		seq, _ := s.Chain().Since(m.Account)
		return seq
	}
	to = slices.MinFunc(untried, func(a, b group.Member) int { return cmp.Compare(since(a), since(b)) })
	p.from, p.parts, p.after = to.Device, 0, wire.Place{}
	return to, p.ask(s.ID(), now), true
}

// ask makes the next request.
func (p *pursuit) ask(id record.GroupID, now time.Time) wire.HistoryRequest {
	rand.Read(p.request[:]) // never fails
	p.taken, p.asked = false, now
	return wire.HistoryRequest{Group: id, Request: p.request, After: p.after}
}

// fail passes over who was asked.
func (p *pursuit) fail() {
	p.tried[p.from] = true
	p.from = ""
}

// takeHistory takes a part, if this device waits for it, and looks at it beside the
// transaction: authors may have to be looked up.
func (r *rooms) takeHistory(fx *effects, a arrival, part wire.HistoryPart) {
	fx.after(func() {
		if r.histories.take(a.device, part, time.Now()) {
			r.d.errands.do(func(ctx context.Context) { r.takePart(ctx, a, part) })
		}
	})
}

func (h *histories) take(from peer.ID, part wire.HistoryPart, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, wanted := h.wanted[part.Group]
	if !wanted || p.taken || p.from != from || p.request != part.Request {
		return false
	}
	p.taken, p.asked = true, now
	return true
}

func (r *rooms) takePart(ctx context.Context, a arrival, part wire.HistoryPart) {
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	good, err := r.keepPart(ctx, a, part)
	if err != nil {
		r.d.log.Error("a part of a group's history was not taken", "err", err)
		return // it is asked for again
	}
	s, ok := r.state(part.Group)
	if !ok {
		return
	}
	request, done, more := r.histories.taken(part, good, len(r.devices(s)), time.Now())
	switch {
	case more:
		r.askHistory(a.member(), request)
	case done:
		err := r.d.commit(func(tx *store.Tx, fx *effects) error {
			tx.PutMeta(historyName(part.Group), nil)
			fx.after(func() { r.histories.remove(part.Group) })
			return nil
		})
		if err != nil {
			r.d.log.Error("a group's history is not noted as complete", "err", err)
		}
	default:
		r.pursueHistory(part.Group)
	}
}

// taken notes that a part has been looked at, with so many messages that are good; it
// is done when it was the last and anybody had something, or nobody has. Otherwise there
// is a next request to the same device, or it has failed.
func (h *histories) taken(part wire.HistoryPart, good, devices int, now time.Time) (request wire.HistoryRequest, done, more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, wanted := h.wanted[part.Group]
	if !wanted || p.request != part.Request {
		return request, false, false
	}
	p.good += good
	p.parts++
	if part.Last {
		if p.good == 0 {
			p.empty++
		}
		p.fail()
		return request, p.good > 0 || p.empty >= min(maxEmpty, devices), false
	}
	last, ok := lastPlace(part)
	if !ok || p.parts >= maxParts {
		p.fail()
		return request, false, false
	}
	p.after = last
	return p.ask(part.Group, now), false, true
}

// lastPlace returns where a part ends.
func lastPlace(part wire.HistoryPart) (wire.Place, bool) {
	if len(part.Messages) == 0 {
		return wire.Place{}, false
	}
	o, err := group.ParseOpening(part.Messages[len(part.Messages)-1].Opening)
	return wire.Place{Chain: o.Chain, Iteration: o.Iteration}, err == nil
}

// orderOf returns a copy of the order that a group's history has come in so far.
func (h *histories) orderOf(id record.GroupID) pastOrder {
	h.mu.Lock()
	defer h.mu.Unlock()
	order := pastOrder{chains: make(map[[16]byte]uint32), epochs: make(map[peer.ID]uint64)}
	if p, wanted := h.wanted[id]; wanted {
		maps.Copy(order.chains, p.order.chains)
		maps.Copy(order.epochs, p.order.epochs)
	}
	return order
}

func (h *histories) setOrder(id record.GroupID, order pastOrder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p, wanted := h.wanted[id]; wanted {
		p.order = order
	}
}
