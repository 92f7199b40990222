package node

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/roster"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// contacts is whom the account lets in (package roster): it decides what is shown of
// what others send, what goes to them and who may connect. contacts_requests.go keeps
// what strangers write until the person says a word, contacts_sync.go agrees with the
// servers and with the account's other devices.
//
// In groups people see each other whether they know each other or not: the topic
// joins their devices. So members can connect, and what a group needs passes between
// them, also when one has blocked the other; only what the blocked one says is not
// shown.
type contacts struct {
	// Immutable.
	d     *device
	nudge chan struct{} // holds a token when requests are to be looked at
	turn  chan struct{} // holds a token while nobody talks with the servers about it

	mu    sync.Mutex
	own   roster.Roster // as the store has it
	waits map[record.Account]roster.Load
	load  roster.Load             // all of waits together
	told  map[record.Account]bool // requests that the person has been told of in this run
}

// newContacts loads what the store has.
func newContacts(d *device) (*contacts, error) {
	c := &contacts{
		d: d, nudge: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		told: make(map[record.Account]bool),
	}
	c.turn <- struct{}{}
	err := d.store.View(func(tx *store.Tx) error {
		c.own, c.waits = tx.Roster(), tx.Waits()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load whom the account lets in: %w", err)
	}
	for _, l := range c.waits {
		c.load.Messages, c.load.Bytes = c.load.Messages+l.Messages, c.load.Bytes+l.Bytes
	}
	c.signal()
	return c, nil
}

func (c *contacts) roster() roster.Roster {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.own
}

// put stores a roster and makes it the one that others see, unless the transaction
// fails.
func (c *contacts) put(tx *store.Tx, fx *effects, next roster.Roster) {
	tx.PutRoster(next)
	c.mu.Lock()
	before := c.own
	c.own = next
	c.mu.Unlock()
	fx.otherwise(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.own = before
	})
}

// blocks reports whether the person wants nothing of an account.
func (c *contacts) blocks(a record.Account) bool { return c.roster().Standing(a) == roster.Blocked }

// knows reports whether an account may learn that and where this device is: it is let
// in, is one's own, or is in a group with this one.
func (c *contacts) knows(a record.Account) bool {
	return a == c.d.self.Account || c.roster().LetsIn(a) || len(c.d.rooms.sharedWith(a)) > 0
}

// admits reports whether a device may connect. One that is new to this one may as
// long as strangers may; where they have to ask it may once the servers have told
// whose it is.
func (c *contacts) admits(device peer.ID) bool {
	owner, known := c.d.people.owner(device)
	if !known {
		return c.roster().Policy() == roster.Open ||
			c.d.link.host.Libp2p().Network().Connectedness(device) != network.NotConnected
	}
	return c.knows(owner)
}

// errNotLetIn keeps this device from dialling whom it shows itself to no more.
var errNotLetIn = errors.New("node: the account is not let in")

// sharedWith returns the groups that an account is in together with this one, by name.
func (r *rooms) sharedWith(a record.Account) (names []record.GroupName) {
	for _, s := range r.all() {
		if s.Chain().Member(a) {
			names = append(names, s.Name())
		}
	}
	return names
}

// ofGroups reports whether a content is what the devices of a group tell each other
// so that it works, and no person sees.
func ofGroups(body wire.Body) bool {
	switch body.(type) {
	case wire.SenderKey, wire.EpochRequest, wire.EpochSecret, wire.Received, wire.HistoryRequest, wire.HistoryPart:
		return true
	}
	return false
}

// refuses reports whether nothing at all is taken from an account.
func (c *contacts) refuses(a record.Account) bool {
	return c.blocks(a) && len(c.d.rooms.sharedWith(a)) == 0
}

// screen says whether an opened message may be taken, before anything of it is kept.
func (c *contacts) screen(a arrival) pb.Refusal {
	switch {
	case a.own(c.d) || ofGroups(a.content.Body):
		return pb.Refusal_NONE
	case c.blocks(a.from.Account):
		return pb.Refusal_BLOCKED
	case c.holds(a) && !c.hasRoom(a):
		return pb.Refusal_LATER // the sender keeps it
	}
	return pb.Refusal_NONE
}

// writing is called in the transaction that queues something which the person sends to
// an account: whom one writes to one lets in, where others have to ask.
func (c *contacts) writing(tx *store.Tx, fx *effects, to record.Account) error {
	own := c.roster()
	switch {
	case to == c.d.self.Account:
		return nil
	case own.Standing(to) == roster.Blocked:
		return blockedByYou(to)
	case own.LetsIn(to):
		return nil
	}
	next, err := own.With(roster.Accepted, to)
	if err != nil {
		return tooManyContacts(err, "accepted", roster.MaxAccepted)
	}
	c.put(tx, fx, next)
	fx.after(func() {
		c.signal()
		c.d.errands.do(func(ctx context.Context) { c.push(ctx) })
	})
	return nil
}

// writable refuses what is to be sent to somebody blocked, before it costs anything.
func (c *contacts) writable(to record.Account) error {
	if c.blocks(to) {
		return blockedByYou(to)
	}
	return nil
}

func blockedByYou(a record.Account) *Error {
	return fail(CodeBlocked, nil, fmt.Sprintf("To write to them, type: unblock %s", a), "You have blocked %s.", a)
}

func tooManyContacts(cause error, done string, most int) *Error {
	return fail(CodeFull, cause, "Type contacts to see them; one that is blocked and unblocked again is neither.",
		"You have %s %d accounts, and no more can be.", done, most)
}

// emitOf tells what is to be known of others, but not that somebody blocked has another
// device.
func (c *contacts) emitOf(e Event) {
	if e.Kind != EventNotice || !c.blocks(e.Account) {
		c.d.emit(e)
	}
}

// withholds reports whether an entry of the outbox is not to go out, because the
// person has blocked whom it is for.
func (c *contacts) withholds(e outbox.Entry) bool {
	if !c.blocks(e.To) {
		return false
	}
	content, err := wire.ParseContent(e.Content)
	return err != nil || !ofGroups(content.Body) || len(c.d.rooms.sharedWith(e.To)) == 0
}

// cutOff ends what is under way to and from an account that has just been blocked.
func (c *contacts) cutOff(a record.Account) {
	if err := c.d.courier.expireTo(a); err != nil {
		c.d.log.Error("what waits for a blocked account stays until it would go out", "err", err)
	}
	if err := c.d.files.forsake(a); err != nil {
		c.d.log.Error("files of a blocked account stay until they would be fetched", "err", err)
	}
}

// expireTo gives up what waits for an account that is blocked.
func (c *courier) expireTo(a record.Account) error {
	devices := []peer.ID{noDevice}
	if contact, known := c.d.people.contact(a); known {
		devices = append(devices, contact.Devices().Active()...)
	}
	for _, device := range devices {
		last := uint64(0)
		for more := true; more; {
			err := c.d.commit(func(tx *store.Tx, fx *effects) error {
				entries := tx.EntriesAfter(device, last, outbox.Window)
				more = len(entries) == outbox.Window
				for _, e := range entries {
					last = e.Seq
					if e.To == a && c.d.contacts.withholds(e) {
						e = e.Expire(outbox.ReasonUnwanted)
						c.d.told(tx, fx, e, tx.PutEntry(e), "")
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
