package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
	rwire "github.com/tryst-chat/tryst/rendezvous/wire"
)

// findTimeout bounds a look-up that a person waits for.
const findTimeout = 10 * time.Second

func parseAccount(typed string) (record.Account, error) {
	name, err := record.ParseAccount(typed)
	if err != nil {
		return "", fail(CodeNoAccount, err, "An account is written as username and roll number together, like alice42.", "There is no account %q.", typed)
	}
	return name, nil
}

// recipient returns the contact that a person names.
func (d *device) recipient(ctx context.Context, to string) (account.Contact, error) {
	name, err := parseAccount(to)
	if err != nil {
		return account.Contact{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	c, err := d.people.find(ctx, name)
	if errors.Is(err, rwire.ErrNoAccount) {
		return c, noAccount(name, err)
	}
	if err != nil {
		return c, explain(err, fmt.Sprintf("find %s", name))
	}
	return c, nil
}

func noAccount(name record.Account, cause error) *Error {
	return fail(CodeNoAccount, cause, "Check the spelling: username and roll number together, like alice42.", "There is no account %s.", name)
}

// checkText refuses a text that cannot be sent.
func checkText(text string) error {
	if len(text) > wire.MaxText {
		return fail(CodeTooLong, nil, "Send it as a file, or in parts.", "The message has %d bytes, and at most %d can be sent.", len(text), wire.MaxText)
	}
	if err := wire.CheckText(text); err != nil {
		return fail(CodeUsage, err, "Write at least one character, in UTF-8.", "The message cannot be sent as it is.")
	}
	return nil
}

// send queues a text for an account.
func (d *device) send(ctx context.Context, to, text string) (wire.MessageID, error) {
	if err := checkText(text); err != nil {
		return wire.MessageID{}, err
	}
	contact, err := d.recipient(ctx, to)
	if err != nil {
		return wire.MessageID{}, err
	}
	id, now := wire.NewMessageID(), time.Now()
	err = d.commit(func(tx *store.Tx, fx *effects) error {
		d.keepOwn(tx, store.Message{ID: id, Conversation: string(contact.Account), Text: text}, now)
		fx.tell(Event{Kind: EventSending, ID: id.String(), To: contact.Account})
		if contact.Account == d.self.Account {
			d.noteToSelf(fx, id, text, now)
		}
		return d.address(tx, fx, contact, isText, wire.Content{ID: id, SentAt: now, Body: wire.Text(text)})
	})
	return id, sendingFailed(err, contact.Account)
}

// noteToSelf tells what happens to a message to one's own account: it is here,
// and the other devices get their copies.
func (d *device) noteToSelf(fx *effects, id wire.MessageID, text string, now time.Time) {
	self := d.self.Account
	fx.tell(
		Event{Kind: EventSent, ID: id.String(), To: self},
		Event{Kind: EventMessage, ID: id.String(), At: now, From: self, To: self, Text: text},
		Event{Kind: EventDelivered, ID: id.String(), By: self},
	)
}

func sendingFailed(err error, to record.Account) error {
	if errors.Is(err, outbox.ErrFull) {
		return fail(CodeFull, err, "Wait until they are back.", "Too many messages wait for %s already.", to)
	}
	if err != nil {
		return explain(err, "write the message down")
	}
	return nil
}

// address queues a content for every device of an account, and a copy for each
// other device of one's own. Devices that have been away for so long that no more
// may wait for them are left out, as long as one of the account's is not.
func (d *device) address(tx *store.Tx, fx *effects, to account.Contact, is pendingKind, content wire.Content) error {
	if err := d.contacts.writing(tx, fx, to.Account); err != nil {
		return err
	}
	plain, err := content.Marshal()
	if err != nil {
		return err
	}
	if to.Account != d.self.Account {
		putPending(tx, content.ID, pending{kind: is})
		devices := to.Devices().Active()
		if len(devices) == 0 {
			devices = []peer.ID{noDevice}
		}
		full := 0
		for _, device := range devices {
			err := d.courier.put(tx, fx, to.Account, device, content.ID, plain)
			if errors.Is(err, outbox.ErrFull) {
				full++
			} else if err != nil {
				return err
			}
		}
		if full == len(devices) {
			return outbox.ErrFull
		}
	}
	content.To = to.Account
	if plain, err = content.Marshal(); err != nil {
		return err
	}
	for _, device := range d.others() {
		if err := unlessFull(d.courier.put(tx, fx, d.self.Account, device, content.ID, plain)); err != nil {
			return err
		}
	}
	return nil
}

// unlessFull is nil when no more may wait for a device: one that is away for good
// holds up nobody else.
func unlessFull(err error) error {
	if errors.Is(err, outbox.ErrFull) {
		return nil
	}
	return err
}

// tellDevice queues a content that no person sees for one device. It changes
// nothing when it returns outbox.ErrFull.
func (d *device) tellDevice(tx *store.Tx, fx *effects, to record.Account, device peer.ID, body wire.Body) error {
	content := wire.Content{ID: wire.NewMessageID(), SentAt: time.Now(), Body: body}
	plain, err := content.Marshal()
	if err != nil {
		return err
	}
	return d.courier.put(tx, fx, to, device, content.ID, plain)
}

// others returns one's own other devices.
func (d *device) others() []peer.ID {
	var others []peer.ID
	for _, device := range d.people.devices([]record.Account{d.self.Account}) {
		if device != d.self.Device {
			others = append(others, device)
		}
	}
	return others
}

// keepText keeps a text that has come.
func (d *device) keepText(tx *store.Tx, fx *effects, a arrival, text string) error {
	from, conversation := a.parties(d)
	tx.Append(store.Message{
		ID: a.content.ID, Conversation: string(conversation), From: from, Text: text,
		SentAt: a.content.SentAt, ReceivedAt: time.Now(), Device: a.device,
	})
	fx.tell(Event{Kind: EventMessage, ID: a.content.ID.String(), At: a.content.SentAt, From: from, To: a.to(d), Text: text})
	return nil
}

// parties returns who wrote a message and in which conversation it stands.
func (a arrival) parties(d *device) (from, conversation record.Account) {
	if a.own(d) {
		return d.self.Account, a.to(d)
	}
	return a.from.Account, a.from.Account
}

// to returns whom a message is for: only one's own devices may say that it is
// a copy of what went to somebody else.
func (a arrival) to(d *device) record.Account {
	if a.own(d) && a.content.To != "" {
		return a.content.To
	}
	return d.self.Account
}

// pending is what a device remembers of a message that the person has sent and
// wants to hear of. It is gone when the message is settled.
type pending struct {
	kind   pendingKind
	told   bool // that it was sent
	stored bool // the person was told that the servers have it
}

type pendingKind byte

const (
	isText pendingKind = 't'
	isFile pendingKind = 'f'
)

func pendingName(id wire.MessageID) string { return "pending/" + string(id[:]) }

func putPending(tx *store.Tx, id wire.MessageID, p pending) {
	told := byte(0)
	if p.told {
		told |= 1
	}
	if p.stored {
		told |= 2
	}
	tx.PutMeta(pendingName(id), []byte{byte(p.kind), told})
}

func getPending(tx *store.Tx, id wire.MessageID) (pending, bool) {
	b, ok := tx.Meta(pendingName(id))
	if !ok || len(b) != 2 {
		return pending{}, false
	}
	return pending{kind: pendingKind(b[0]), told: b[1]&1 != 0, stored: b[1]&2 != 0}, true
}

// told tells the person what became of a message, once there is news of one of its
// entries: stored when the servers keep it and nobody has it yet, sent and delivered
// when a first device has it, or that none will. path is how the entry went.
func (d *device) told(tx *store.Tx, fx *effects, e outbox.Entry, summary outbox.Summary, path string) {
	p, ok := getPending(tx, e.ID)
	if !ok || e.Copy {
		return
	}
	d.noteStep(tx, e, path)
	switch {
	case e.State == outbox.Delivered && !p.told:
		p.told = true
		fx.tell(Event{Kind: EventSent, ID: e.ID.String(), To: e.To})
		if p.kind == isText {
			fx.tell(Event{Kind: EventDelivered, ID: e.ID.String(), By: e.To})
			d.advance(tx, e.ID, outbox.Delivered)
		} else {
			d.advance(tx, e.ID, outbox.Sent)
		}
	case summary.State == outbox.Stored && !p.told && !p.stored && p.kind == isText:
		p.stored = true
		fx.tell(Event{Kind: EventStored, ID: e.ID.String(), To: e.To})
		d.advance(tx, e.ID, outbox.Stored)
	}
	switch {
	case summary.State == outbox.Expired:
		d.advance(tx, e.ID, outbox.Expired)
		fx.tell(Event{Kind: EventError, ID: e.ID.String(), Err: fail(CodeRefused, nil, "Send it again if it still matters.",
			"A message to %s was not delivered: %s.", e.To, whyExpired(summary.Reason))})
		tx.PutMeta(pendingName(e.ID), nil)
	case summary.State == outbox.Delivered:
		tx.PutMeta(pendingName(e.ID), nil)
	default:
		putPending(tx, e.ID, p)
	}
}

func whyExpired(r outbox.Reason) string {
	switch r {
	case outbox.ReasonTooOld:
		return fmt.Sprintf("it waited for %d days", int(outbox.Lifetime.Hours()/24))
	case outbox.ReasonRevoked:
		return "the device that it was for has been logged out"
	case outbox.ReasonBlocked:
		return "they take no messages from you"
	case outbox.ReasonUnwanted:
		return "you have blocked them"
	case outbox.ReasonNoSession:
		return "their device could not open it"
	case outbox.ReasonUnknown:
		return "their device does not take this one for yours"
	default:
		return "it was refused"
	}
}
