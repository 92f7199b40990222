package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/session"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// inbox takes what other devices deliver. What a message brings, the session's
// new state and the memory of its ID are committed together, and only then is
// it acknowledged.
type inbox struct{ d *device }

// arrival is one opened message and where it came from.
type arrival struct {
	from    account.Contact
	device  peer.ID
	content wire.Content
}

// own reports whether the message came from another device of this account.
func (a arrival) own(d *device) bool { return a.from.Account == d.self.Account }

// Receive implements transport.Receiver.
func (in *inbox) Receive(ctx context.Context, from peer.ID, hello transport.Hello, batch []transport.Delivery) []pb.Refusal {
	outcomes := make([]pb.Refusal, len(batch))
	contact, refusal := in.d.people.introduce(ctx, from, hello)
	if refusal == pb.Refusal_NONE && in.d.contacts.refuses(contact.Account) {
		refusal = pb.Refusal_BLOCKED
	}
	if refusal == pb.Refusal_NONE {
		err := in.d.commit(func(tx *store.Tx, fx *effects) error {
			for i, delivery := range batch {
				taken, err := in.take(tx, fx, contact, from, delivery)
				if err != nil {
					return err
				}
				outcomes[i] = taken.refusal
			}
			return nil
		})
		if err == nil {
			in.d.idle(from)
			return outcomes
		}
		in.d.log.Error("messages could not be taken", "err", err)
		refusal = pb.Refusal_LATER
	}
	for i := range outcomes {
		outcomes[i] = refusal
	}
	return outcomes
}

// taken is what became of a message that has come.
type taken struct {
	refusal   pb.Refusal
	isReceipt bool // which nobody acknowledges
}

// take opens one message and does what it says.
func (in *inbox) take(tx *store.Tx, fx *effects, from account.Contact, device peer.ID, delivery transport.Delivery) (taken, error) {
	if tx.Seen(device, delivery.ID) {
		return taken{}, nil
	}
	now := time.Now()
	peer := session.Identity{Account: from.Account, Device: device}
	before := tx.Session(device)
	opened, err := before.Decrypt(in.d.self, peer, tx, delivery.Envelope, now)
	switch {
	case errors.Is(err, session.ErrIdentity):
		return taken{refusal: pb.Refusal_UNKNOWN}, nil
	case err != nil && in.d.start.unsure():
		return taken{refusal: pb.Refusal_LATER}, nil
	case err != nil:
		// A duplicate too: this message is not here, so that it was sealed with a key
		// that was used before, by a home that was restored from a copy.
		in.d.log.Info("a message does not open; a new session is asked for", "peer", device, "err", err)
		return taken{refusal: pb.Refusal_RENEW}, nil
	}
	content, err := wire.ParseContent(opened.Plaintext)
	a := arrival{from, device, content}
	if group, early := in.d.rooms.early(a); err == nil && early {
		fx.after(func() {
			in.d.errands.do(func(ctx context.Context) { in.d.rooms.update(ctx, group); in.d.mailbox.look() })
		})
		return taken{refusal: pb.Refusal_LATER}, nil
	}
	if err == nil {
		if refusal := in.d.contacts.screen(a); refusal != pb.Refusal_NONE {
			return taken{refusal: refusal}, nil
		}
	}
	if opened.New && before.Established() {
		in.d.tellRenewed(fx, from.Account)
	}
	tx.PutSession(device, opened.Record)
	tx.UseOneTime(opened.UsedOneTime)
	tx.MarkSeen(device, delivery.ID, now)
	if err != nil || content.ID != delivery.ID {
		in.d.log.Warn("a message's content is not valid and is dropped", "peer", device, "err", err)
		return taken{}, nil
	}
	if in.d.contacts.holds(a) {
		return taken{}, in.d.contacts.hold(tx, fx, a)
	}
	return taken{isReceipt: acknowledges(content.Body)}, in.act(tx, fx, a)
}

// acknowledges tells whether a content is one that nobody acknowledges in turn.
func acknowledges(body wire.Body) bool {
	switch body.(type) {
	case wire.Received, wire.Seen:
		return true
	default:
		return false
	}
}

// renewed tells that a session which both sides had has begun anew, as it does when
// one of them has gone back to an older state: then messages may be missing.
func renewed(with record.Account) Event {
	return Event{Kind: EventNotice, Account: with, Text: fmt.Sprintf(
		"The session with %s has begun anew: one of your two devices was restored from an older copy. Messages from in between may be missing there.", with)}
}

// act does what an opened message says.
func (in *inbox) act(tx *store.Tx, fx *effects, a arrival) error {
	d := in.d
	switch body := a.content.Body.(type) {
	case wire.Text:
		return d.keepText(tx, fx, a, string(body))
	case wire.FileOffer:
		return d.files.offered(tx, fx, a, body)
	case wire.Received:
		return d.takeReceived(tx, fx, a, body)
	case wire.Seen:
		return d.takeSeen(tx, fx, a, body)
	case wire.FileReceived:
		return d.files.received(tx, fx, a, body)
	case wire.SenderKey:
		return d.rooms.takeSenderKey(tx, fx, a, body)
	case wire.EpochRequest:
		return d.rooms.answerEpoch(tx, fx, a, body)
	case wire.EpochSecret:
		return d.rooms.takeEpoch(tx, fx, a, body)
	case wire.HistoryRequest:
		return d.rooms.answerHistory(tx, fx, a, body)
	case wire.HistoryPart:
		d.rooms.takeHistory(fx, a, body)
	}
	return nil
}
