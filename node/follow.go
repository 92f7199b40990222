package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

const (
	// noticeTimeout bounds what is done about one notice.
	noticeTimeout = 15 * time.Second
	// resyncTimeout bounds looking up everything that is followed by notices.
	resyncTimeout = time.Minute
	// limitedPause is how long the servers are left alone after they said that this
	// device asks for too much, before they are asked about accounts again.
	limitedPause = 30 * time.Second
	// maxLookUps bounds the look-ups of one resync that run at a time.
	maxLookUps = 8
	// upkeepInterval is how often old memory is pruned and keys are rotated.
	upkeepInterval = 6 * time.Hour
)

// follow does what the servers' notices call for.
func (d *device) follow(ctx context.Context) {
	for {
		select {
		case n, ok := <-d.link.client.Notices():
			if !ok {
				return
			}
			d.heed(n)
		case <-ctx.Done():
			return
		}
	}
}

func (d *device) heed(n client.Notice) {
	switch n := n.(type) {
	case client.Linked:
		d.emit(Event{Kind: EventLink, Online: true, Text: "Connected to the servers."})
		d.announce()
		d.courier.linked()
		d.rooms.serversChanged()
		d.errands.do(d.linked)
	case client.Unlinked:
		d.log.Info("the server is gone", "err", n.Err)
		d.emit(Event{Kind: EventLink, Text: "The connection to the servers is lost; looking for another one. Messages between nodes go on."})
	case client.Resync:
		d.announce()
		d.errands.do(d.resync)
	case client.PeerUp:
		d.errands.do(func(ctx context.Context) { d.peerUp(ctx, n.Presence) })
	case client.AccountChanged:
		d.errands.do(func(ctx context.Context) { _ = d.accountChanged(ctx, n.Account) })
	case client.GroupChanged:
		d.errands.do(func(ctx context.Context) { d.rooms.update(ctx, n.Group) })
	case client.MailWaiting, client.GroupMailWaiting:
		d.mailbox.look()
	case client.ContactsChanged:
		if n.Version > d.contacts.roster().Servers.Version { // by another device
			d.errands.do(d.contacts.sync)
		}
	case client.KeysLow:
		d.errands.do(func(ctx context.Context) { d.publishKeys(ctx, true) })
	case client.Dismissed:
		d.errands.do(d.dismissed)
	}
}

// linked pins the cluster's key, once it is known.
func (d *device) linked(context.Context) {
	if err := meetCluster(d.cfg, d.link.client.ClusterKey(), d.emit); err != nil {
		d.log.Error("the cluster key was not pinned", "err", err)
	}
}

// resync looks up once whatever notices would have told.
func (d *device) resync(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, resyncTimeout)
	defer cancel()
	d.contacts.sync(ctx)
	if left := d.lookUpAll(ctx, d.people.all()); len(left) > 0 {
		d.errands.do(func(ctx context.Context) { d.lookUpLater(ctx, left) })
	}
	if err := d.rooms.sync(ctx); err != nil {
		d.log.Info("groups were not listed", "err", err)
	}
	d.publishKeys(ctx, false)
	d.catchUp(ctx)
	d.mailbox.look()
	present, err := d.link.client.FindPeers(ctx, d.people.all())
	if err != nil {
		d.log.Info("presence was not fetched", "err", err)
	}
	for _, p := range present {
		d.errands.do(func(ctx context.Context) { d.peerUp(ctx, p) })
	}
}

// lookUpAll fetches the device logs of some accounts, and returns those of which the
// servers tell later, since this device has asked for too much.
func (d *device) lookUpAll(ctx context.Context, accounts []record.Account) (left []record.Account) {
	var lookUps errgroup.Group
	lookUps.SetLimit(maxLookUps)
	var mu sync.Mutex // guards left
	for _, a := range accounts {
		lookUps.Go(func() error {
			if err := d.accountChanged(ctx, a); errors.Is(err, wire.ErrTooMany) {
				mu.Lock()
				defer mu.Unlock()
				left = append(left, a)
			}
			return nil
		})
	}
	lookUps.Wait()
	return left
}

// lookUpLater goes on with lookUpAll until it has them all.
func (d *device) lookUpLater(ctx context.Context, left []record.Account) {
	for len(left) > 0 {
		select {
		case <-time.After(limitedPause):
		case <-ctx.Done():
			return
		}
		bounded, cancel := context.WithTimeout(ctx, resyncTimeout)
		left = d.lookUpAll(bounded, left)
		cancel()
	}
}

