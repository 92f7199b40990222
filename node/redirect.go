package node

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store"
)

// noDevice is where messages wait for an account that is logged out everywhere,
// until it has a device again.
const noDevice peer.ID = ""

// redirectAtOnce bounds the entries that one transaction moves: contents are
// written anew, and each may be as large as a message can be.
const redirectAtOnce = 16

// redirect takes what waits for a device that was revoked to those that its
// account has now. What only that device could use expires.
func (c *courier) redirect(from peer.ID) error {
	for more := true; more; {
		err := c.d.commit(func(tx *store.Tx, fx *effects) error {
			entries := tx.Entries(from, redirectAtOnce)
			more = len(entries) > 0
			for _, e := range entries {
				if err := c.move(tx, fx, e, c.heirs(tx, e)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rehome takes what waits for accounts without a device to those that have one
// again.
func (c *courier) rehome() error {
	homeless := func(e outbox.Entry) bool {
		contact, ok := c.d.people.contact(e.To)
		return !ok || len(contact.Devices().Active()) == 0
	}
	for more := true; more; {
		err := c.d.commit(func(tx *store.Tx, fx *effects) error {
			entries := slices.DeleteFunc(tx.Entries(noDevice, 0), homeless)
			more = len(entries) > redirectAtOnce
			for _, e := range entries[:min(len(entries), redirectAtOnce)] {
				if err := c.move(tx, fx, e, c.heirs(tx, e)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// heirs returns the devices that an entry is to go to instead of its own: those
// of the account that do not get the message anyway. It is for messages that a
// person waits for; what devices tell each other matters to that one alone.
func (c *courier) heirs(tx *store.Tx, e outbox.Entry) []peer.ID {
	contact, known := c.d.people.contact(e.To)
	_, awaited := getPending(tx, e.ID)
	if !known || !awaited || e.Copy || tx.Progress(e.ID).State == outbox.Sent {
		return nil
	}
	devices := contact.Devices().Active()
	if len(devices) == 0 {
		devices = []peer.ID{noDevice}
	}
	addressed := tx.Addressed(e.ID)
	return slices.DeleteFunc(devices, func(device peer.ID) bool {
		return slices.Contains(addressed, device) || tx.Load(device).Admit(len(e.Content)) != nil
	})
}

// move puts an entry into the queues of other devices; without any it expires.
func (c *courier) move(tx *store.Tx, fx *effects, e outbox.Entry, to []peer.ID) error {
	if len(to) == 0 {
		e = e.Expire(outbox.ReasonRevoked)
		c.d.told(tx, fx, e, tx.PutEntry(e), "")
		return nil
	}
	moved, err := tx.FanOut(e, to)
	for _, e := range moved {
		fx.wake(e.Device, e.Seq)
	}
	return err
}
