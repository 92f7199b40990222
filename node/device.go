package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/session"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const (
	// prepareQueue bounds the sessions that wait to be prepared for their next
	// message; one that is left out is only a little slower.
	prepareQueue = 64
	// withdrawTimeout bounds the good-bye to the servers.
	withdrawTimeout = 2 * time.Second
)

// device is this device while somebody is logged in on it: the parts, and how
// they hang together. Each part does one thing and finds the others here.
type device struct {
	// Immutable.
	cfg   *Config
	self  session.Local
	key   key.Device
	log   *slog.Logger
	emit  func(Event)
	store *store.Store
	link  *link

	start    *start
	people   *people
	contacts *contacts
	courier  *courier
	mailbox  *mailbox
	rooms    *rooms
	files    *files
	topics   *transport.Topics

	turns       *turns
	diskFailed  sync.Once     // the person has been told
	diskFull    atomic.Bool   // likewise, until there is room again
	loggedOut   bool          // by logOut, the last use before close
	announceNow chan struct{} // holds a token when addresses should be announced
	prepare     chan peer.ID

	stop    context.CancelFunc
	group   *errgroup.Group
	errands workers // what notices and peers call for
}

// startDevice puts the parts together and sets them going. It owns the store
// and the link from now on, also when it fails.
func startDevice(ctx context.Context, cfg *Config, s *store.Store, l *link, emit func(Event)) (_ *device, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close(), s.Close())
		}
	}()
	d := &device{
		cfg: cfg, log: cfg.Logger, emit: emit, store: s, link: l, turns: newTurns(),
		errands: workers{log: cfg.Logger}, announceNow: make(chan struct{}, 1), prepare: make(chan peer.ID, prepareQueue),
	}
	if cfg.diskFree != nil {
		s.Free = cfg.diskFree
	}
	if err := d.loadSelf(); err != nil {
		return nil, err
	}
	if d.start, err = newStart(s); err != nil {
		return nil, err
	}
	if d.contacts, err = newContacts(d); err != nil {
		return nil, err
	}
	if d.people, err = newPeople(s, l.client, d.log, d.contacts.emitOf); err != nil {
		return nil, err
	}
	d.courier, d.mailbox = newCourier(d), newMailbox(d)
	d.files = newFiles(d)
	if d.rooms, err = newRooms(d); err != nil {
		return nil, err
	}
	d.people.changed = d.contactChanged

	ctx, d.stop = context.WithCancel(context.WithoutCancel(ctx))
	if d.topics, err = l.host.StartTopics(ctx, d.rooms.shares); err != nil {
		d.stop()
		return nil, err
	}
	l.host.Admit(d.contacts.admits)
	l.host.Messages(&inbox{d}, d.hello)
	l.host.ServeFiles(d.files.serve)
	l.host.ServeSync(d.rooms.passOn)
	d.rooms.enterAll()
	d.run(ctx)
	l.client.Attend(true)
	d.rewatch()
	return d, nil
}

func (d *device) loadSelf() error {
	return d.store.View(func(tx *store.Tx) error {
		me, ok := tx.Device()
		if !ok {
			return errors.New("the store has no device")
		}
		d.key = me.Key
		d.self = session.Local{Identity: session.Identity{Account: me.Account, Device: d.link.host.ID()}, DH: me.DH}
		return nil
	})
}

// run starts the goroutines that last as long as the device.
func (d *device) run(ctx context.Context) {
	d.group, ctx = errgroup.WithContext(ctx)
	d.errands.start(ctx)
	d.group.Go(func() error { d.contacts.run(ctx); return nil })
	d.group.Go(func() error { return d.courier.run(ctx) })
	d.group.Go(func() error { d.mailbox.run(ctx); return nil })
	d.group.Go(func() error { return d.files.run(ctx) })
	d.group.Go(func() error { return d.rooms.run(ctx) })
	d.group.Go(func() error { d.rooms.takeArrivals(ctx); return nil })
	d.group.Go(func() error { d.rooms.repair(ctx); return nil })
	d.group.Go(func() error { d.rooms.keepStored(ctx); return nil })
	d.group.Go(func() error { d.follow(ctx); return nil })
	d.group.Go(func() error { d.meet(ctx); return nil })
	d.group.Go(func() error { d.keepAnnounced(ctx); return nil })
	d.group.Go(func() error { return d.keepRelayed(ctx) })
	d.group.Go(func() error { d.prepareSessions(ctx); return nil })
	d.group.Go(func() error { d.upkeep(ctx); return nil })
}

