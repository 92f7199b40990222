package node

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tryst-chat/tryst/node/causal"
	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// What members say is shown in an order that makes sense: see package causal, which
// decides. What waits for its turn is on disk, as is what is known of the order.

func orderName(id record.GroupID) string { return "order/" + string(id[:]) }

func (r *rooms) buffer(tx *store.Tx, id record.GroupID) (causal.Buffer, error) {
	raw, ok := tx.Meta(orderName(id))
	if !ok {
		return causal.Buffer{}, nil
	}
	return causal.Parse(raw)
}

func (r *rooms) putBuffer(tx *store.Tx, id record.GroupID, b causal.Buffer) error {
	raw, err := b.MarshalBinary()
	if err != nil {
		return err
	}
	tx.PutMeta(orderName(id), raw)
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.byID[id]; ok {
		at.holds = b.Holds() > 0
	}
	return nil
}

// spokenAfter returns what a message of this device to some devices follows, and notes
// that it has been sent.
func (r *rooms) spokenAfter(tx *store.Tx, s group.State, at group.Place, devices []group.Member, now time.Time) ([]wire.After, error) {
	b, err := r.buffer(tx, s.ID())
	if err != nil {
		return nil, err
	}
	b, heads := b.Speak(causal.Place(at), causal.Said{Length: s.Chain().Len(), At: now}, wire.MaxAfter, s.Lacking(devices))
	after := make([]wire.After, len(heads))
	for i, h := range heads {
		after[i] = wire.After{Chain: h.Chain, Next: h.Next, ChainLength: h.Length, SentAt: h.At}
	}
	return after, r.putBuffer(tx, s.ID(), b)
}

// opened is a group message that has opened.
type opened struct {
	group.Delivered
	place causal.Place
	said  wire.GroupContent
	valid bool // otherwise it takes its turn and says nothing
}

// openAll reads what messages say, and puts each sender's in order.
func (r *rooms) openAll(delivered []group.Delivered) []opened {
	all := make([]opened, len(delivered))
	for i, m := range delivered {
		said, err := wire.ParseGroupContent(m.Content)
		if err != nil {
			r.d.log.Warn("a group message's content is not valid and is dropped", "peer", m.From.Device, "err", err)
		}
		all[i] = opened{m, causal.Place{Chain: m.Sealed.Chain, Iteration: m.Sealed.Iteration}, said, err == nil}
	}
	slices.SortStableFunc(all, func(x, y opened) int {
		return cmp.Or(slices.Compare(x.place.Chain[:], y.place.Chain[:]), cmp.Compare(x.place.Iteration, y.place.Iteration))
	})
	return all
}

// inTurn takes messages that have opened and shows those whose turn it is, and those
// that waited for them. s is the group after all of them.
func (r *rooms) inTurn(tx *store.Tx, fx *effects, s group.State, all []opened) error {
	b, err := r.buffer(tx, s.ID())
	if err != nil {
		return err
	}
	reads, err := readsSince(tx)
	if err != nil {
		return err
	}
	now, fresh := time.Now(), make(map[causal.Place]opened, len(all))
	for _, m := range all {
		fresh[m.place] = m
		var ready []causal.Place
		b, ready = b.Add(causal.Message{
			Place: m.place, Base: min(m.place.Iteration, s.Outstanding(m.place.Chain)),
			Said: causal.Said{Length: m.said.ChainLength, At: m.said.SentAt}, After: awaited(s, m.said, reads),
		}, now)
		if err := r.showAll(tx, fx, s, ready, fresh); err != nil {
			return err
		}
	}
	for _, m := range all {
		if !b.Waiting(m.place) {
			continue
		}
		tx.PutEarly(s.ID(), m.place.Chain, m.place.Iteration, store.Early{From: m.From.Account, Device: m.From.Device, Content: m.Content})
		if len(m.said.After) > 0 { // whoever wrote it has what it follows
			fx.after(func() { r.repairs.add(s.ID(), m.From.Device, repairDelay) })
		}
	}
	return r.putBuffer(tx, s.ID(), b)
}

// awaited returns what a message follows, without what never comes here: what was said
// before this account was let in; and of chains whose key is not here, what was said
// before there was this device, or before its home was put back from a copy, since their
// keys are not handed out for the past.
func awaited(s group.State, content wire.GroupContent, reads time.Time) (after []causal.After) {
	since, _ := s.Chain().Since(s.Self().Account)
	for _, a := range content.After {
		_, opens := s.Author(a.Chain)
		if a.ChainLength > since && (opens || !a.SentAt.Before(reads)) {
			after = append(after, causal.After{Chain: a.Chain, Next: a.Next})
		}
	}
	return after
}

// readsSinceName names the time in Unix milliseconds from when on this home is sent what
// is for this device.
const readsSinceName = "reads since"

