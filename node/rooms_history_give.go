package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transfer"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// keepOpening keeps what opens a message of a group that gives newcomers a history.
func (r *rooms) keepOpening(tx *store.Tx, s group.State, m group.Sealed, o group.Opening) {
	most := s.Chain().Settings().History
	if most == 0 {
		return
	}
	raw, err := o.MarshalBinary()
	if err != nil {
		r.d.log.Error("what opens a message was not kept", "err", err)
		return
	}
	tx.KeepOpening(s.ID(), store.Logged(m), raw, most)
}

// answerHistory gives a part of a group's history to a member device that asks for it.
// The statement that makes it one may still be on its way here.
func (r *rooms) answerHistory(tx *store.Tx, fx *effects, a arrival, asked wire.HistoryRequest) error {
	s, ok := r.state(asked.Group)
	if !ok {
		return nil
	}
	if s.Chain().Member(a.from.Account) {
		return r.giveHistory(tx, fx, a.member(), asked)
	}
	fx.after(func() {
		r.d.errands.do(func(ctx context.Context) {
			r.update(ctx, asked.Group)
			err := r.d.commit(func(tx *store.Tx, fx *effects) error { return r.giveHistory(tx, fx, a.member(), asked) })
			if err != nil {
				r.d.log.Error("a group's history was not given", "err", err)
			}
		})
	})
	return nil
}

// giveHistory queues the part that follows a place. Who is no member is given nothing.
func (r *rooms) giveHistory(tx *store.Tx, fx *effects, to group.Member, asked wire.HistoryRequest) error {
	s, ok := r.state(asked.Group)
	if !ok || !s.Chain().Member(to.Account) || s.Chain().Settings().History == 0 {
		return nil
	}
	all, err := past(tx, asked.Group)
	if err != nil {
		return err
	}
	part := wire.HistoryPart{Group: asked.Group, Request: asked.Request, Last: true}
	size := 0
	for _, m := range all[following(all, asked.After):] {
		logged, ok := tx.Logged(asked.Group, m.order)
		bytes := len(logged.Message) + len(m.raw)
		if !ok || bytes > wire.MaxPastMessage {
			continue
		}
		if len(part.Messages) > 0 && size+bytes > wire.HistoryPartSize {
			part.Last = false
			break
		}
		part.Messages = append(part.Messages, wire.PastMessage{Message: logged.Message, Opening: m.raw})
		size += bytes
	}
	return unlessFull(r.d.tellDevice(tx, fx, to.Account, to.Device, part))
}

// pastMessage is a message of the log that can be passed on, and when it is its turn.
type pastMessage struct {
	group.Opening
	raw         []byte
	order, turn uint64
}

// past returns the messages of a group that can be passed on, in the order in which
// they came here, but each device's in its own.
func past(tx *store.Tx, id record.GroupID) ([]pastMessage, error) {
	devices := make(map[peer.ID][]pastMessage)
	begun := make(map[[16]byte]uint64) // by chain, the order of its first message
	for _, o := range tx.Openings(id) {
		parsed, err := group.ParseOpening(o.Opening)
		if err != nil {
			return nil, fmt.Errorf("read a group's history: %w", err)
		}
		if _, known := begun[parsed.Chain]; !known {
			begun[parsed.Chain] = o.Order
		}
		from := parsed.From.Device
		devices[from] = append(devices[from], pastMessage{parsed, o.Opening, o.Order, o.Order})
	}
	var all []pastMessage
	for _, said := range devices {
		slices.SortFunc(said, func(a, b pastMessage) int {
			return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(begun[a.Chain], begun[b.Chain]), cmp.Compare(a.Iteration, b.Iteration))
		})
		for i := len(said) - 2; i >= 0; i-- { // one that was overtaken goes before
			said[i].turn = min(said[i].turn, said[i+1].turn)
		}
		all = append(all, said...)
	}
	slices.SortStableFunc(all, func(a, b pastMessage) int { return cmp.Compare(a.turn, b.turn) })
	return all, nil
}

// following returns where the messages after a place begin: at the first, if it is not
// here any more.
func following(all []pastMessage, place wire.Place) int {
	return 1 + slices.IndexFunc(all, func(m pastMessage) bool { return m.Chain == place.Chain && m.Iteration == place.Iteration })
}

// pastText is what is shown of a message from before. A file's offer is words only: it
// is not fetched, since whoever made it may be gone, and nobody has asked for it.
func pastText(p group.Past) (string, bool) {
	switch body := p.Said.Body.(type) {
	case wire.Text:
		return string(body), true
	case wire.FileOffer:
		m, err := transfer.FromWire(body.Manifest)
		if err != nil {
			return "", false
		}
		return fmt.Sprintf("(sent the file %s, %d bytes)", transfer.SafeName(m.Name), m.Size), true
	default:
		return "", false
	}
}