// close says good-bye, ends everything and waits for it.
func (d *device) close() error {
	if d.link.client.Linked() && !d.loggedOut { // the servers know already
		ctx, cancel := context.WithTimeout(context.Background(), withdrawTimeout)
		if err := d.link.client.Withdraw(ctx); err != nil {
			d.log.Info("presence was not withdrawn and will lapse", "err", err)
		}
		cancel()
	}
	d.stop()
	err := d.group.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil // by stop
	}
	d.errands.wait()
	d.leaveKeys()
	d.topics.Close()
	err = errors.Join(err, d.link.close())
	if d.loggedOut { // now that nothing adds to them any more
		err = errors.Join(err, d.forgetKeys())
	}
	err = errors.Join(err, d.store.Close())
	if err != nil {
		return fmt.Errorf("close device: %w", err)
	}
	return nil
}

// leaveKeys publishes this device's first prekeys, if it has not come to that, so that
// who logs in and leaves at once can be written to.
func (d *device) leaveKeys() {
	published := false
	err := d.store.View(func(tx *store.Tx) error {
		_, published = tx.Meta(bundlePublished)
		return nil
	})
	if err != nil || published || d.loggedOut {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), withdrawTimeout)
	defer cancel()
	d.settle(ctx)
	d.publishKeys(ctx, false)
}

// hello is how this device introduces itself.
func (d *device) hello() transport.Hello {
	h := transport.Hello{Account: d.self.Account}
	if c, ok := d.people.contact(d.self.Account); ok {
		h.LogLength, h.LogHead = c.Devices().Len(), c.Devices().Head()
	}
	return h
}

// reach connects to a device: where it was last seen, else where the servers
// say that it is.
func (d *device) reach(ctx context.Context, to peer.ID) error {
	if owner, known := d.people.owner(to); known && !d.contacts.knows(owner) {
		return errNotLetIn // dialling would tell where this device is
	}
	err := d.link.host.Reach(ctx, peer.AddrInfo{ID: to})
	if err == nil || !d.link.client.Linked() {
		return err
	}
	owner, ok := d.people.owner(to)
	if !ok {
		return err
	}
	found, failed := d.link.client.FindPeers(ctx, []record.Account{owner})
	if failed != nil {
		return failed
	}
	for _, p := range found {
		if p.Info.ID == to {
			return d.link.host.Reach(ctx, p.Info)
		}
	}
	return err
}

// contactChanged reacts to a contact's new or revoked devices.
func (d *device) contactChanged(c account.Contact, change account.Change) {
	d.rewatch()
	for _, device := range change.Revoked {
		d.courier.seen(device) // what waits for it has to go elsewhere
	}
	if len(change.NewDevices) > 0 {
		if err := d.courier.rehome(); err != nil {
			d.log.Error("what waits for a person's next device stays", "err", err)
		}
	}
	d.rooms.devicesChanged(c, change)
	d.topics.MembershipChanged(append(change.NewDevices, change.Revoked...)...)
}

// rewatch tells the servers whose coming and going this device wants to hear of.
func (d *device) rewatch() {
	d.link.client.Watch(d.people.all())
}

// idle has the session with a device made ready for the next message.
func (d *device) idle(with peer.ID) {
	select {
	case d.prepare <- with:
	default: // see prepareQueue
	}
}

func (d *device) prepareSessions(ctx context.Context) {
	for {
		select {
		case with := <-d.prepare:
			if err := d.store.PrepareSession(with); err != nil {
				d.log.Warn("a session was not prepared", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