func readsSince(tx *store.Tx) (time.Time, error) {
	raw, ok := tx.Meta(readsSinceName)
	if !ok {
		return time.Time{}, nil
	}
	if len(raw) != 8 {
		return time.Time{}, errors.New("the store does not say since when it is there")
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw))), nil
}

func readFromNow(tx *store.Tx) {
	tx.PutMeta(readsSinceName, binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli())))
}

// showAll shows messages whose turn it is: those that have just come, and those that
// are kept because they came early.
func (r *rooms) showAll(tx *store.Tx, fx *effects, s group.State, ready []causal.Place, fresh map[causal.Place]opened) error {
	for _, p := range ready {
		m, just := fresh[p]
		if !just {
			early, ok := tx.TakeEarly(s.ID(), p.Chain, p.Iteration)
			if !ok {
				continue
			}
			m.From = group.Member{Account: early.From, Device: early.Device}
			said, err := wire.ParseGroupContent(early.Content)
			m.said, m.valid = said, err == nil
		}
		if !m.valid {
			continue
		}
		if err := r.show(tx, fx, s, m); err != nil {
			return err
		}
	}
	return nil
}

// show puts a message into the group's conversation and tells of it.
func (r *rooms) show(tx *store.Tx, fx *effects, s group.State, m opened) error {
	now, content := time.Now(), m.said
	if tx.Seen(m.From.Device, content.ID) {
		return nil
	}
	tx.MarkSeen(m.From.Device, content.ID, now)
	if r.d.contacts.blocks(m.From.Account) {
		return nil // it is in the log for the other members
	}
	switch body := content.Body.(type) {
	case wire.Text:
		tx.Append(store.Message{
			ID: content.ID, Conversation: conversation(s.Name()), From: m.From.Account, Device: m.From.Device, Text: string(body),
			SentAt: content.SentAt, ReceivedAt: now,
		})
		fx.tell(Event{Kind: EventMessage, ID: content.ID.String(), At: content.SentAt, From: m.From.Account, Group: s.Name(), Text: string(body)})
	case wire.FileOffer:
		if m.From.Device == r.d.self.Device {
			return nil // one's own, back after its home was restored: there is nobody to fetch it from
		}
		return r.d.files.offeredToGroup(tx, fx, s.Name(), m.From, content, body)
	}
	return nil
}

// reviewOrder tells of what keeps messages waiting, and shows those that have waited
// long enough.
func (r *rooms) reviewOrder(id record.GroupID, now time.Time) {
	r.mu.RLock()
	at, ok := r.byID[id]
	holds := ok && at.holds
	r.mu.RUnlock()
	if !holds {
		return
	}
	err := r.d.commit(func(tx *store.Tx, fx *effects) error {
		s, ok := r.state(id)
		if !ok {
			return nil
		}
		b, err := r.buffer(tx, id)
		if err != nil {
			return err
		}
		for _, g := range b.Gaps(now) {
			r.tellGap(fx, s, g)
		}
		b, ready, missing := b.Expire(now)
		for _, g := range missing {
			from, _ := s.Author(g.Chain)
			tx.Append(store.Message{
				ID: wire.NewMessageID(), Conversation: conversation(s.Name()), From: from.Account, Missing: g.Missing, SentAt: now, ReceivedAt: now,
			})
		}
		if err := r.showAll(tx, fx, s, ready, nil); err != nil || len(ready) == 0 {
			return err
		}
		return r.putBuffer(tx, id, b)
	})
	if err != nil {
		r.d.log.Error("what waits to be shown was not reviewed", "err", err)
	}
}

// tellGap tells once of something that is missing, and has those asked who wrote what
// waits for it.
func (r *rooms) tellGap(fx *effects, s group.State, g causal.Gap) {
	waiting, known := s.Author(g.Before.Chain)
	fx.after(func() {
		if known {
			r.repairs.add(s.ID(), waiting.Device, 0)
		}
		for _, m := range r.connected(r.devices(s)) {
			r.repairs.add(s.ID(), m.Device, 0)
		}
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.byID[s.ID()]
	if !ok || at.gaps[g.Chain] == g.Before {
		return
	}
	if at.gaps == nil || len(at.gaps) >= maxGapsTold {
		at.gaps = make(map[[16]byte]causal.Place)
	}
	at.gaps[g.Chain] = g.Before
	e := Event{Kind: EventGap, Group: s.Name(), Missing: g.Missing, Text: fmt.Sprintf("Messages in %s are missing; asking others.", s.Name())}
	if from, ok := s.Author(g.Chain); ok {
		e.From = from.Account
		e.Text = fmt.Sprintf("%s from %s %s missing; asking others.", messages(g.Missing), from.Account, are(g.Missing))
	}
	fx.tell(e)
}

// maxGapsTold bounds the gaps of a group that are remembered as told.
const maxGapsTold = 256

func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
