package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/client"
	rwire "github.com/tryst-chat/tryst/rendezvous/wire"
)

// What a device does not take at once is given to the servers as well, which keep it
// until the device comes for it. The direct way goes on being tried: the device shows
// a message once, by whichever way it came first.

const (
	// storePatience is how long a device that may be there is given to take what waits
	// for it, after it last took something: then the sender's person is still watching.
	storePatience = 700 * time.Millisecond
	// storeRate is what a slow way to the device carries, in bytes a second, so that a
	// long message has the time that it needs.
	storeRate = 64 << 10
	// storeRetry is how long the servers are left alone when they did not take
	// something: there is no quorum, or they cannot be reached.
	storeRetry = 15 * time.Second
	// storeRefused is the same when it is their word that they do not take it: a mailbox
	// is full, their disks are, or its owner does not want it.
	storeRefused = time.Minute
	// storeReview is how often all entries are looked through for those that are to be
	// given to the servers again.
	storeReview = 10 * time.Minute
	// storeTimeout bounds one request with up to outbox.Window messages.
	storeTimeout = 20 * time.Second
	// pathMailbox is the last rung of the ladder, for people to see.
	pathMailbox = "mailbox"
)

func (c *courier) setAway(l *lane, away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.away = away; away {
		signal(l.unstored)
	} else {
		l.moved = time.Now()
	}
}

func (c *courier) noteMoved(l *lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.moved = time.Now()
}

// published tells the lanes of devices that the servers may have their keys now.
func (c *courier) published(devices []peer.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, device := range devices {
		if l, ok := c.lanes[device]; ok {
			l.serversChanged()
		}
	}
}

// linked tells all lanes that the servers can be asked.
func (c *courier) linked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lanes {
		l.serversChanged()
	}
}

// serversChanged says that the servers may answer otherwise than before.
func (l *lane) serversChanged() {
	signal(l.unstored)
	signal(l.changed)
}

// keepStoring gives a lane's entries to the servers when they have waited for their
// device long enough, until the context ends.
func (c *courier) keepStoring(ctx context.Context, l *lane) {
	var stored uint64 // all entries up to this number are with the servers, or gone
	var reviewed time.Time
	for ctx.Err() == nil {
		if time.Since(reviewed) > storeReview {
			stored, reviewed = 0, time.Now()
		}
		entries, wait, err := c.toStore(l, stored)
		if err == nil && wait == 0 {
			stored, err = c.storeAll(ctx, l, entries, stored)
		}
		switch {
		case err != nil && ctx.Err() == nil:
			c.d.log.Debug("the servers did not take what waits for a device", "peer", l.to, "err", err)
			awaitSignal(ctx, l.changed, retryAfter(err)) // not for more of what they did not take
		case wait > 0:
			awaitSignal(ctx, l.unstored, wait)
		}
	}
}

// retryAfter is how long the servers are left alone after they did not take something.
func retryAfter(err error) time.Duration {
	if errors.Is(err, rwire.ErrFull) || errors.Is(err, rwire.ErrRefused) || errors.Is(err, rwire.ErrNoSpace) {
		return storeRefused
	}
	return storeRetry
}

// toStore returns the entries after a number that the servers are to be given, or how
// long to wait for the next.
func (c *courier) toStore(l *lane, after uint64) (entries []outbox.Entry, wait time.Duration, err error) {
	c.mu.Lock()
	upTo, away, moved := l.upTo, l.away, l.moved
	c.mu.Unlock()
	err = c.d.store.View(func(tx *store.Tx) error {
		entries = tx.EntriesAfter(l.to, after, outbox.Window)
		return nil
	})
	now := time.Now()
	entries = slices.DeleteFunc(entries, func(e outbox.Entry) bool { return e.Seq > upTo })
	i := slices.IndexFunc(entries, func(e outbox.Entry) bool { return e.ToStore(now) })
	if err != nil || i < 0 {
		if err == nil && len(entries) == outbox.Window {
			return entries, 0, nil // more may follow these, which are there already
		}
		return nil, storeReview, err
	}
	if !c.d.link.client.Linked() {
		return nil, storeReview, nil // linked tells when
	}
	first := entries[i]
	if !away && first.State == outbox.Queued {
		patience := storePatience + time.Duration(len(first.Content))*time.Second/storeRate
		since := moved
		if first.Made.After(since) {
			since = first.Made
		}
		if left := patience - now.Sub(since); left > 0 {
			return nil, left, nil
		}
	}
	return entries, 0, nil
}

var (
	errNotTaken = errors.New("a letter was not taken")
	errNoOwner  = errors.New("the device acts for nobody")
)

// storeAll gives entries to the servers, in order, and returns up to which number all
// are with them, or wait for nothing.
func (c *courier) storeAll(ctx context.Context, l *lane, entries []outbox.Entry, stored uint64) (uint64, error) {
	if _, acts := c.d.people.owner(l.to); !acts {
		return stored, errNoOwner
	}
	now, last := time.Now(), stored
	var ready []outbox.Entry
	for _, e := range entries {
		last = e.Seq
		if !e.ToStore(now) {
			continue
		}
		if c.d.contacts.withholds(e) {
			if err := c.expire(e, outbox.ReasonUnwanted); err != nil {
				return stored, err
			}
			continue
		}
		begins := e.Envelope == nil && e.Renewals > 0
		if e.Envelope == nil {
			var err error
			if e, err = c.sealLate(ctx, l, e); err != nil {
				return stored, err
			}
		}
		ready = append(ready, e)
		if begins {
			break // a session has begun, and those behind it are to be read again
		}
	}
	if len(ready) == 0 {
		return last, nil
	}
	if err := c.store(ctx, l.to, ready); err != nil {
		return stored, err
	}
	return last, nil
}

// store gives entries to the servers and writes down which they have. It stops at the
// first that they do not take, so that none is overtaken.
func (c *courier) store(ctx context.Context, to peer.ID, entries []outbox.Entry) error {
	letters := make([]client.Letter, len(entries))
	for i, e := range entries {
		letters[i] = client.Letter{ID: e.ID, To: e.Device, Envelope: e.Envelope}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	errs, err := c.d.link.client.PutMail(ctx, entries[0].To, letters)
	if err != nil {
		return fmt.Errorf("put mail: %w", err)
	}
	var done []result
	for i, e := range entries {
		if errs[i] != nil {
			err = fmt.Errorf("%w: %w", errNotTaken, errs[i])
			break
		}
		done = append(done, result{e.Seq, outbox.OutcomeStored})
	}
	if _, failed := c.finish(to, pathMailbox, done); failed != nil {
		return failed
	}
	return err
}
