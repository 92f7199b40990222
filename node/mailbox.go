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
	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// mailbox takes what the servers keep for this device: they say that something is
// there, and forget it when it is on this device's disk. What a letter brings, the
// session's new state and the receipt for its sender are committed together.
type mailbox struct {
	d    *device
	wake chan struct{} // holds a token when something may be there
}

const (
	// mailInterval is how often the mailbox is looked into unasked, and parked mail
	// tried again: a notice may be lost with its server.
	mailInterval = time.Minute
	// mailRetry is how soon after a failure.
	mailRetry = 5 * time.Second
	// mailTimeout bounds one page.
	mailTimeout = 20 * time.Second
	// maxMailBatch and maxMailBytes bound the letters of one transaction, which share
	// one sync of the disk; what it writes is a few times their size.
	maxMailBatch = 128
	maxMailBytes = store.MaxUpdate / 8
)

func newMailbox(d *device) *mailbox { return &mailbox{d: d, wake: make(chan struct{}, 1)} }

// look has the mailbox looked into.
func (m *mailbox) look() { signal(m.wake) }

// run takes mail as it comes, until the context ends.
func (m *mailbox) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := mailInterval
		if m.d.link.client.Linked() {
			m.d.start.wait(ctx) // what is sealed for the state before would not open
			if err := m.takeAll(ctx); err != nil && ctx.Err() == nil {
				m.d.log.Info("mail was not taken", "err", err)
				wait = mailRetry
			}
		}
		awaitSignal(ctx, m.wake, wait)
	}
}

// takeAll takes everything that is there: first what was parked, since keys may have
// come for it, then what is for this device, and at last what is for its groups, which
// is often sealed with keys that came just before.
func (m *mailbox) takeAll(ctx context.Context) error {
	if err := m.takeParked(ctx); err != nil {
		return err
	}
	if err := m.pages(ctx, m.d.link.client.FetchMail, m.takePage); err != nil {
		return err
	}
	var failed error // in one group, which holds up no other
	for _, s := range m.d.rooms.all() {
		id := s.ID()
		fetch := func(ctx context.Context, taken, after uint64) ([]client.Mail, bool, error) {
			return m.d.link.client.FetchGroupMail(ctx, id, taken, after)
		}
		take := func(ctx context.Context, page []client.Mail) error { return m.d.rooms.takeMail(ctx, id, page) }
		if err := m.pages(ctx, fetch, take); err != nil {
			failed = errors.Join(failed, fmt.Errorf("group %s: %w", id, err))
		}
	}
	return failed
}

// pages fetches and takes page after page. Each request has the servers forget what
// the one before brought.
func (m *mailbox) pages(ctx context.Context, fetch func(context.Context, uint64, uint64) ([]client.Mail, bool, error), take func(context.Context, []client.Mail) error) error {
	for taken := uint64(0); ; {
		page, err := m.page(ctx, fetch, taken)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := take(ctx, page); err != nil {
			return err
		}
		taken = page[len(page)-1].Number
	}
}

func (m *mailbox) page(ctx context.Context, fetch func(context.Context, uint64, uint64) ([]client.Mail, bool, error), taken uint64) ([]client.Mail, error) {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	page, _, err := fetch(ctx, taken, taken)
	return page, err
}

func (m *mailbox) takePage(ctx context.Context, page []client.Mail) error {
	for len(page) > 0 {
		n, bytes := 0, 0
		for n < len(page) && n < maxMailBatch && bytes < maxMailBytes {
			bytes += len(page[n].Envelope)
			n++
		}
		letters := make([]letter, n)
		for i, mail := range page[:n] {
			letters[i] = letter{from: mail.From, device: mail.Device, id: mail.ID, envelope: mail.Envelope}
		}
		if err := m.takeLetters(ctx, letters); err != nil {
			return err
		}
		page = page[n:]
	}
	return nil
}

// letter is mail for this device, fresh or parked.
type letter struct {
	from     record.Account
	device   peer.ID
	id       wire.MessageID
	envelope []byte
	parked   uint64 // its order, if it is parked
	since    time.Time
}

// takeLetters opens letters in one transaction. Those of a device whose account cannot
// be looked up now fail all: they are to be fetched again.
func (m *mailbox) takeLetters(ctx context.Context, letters []letter) error {
	senders := make(map[peer.ID]sender)
	for _, l := range letters {
		if _, known := senders[l.device]; !known {
			s, err := m.d.people.vouch(ctx, l.from, l.device)
			if err != nil {
				return err
			}
			senders[l.device] = s
		}
	}
	err := m.d.commit(func(tx *store.Tx, fx *effects) error {
		answers := newAnswers()
		for _, l := range letters {
			if err := m.takeOne(tx, fx, senders[l.device], l, answers); err != nil {
				return err
			}
		}
		return answers.send(m.d, tx, fx)
	})
	if err != nil {
		return fmt.Errorf("take mail: %w", err)
	}
	return nil
}

