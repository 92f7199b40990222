package client

import (
	"context"
	"sync"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Notice is one of Linked, Unlinked, Resync, PeerUp, AccountChanged,
// GroupChanged, KeysLow, MailWaiting, GroupMailWaiting, ContactsChanged and
// Dismissed.
type Notice interface{ notice() }

// Linked: requests are answered by this server from now on. A node announces
// its addresses again.
type Linked struct{ Server string }

// Unlinked: the server is gone, for this reason; another one is being looked
// for.
type Unlinked struct{ Err error }

// Resync: notices may have been missed, because a server has only now begun to
// send them or because the reader was slow. Whatever is followed by notices
// must be looked up once.
type Resync struct{}

// PeerUp: a device of a watched account announced itself.
type PeerUp struct{ Presence Presence }

// AccountChanged: the device log or the keys of a watched account, or one's
// own, have changed.
type AccountChanged struct{ Account record.Account }

// GroupChanged: the chain of a group that the account is in has this length
// now.
type GroupChanged struct {
	Group  record.GroupID
	Length uint64
}

// KeysLow: this device should publish more one-time prekeys.
type KeysLow struct{}

// MailWaiting: there are letters for this device; see FetchMail.
type MailWaiting struct{}

// GroupMailWaiting: there are letters for this device in a group; see
// FetchGroupMail.
type GroupMailWaiting struct{ Group record.GroupID }

// ContactsChanged: whom this account lets in was changed, by this device or by
// another one of the account.
type ContactsChanged struct{ Version uint64 }

// Dismissed: the servers do not take this device for one that is logged in (it
// was revoked, or never added). Attend has to be called again after a login.
type Dismissed struct{ Err error }

func (Linked) notice()           {}
func (Unlinked) notice()         {}
func (Resync) notice()           {}
func (PeerUp) notice()           {}
func (AccountChanged) notice()   {}
func (GroupChanged) notice()     {}
func (KeysLow) notice()          {}
func (MailWaiting) notice()      {}
func (GroupMailWaiting) notice() {}
func (Dismissed) notice()        {}
func (ContactsChanged) notice()  {}

// queue holds notices between the link, which never waits, and their reader.
type queue struct {
	out  chan Notice
	wake chan struct{}

	mu      sync.Mutex
	waiting []Notice
}

func newQueue() *queue {
	return &queue{out: make(chan Notice), wake: make(chan struct{}, 1)}
}

func (q *queue) put(n Notice) {
	q.mu.Lock()
	if len(q.waiting) >= maxNotices {
		q.waiting = append(q.waiting[:0], Resync{})
	}
	q.waiting = append(q.waiting, n)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) take() []Notice {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.waiting
	q.waiting = nil
	return waiting
}

// pump hands notices to the reader until the context ends, then closes out.
func (q *queue) pump(ctx context.Context) error {
	defer close(q.out)
	for {
		for _, n := range q.take() {
			select {
			case q.out <- n:
			case <-ctx.Done():
				return nil
			}
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return nil
		}
	}
}
