package node

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// judge opens the messages of a part. What does not open is left out.
func (r *rooms) judge(s group.State, part wire.HistoryPart) (opened []group.Past, behind bool, err error) {
	h, err := s.History(r.d.people.acts)
	if err != nil {
		return nil, false, err
	}
	for _, m := range part.Messages {
		p, err := h.Open(m.Message, m.Opening)
		if err != nil {
			r.d.log.Warn("a message that was passed on does not open and is dropped", "err", err)
			continue
		}
		opened, behind = append(opened, p), behind || h.Behind(p)
	}
	return opened, behind, nil
}

// keepPart judges a part, keeps what is new in it, and returns how many of its messages
// are good. For what is not certain it looks
// once whether it knows enough: of the authors and of the chain.
func (r *rooms) keepPart(ctx context.Context, a arrival, part wire.HistoryPart) (good int, err error) {
	s, ok := r.state(part.Group)
	if !ok {
		return 0, nil
	}
	opened, behind, err := r.judge(s, part)
	if err != nil {
		return 0, err
	}
	strangers := r.strangers(opened)
	r.meetAccounts(ctx, strangers)
	if behind {
		r.update(ctx, part.Group)
	}
	if behind || len(strangers) > 0 {
		if s, ok = r.state(part.Group); !ok {
			return 0, nil
		}
		if opened, _, err = r.judge(s, part); err != nil {
			return 0, err
		}
	}
	err = r.d.commit(func(tx *store.Tx, fx *effects) error {
		good = 0
		s, ok := r.state(part.Group)
		if !ok {
			return nil
		}
		order := r.histories.orderOf(part.Group)
		for _, p := range opened {
			if !order.follows(p) {
				r.d.log.Warn("a message that was passed on is out of order and is dropped", "peer", a.device)
				continue
			}
			r.keepPast(tx, fx, s, a, p)
			good++
		}
		fx.after(func() { r.histories.setOrder(part.Group, order) })
		return nil
	})
	return good, err
}

// strangers returns accounts whose devices are not known to be theirs.
func (r *rooms) strangers(opened []group.Past) (accounts []record.Account) {
	for _, p := range opened {
		a := p.From.Account
		if len(accounts) < maxStrangers && !r.d.people.acts(a, p.From.Device) && !slices.Contains(accounts, a) {
			accounts = append(accounts, a)
		}
	}
	return accounts
}

// keepPast keeps a message from before, and tells it if it is new here. One that is not
// certain stands under the name of who passed it on.
func (r *rooms) keepPast(tx *store.Tx, fx *effects, s group.State, a arrival, p group.Past) {
	from, now := p.From, time.Now()
	if !p.Certain {
		from = a.member()
	}
	if p.Certain {
		tx.LogGroup(s.ID(), store.Logged(p.Sealed), now) // for those who come later still
		r.keepOpening(tx, s, p.Sealed, p.Opening)
	}
	text, ok := pastText(p)
	if !ok || tx.Seen(from.Device, p.Said.ID) || from.Device == r.d.self.Device { // one's own, from before one left
		return
	}
	tx.MarkSeen(from.Device, p.Said.ID, now)
	if r.d.contacts.blocks(from.Account) || r.d.contacts.blocks(p.From.Account) {
		return
	}
	e := Event{Kind: EventMessage, ID: p.Said.ID.String(), At: p.Said.SentAt, From: from.Account, Group: s.Name(), Text: text, Earlier: true}
	line := text
	if !p.Certain {
		e.Claimed = p.From.Account
		line = "according to " + string(from.Account) + ", " + string(e.Claimed) + " : " + text
	}
	tx.Append(store.Message{
		ID: p.Said.ID, Conversation: conversation(s.Name()), From: from.Account, Text: line,
		SentAt: p.Said.SentAt, ReceivedAt: now,
	})
	fx.tell(e)
}

// pastOrder is how far the chains and epochs of devices have come in a history: each
// goes only forward, so that nobody can turn around what somebody said.
type pastOrder struct {
	chains map[[16]byte]uint32 // the iteration after the last
	epochs map[peer.ID]uint64
}

// follows reports whether a message may come next, and notes it if so. What is certain
// is not held up by what is not: that is under another device's name.
func (o *pastOrder) follows(p group.Past) bool {
	if !p.Certain {
		return true
	}
	next, begun := o.chains[p.Sealed.Chain]
	if begun && p.Sealed.Iteration < next || p.Epoch < o.epochs[p.From.Device] {
		return false
	}
	o.chains[p.Sealed.Chain], o.epochs[p.From.Device] = p.Sealed.Iteration+1, p.Epoch
	return true
}