// takeOne opens one letter, or parks it.
func (m *mailbox) takeOne(tx *store.Tx, fx *effects, from sender, l letter, answers *answers) error {
	taken := taken{refusal: pb.Refusal_LATER}
	var err error
	switch {
	case from.unknown || from.contact.Account != l.from:
		taken.refusal = pb.Refusal_UNKNOWN
	case m.d.contacts.refuses(l.from):
		taken.refusal = pb.Refusal_BLOCKED
	case !from.suspect:
		in := inbox{m.d}
		if taken, err = in.take(tx, fx, from.contact, l.device, transport.Delivery{ID: l.id, Envelope: l.envelope}); err != nil {
			return err
		}
	}
	known := m.d.contacts.knows(l.from) // a stranger is told nothing before the person says a word
	switch taken.refusal {
	case pb.Refusal_NONE:
		if !taken.isReceipt && known {
			answers.received(l)
		}
	case pb.Refusal_RENEW:
		if known {
			answers.unopened(l)
		}
	case pb.Refusal_LATER:
		return m.park(tx, l)
	default:
		m.d.log.Info("mail is dropped", "peer", l.device, "why", taken.refusal)
	}
	if l.parked != 0 {
		tx.Unpark(l.parked)
	}
	return nil
}

func (m *mailbox) park(tx *store.Tx, l letter) error {
	if l.parked == 0 {
		tx.Park(store.Parked{From: l.from, Device: l.device, ID: l.id, Envelope: l.envelope, Since: time.Now()})
	} else if time.Since(l.since) > outbox.Lifetime {
		tx.Unpark(l.parked) // its sender has given it up too
	}
	return nil
}

// takeParked tries again what could not be opened before.
func (m *mailbox) takeParked(ctx context.Context) error {
	for after := uint64(0); ; {
		var parked []store.Parked
		err := m.d.store.View(func(tx *store.Tx) error {
			parked = tx.Parked(after, maxMailBatch/8) // of up to 96 KiB each
			return nil
		})
		if err != nil || len(parked) == 0 {
			return err
		}
		letters := make([]letter, len(parked))
		for i, p := range parked {
			letters[i] = letter{p.From, p.Device, p.ID, p.Envelope, p.Order, p.Since}
		}
		if err := m.takeLetters(ctx, letters); err != nil {
			return err
		}
		after = parked[len(parked)-1].Order
	}
}

// answers are the receipts of one transaction, by sending device.
type answers struct {
	order []peer.ID
	to    map[peer.ID]record.Account
	by    map[peer.ID]wire.Received
}

func newAnswers() *answers {
	return &answers{to: make(map[peer.ID]record.Account), by: make(map[peer.ID]wire.Received)}
}

func (a *answers) received(l letter) {
	r := a.of(l.from, l.device)
	r.Messages = append(r.Messages, l.id)
	a.by[l.device] = r
}

func (a *answers) unopened(l letter) {
	r := a.of(l.from, l.device)
	r.Unopened = append(r.Unopened, l.id)
	a.by[l.device] = r
}

func (a *answers) of(account record.Account, device peer.ID) wire.Received {
	if _, known := a.to[device]; !known {
		a.order, a.to[device] = append(a.order, device), account
	}
	return a.by[device]
}

func (a *answers) send(d *device, tx *store.Tx, fx *effects) error {
	for _, device := range a.order {
		if err := d.acknowledge(tx, fx, a.to[device], device, a.by[device]); err != nil {
			return err
		}
	}
	return nil
}

// sender is what is known of a device that mail came from.
type sender struct {
	contact account.Contact
	unknown bool // it does not act for the account that the servers name
	suspect bool // the account shows another identity than the pinned one
}

// vouch finds out whether a device acts for an account. An error means that nobody
// can tell now.
func (p *people) vouch(ctx context.Context, a record.Account, device peer.ID) (sender, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	c, err := p.find(ctx, a)
	if err == nil && !c.Devices().Has(device) {
		c, err = p.refresh(ctx, a)
	}
	var known *Error
	switch {
	case errors.As(err, &known) && known.Code == CodeIdentity:
		return sender{contact: c, suspect: true}, nil
	case err != nil && !isRefused(err):
		return sender{}, err
	case err != nil, !c.Devices().Has(device):
		return sender{unknown: true}, nil
	}
	return sender{contact: c}, nil
}
