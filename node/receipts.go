package node

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// keepOwn keeps a message of one's own in its conversation, as queued.
func (d *device) keepOwn(tx *store.Tx, m store.Message, now time.Time) store.Own {
	m.From, m.Device, m.SentAt, m.ReceivedAt = d.self.Account, d.self.Device, now, now
	m = tx.Append(m)
	own := store.Own{ID: m.ID, Conversation: m.Conversation, Order: m.Order, State: outbox.Queued}
	tx.PutOwn(own)
	tx.AddStep(m.ID, store.Step{At: now, State: outbox.Queued})
	return own
}

// rank orders the states that a message passes through. What is known to be further
// is never taken back: acknowledgements come by several ways.
var rank = []outbox.State{outbox.Queued, outbox.Stored, outbox.Sent, outbox.Delivered, outbox.Read}

// advance notes how far a message of one's own has got, and reports whether that is
// news. A message that some device has does not expire.
func (d *device) advance(tx *store.Tx, id wire.MessageID, to outbox.State) bool {
	own, ok := tx.Own(id)
	if !ok || own.State == outbox.Expired {
		return false
	}
	now := slices.Index(rank, own.State)
	if to == outbox.Expired && now >= slices.Index(rank, outbox.Sent) || to != outbox.Expired && slices.Index(rank, to) <= now {
		return false
	}
	own.State = to
	tx.PutOwn(own)
	return true
}

// noteStep keeps what happened to a message on its way to one device.
func (d *device) noteStep(tx *store.Tx, e outbox.Entry, path string) {
	if e.State == outbox.Queued {
		return // it is still where it was
	}
	tx.AddStep(e.ID, store.Step{At: time.Now(), State: e.State, Account: e.To, Device: e.Device, Path: path})
}

// acknowledge queues a receipt for what has come from a device while nobody there
// waited for an answer. A session that does not open what it holds begins anew with it.
func (d *device) acknowledge(tx *store.Tx, fx *effects, to record.Account, device peer.ID, received wire.Received) error {
	for len(received.Messages)+len(received.Unopened) > 0 {
		var part wire.Received
		part.Messages, received.Messages = cut(received.Messages, wire.MaxReceived)
		part.Unopened, received.Unopened = cut(received.Unopened, wire.MaxReceived-len(part.Messages))
		e, err := d.note(to, device, part)
		if err != nil {
			return err
		}
		if len(part.Unopened) > 0 {
			e.Renewals = 1
		}
		if err := unlessFull(d.courier.queue(tx, fx, e)); err != nil {
			return err
		}
	}
	return nil
}

// note is an entry for what one device tells another that it need not acknowledge.
func (d *device) note(to record.Account, device peer.ID, body wire.Body) (outbox.Entry, error) {
	content := wire.Content{ID: wire.NewMessageID(), SentAt: time.Now(), Body: body}
	plain, err := content.Marshal()
	if err != nil {
		return outbox.Entry{}, err
	}
	e := outbox.New(content.ID, to, device, plain, content.SentAt)
	e.NoReceipt = true
	return e, nil
}

func cut(ids []wire.MessageID, most int) (first, rest []wire.MessageID) {
	n := min(len(ids), most)
	return ids[:n], ids[n:]
}

// takeReceived takes a device's word for what it has, and for what it cannot open.
func (d *device) takeReceived(tx *store.Tx, fx *effects, a arrival, received wire.Received) error {
	now := time.Now()
	for _, id := range received.Messages {
		if e, waits := tx.EntryOf(a.device, id); waits {
			d.courier.settle(tx, fx, e, outbox.OutcomeDelivered, pathMailbox, now)
		} else if err := d.rooms.receivedOne(tx, fx, a.member(), id); err != nil {
			return err
		}
	}
	for _, id := range received.Unopened {
		if e, waits := tx.EntryOf(a.device, id); waits {
			if e = d.courier.settle(tx, fx, e, outbox.OutcomeRenew, pathMailbox, now); !e.Done() {
				fx.wake(a.device, e.Seq)
			}
		}
	}
	return nil
}

// takeSeen notes that a person has seen messages that were sent to them.
func (d *device) takeSeen(tx *store.Tx, fx *effects, a arrival, seen wire.Seen) error {
	for _, id := range seen.Messages {
		own, ok := tx.Own(id)
		if !ok || !d.wasFor(own, a.from.Account) {
			continue
		}
		step := store.Step{At: time.Now(), State: outbox.Read, Account: a.from.Account, Device: a.device}
		if !d.advance(tx, id, outbox.Read) && own.State != outbox.Read {
			continue
		}
		if saw(tx.Steps(id), a.from.Account) {
			continue
		}
		tx.AddStep(id, step)
		fx.tell(Event{Kind: EventRead, ID: id.String(), By: a.from.Account})
	}
	return nil
}

func saw(steps []store.Step, by record.Account) bool {
	return slices.ContainsFunc(steps, func(s store.Step) bool { return s.State == outbox.Read && s.Account == by })
}

// wasFor tells whether a message of one's own went to an account.
func (d *device) wasFor(own store.Own, a record.Account) bool {
	if own.Conversation == string(a) {
		return true
	}
	for _, s := range d.rooms.all() {
		if own.Conversation == conversation(s.Name()) {
			return s.Chain().Member(a)
		}
	}
	return false
}

// readReceiptsName is where the store has whether others hear what this person has
// seen; absent, they do.
const readReceiptsName = "read receipts off"

// readUpTo is where the store has the last message of a conversation that the person
// has seen.
func readUpTo(conversation string) string { return "read/" + conversation }

// maxSeenAtOnce bounds the messages that one transaction marks as seen.
const maxSeenAtOnce = 256

// markRead notes that the person has seen a conversation up to now, and tells those
// who wrote, unless the person does not want that.
func (d *device) markRead(conversation string) error {
	for more := true; more; {
		err := d.commit(func(tx *store.Tx, fx *effects) error {
			from := uint64(0)
			if b, ok := tx.Meta(readUpTo(conversation)); ok {
				from = order(b)
			}
			messages := tx.HistoryFrom(conversation, from+1, maxSeenAtOnce)
			more = len(messages) == maxSeenAtOnce
			if len(messages) == 0 {
				return nil
			}
			tx.PutMeta(readUpTo(conversation), orderBytes(messages[len(messages)-1].Order))
			if _, off := tx.Meta(readReceiptsName); off {
				return nil
			}
			return d.tellSeen(tx, fx, messages)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tellSeen tells the devices that messages came from that they have been seen.
func (d *device) tellSeen(tx *store.Tx, fx *effects, messages []store.Message) error {
	type author struct {
		account record.Account
		device  peer.ID
	}
	var authors []author
	byAuthor := make(map[author][]wire.MessageID)
	for _, m := range messages {
		by := author{m.From, m.Device}
		if m.From == d.self.Account || m.Device == "" || m.Missing > 0 {
			continue
		}
		if _, known := byAuthor[by]; !known {
			authors = append(authors, by)
		}
		byAuthor[by] = append(byAuthor[by], m.ID)
	}
	for _, by := range authors {
		if _, acts := d.people.owner(by.device); !acts {
			continue // it has been logged out
		}
		e, err := d.note(by.account, by.device, wire.Seen{Messages: byAuthor[by]})
		if err != nil {
			return err
		}
		if err := d.courier.queue(tx, fx, e); err != nil && !errors.Is(err, outbox.ErrFull) {
			return err
		}
	}
	return nil
}

// order and orderBytes are the stored form of a place in a conversation.
func order(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func orderBytes(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