// accountChanged fetches an account's device log again.
func (d *device) accountChanged(ctx context.Context, a record.Account) error {
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	var told *Error
	c, err := d.people.refresh(ctx, a)
	if err != nil && !errors.As(err, &told) {
		d.log.Info("an account was not looked up", "err", err)
	}
	if err == nil {
		d.courier.published(c.Devices().Active()) // perhaps their keys, and what waits for them can be sealed
	}
	return err
}

// peerUp takes up where a device is, if it acts for the account that the server
// says, and connects when this device has something to do with it.
func (d *device) peerUp(ctx context.Context, p client.Presence) {
	device := p.Info.ID
	if owner, ok := d.people.owner(device); !ok || owner != p.Account || device == d.self.Device || !d.contacts.knows(owner) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	if d.rooms.shares(device) || d.courier.waitsFor(device) {
		if err := d.link.host.Reach(ctx, p.Info); err != nil {
			d.log.Debug("a device that announced itself was not reached", "peer", device, "err", err)
			return
		}
	}
	d.courier.seen(device)
}

// checkHello fetches the device log of the account that a device answers for, when
// it names a longer one than is known here: there may be new devices.
func (d *device) checkHello(from peer.ID, hello transport.Hello) {
	owner, ok := d.people.owner(from)
	if !ok || owner != hello.Account {
		return
	}
	c, _ := d.people.contact(owner)
	if grown, err := c.Compare(hello.LogLength, hello.LogHead); grown || err != nil {
		d.errands.do(func(ctx context.Context) { _ = d.accountChanged(ctx, owner) })
	}
}

// meet follows which devices come, however the connection was made.
func (d *device) meet(ctx context.Context) {
	for {
		select {
		case e, ok := <-d.link.host.Peers():
			if !ok {
				return
			}
			if e.Connected {
				d.courier.seen(e.Peer)
				d.files.seen(e.Peer)
				d.rooms.seen(e.Peer)
			}
		case <-ctx.Done():
			return
		}
	}
}

// announce has this device's addresses announced now.
func (d *device) announce() {
	select {
	case d.announceNow <- struct{}{}:
	default: // it is going to be
	}
}

// keepAnnounced tells the servers where this device is, now and then again.
func (d *device) keepAnnounced(ctx context.Context) {
	ticker := time.NewTicker(wire.AnnounceInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-d.announceNow:
		case <-ctx.Done():
			return
		}
		if !d.link.client.Linked() {
			continue // Linked will ask for it
		}
		d.settle(ctx)
		d.publishKeys(ctx, d.start.tookLow()) // whoever learns where this device is begins a session at once
		record, err := d.link.host.SignedRecord()
		if err == nil {
			bounded, cancel := context.WithTimeout(ctx, noticeTimeout)
			err = d.link.client.Announce(bounded, record)
			cancel()
		}
		if err != nil && ctx.Err() == nil {
			d.log.Info("addresses were not announced", "err", err)
		}
	}
}

// dismissed finds out whether this device has been revoked, when the servers do
// not take it for one that is logged in.
func (d *device) dismissed(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	c, err := d.people.refresh(bounded, d.self.Account)
	switch {
	case err == nil && c.Devices().Has(d.self.Device):
		d.link.client.Attend(true) // the server was behind
	case err == nil || errors.Is(err, wire.ErrNotLoggedIn):
		d.emit(Event{Kind: EventError, Err: fail(CodeNotLoggedIn, err, "Type: logout, and then log in again.",
			"This device has been logged out of %s from another one.", d.self.Account)})
	default:
		d.log.Info("the own account was not looked up", "err", err)
		select {
		case <-time.After(limitedPause):
			d.link.client.Attend(true) // and if it is revoked the servers say so again
		case <-ctx.Done():
		}
	}
}

// upkeep prunes and rotates, now and a few times a day.
func (d *device) upkeep(ctx context.Context) {
	ticker := time.NewTicker(upkeepInterval)
	defer ticker.Stop()
	for {
		for more := true; more; {
			err := d.store.Update(func(tx *store.Tx) error {
				now := time.Now()
				more = tx.PruneSeen(now) || tx.PruneLogs(now)
				return nil
			})
			if err != nil {
				d.log.Error("old memory was not pruned", "err", err)
				break
			}
		}
		select {
		case <-ticker.C:
			d.publishKeys(ctx, false)
		case <-ctx.Done():
			return
		}
	}
}
