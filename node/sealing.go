package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/session"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// unseal drops the envelopes of everything that waits for a device, because it
// does not open the session that they were sealed in.
func unseal(tx *store.Tx, device peer.ID) {
	for _, e := range tx.Entries(device, 0) {
		if e.Envelope != nil {
			e.Envelope = nil
			tx.PutEntry(e)
		}
	}
}

// sealAnew has everything that waits behind an entry go into the session that
// begins with it. What is sealed in the old one would be refused, and overtaken by
// what follows it.
func sealAnew(tx *store.Tx, first outbox.Entry) {
	for _, e := range tx.Entries(first.Device, 0) {
		if e.Seq > first.Seq && (e.Envelope != nil || e.Renewals > 0) {
			e.Envelope, e.Renewals = nil, 0
			tx.PutEntry(e)
		}
	}
}

// put adds a message for one device to the outbox.
func (c *courier) put(tx *store.Tx, fx *effects, to record.Account, device peer.ID, id wire.MessageID, content []byte) error {
	return c.queue(tx, fx, outbox.New(id, to, device, content, time.Now()))
}

// queue adds an entry to the outbox. If a session is open it is sealed at once, so
// that nothing more has to be written before it goes out. It changes nothing when
// it returns outbox.ErrFull.
func (c *courier) queue(tx *store.Tx, fx *effects, e outbox.Entry) error {
	e.Copy = e.To == c.d.self.Account
	device := e.Device
	if err := tx.Load(device).Admit(len(e.Content)); err != nil {
		return err // before a key of the session is spent on it
	}
	if rec := tx.Session(device); rec.Ready() && e.Renewals == 0 {
		var err error
		if e.Envelope, err = c.d.seal(tx, rec, e); err != nil {
			return err
		}
	}
	e, err := tx.AddEntry(e)
	if err != nil {
		return err
	}
	fx.wake(device, e.Seq)
	return nil
}

// seal encrypts an entry's content in its device's session and keeps the
// session's new state.
func (d *device) seal(tx *store.Tx, rec session.Record, e outbox.Entry) ([]byte, error) {
	rec, envelope, err := rec.Encrypt(d.self, session.Identity{Account: e.To, Device: e.Device}, e.Content)
	if err != nil {
		return nil, fmt.Errorf("seal for a device: %w", err)
	}
	tx.PutSession(e.Device, rec)
	return envelope, nil
}

// sealLate seals an entry that was not sealed when it was put. An entry goes to its
// device and to the servers side by side, and must be the same to both.
func (c *courier) sealLate(ctx context.Context, l *lane, e outbox.Entry) (outbox.Entry, error) {
	l.sealing.Lock()
	defer l.sealing.Unlock()
	err := c.d.store.View(func(tx *store.Tx) error {
		if now, waits := tx.Entry(e.Device, e.Seq); waits {
			e = now
		}
		return nil
	})
	if err != nil || e.Envelope != nil {
		return e, err
	}
	return c.d.sealEntry(ctx, e)
}

// sealEntry seals an entry that had to wait for a session, and begins one with
// keys from the servers if there is none that the other side opens.
func (d *device) sealEntry(ctx context.Context, e outbox.Entry) (outbox.Entry, error) {
	if e.Renewals == 0 {
		sealed, err := d.sealIn(e, func(_ *store.Tx, rec session.Record) (session.Record, error) { return rec, nil })
		if !errors.Is(err, session.ErrNoSession) {
			return sealed, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout) // whoever waits to seal the same tries again
	defer cancel()
	keys, err := d.link.client.TakeKeys(ctx, e.To, []peer.ID{e.Device})
	if err != nil {
		return e, fmt.Errorf("take keys: %w", err)
	}
	if len(keys) == 0 {
		return e, errors.New("the device has published no keys yet")
	}
	return d.sealIn(e, func(tx *store.Tx, rec session.Record) (session.Record, error) {
		if rec.Ready() && e.Renewals == 0 {
			return rec, nil // the other side has begun one meanwhile
		}
		sealAnew(tx, e)
		return session.Begin(rec, d.self, session.Identity{Account: e.To, Device: e.Device}, keys[0].Bundle, keys[0].OneTime)
	})
}

// sealIn seals an entry in the session that ready returns.
func (d *device) sealIn(e outbox.Entry, ready func(*store.Tx, session.Record) (session.Record, error)) (outbox.Entry, error) {
	err := d.commit(func(tx *store.Tx, _ *effects) error {
		rec, err := ready(tx, tx.Session(e.Device))
		if err != nil {
			return err
		}
		if e.Envelope, err = d.seal(tx, rec, e); err != nil {
			return err
		}
		tx.PutEntry(e)
		return nil
	})
	return e, err
}
