package rendezvous

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/presence"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// hub brings what happens to the devices that listen. Those who report never
// wait: a device that does not keep up is cut off, and looks everything up when
// it is back.
type hub struct {
	// seenBy returns which of some accounts may know where the devices of an account
	// are. It is not called with mu held.
	seenBy func(account record.Account, asking []record.Account) map[record.Account]bool

	mu       sync.Mutex
	devices  map[peer.ID]*subscriber
	accounts index // by whose device it is
	watchers index // by whom it watches
}

// subscriber is one device that listens.
type subscriber struct {
	device  peer.ID          // immutable
	account record.Account   // immutable
	queue   chan *pb.Notice  // never closed
	cut     chan struct{}    // closed when the stream must end
	gone    bool             // guarded by hub.mu: cut is closed
	watches []record.Account // guarded by hub.mu
	// mail holds of which mail a notice is in queue: the device's own under the
	// zero ID, and that of groups. Guarded by hub.mu.
	mail map[record.GroupID]struct{}
}

// index finds subscribers by account.
type index map[record.Account]map[*subscriber]struct{}

func (i index) add(account record.Account, s *subscriber) {
	if i[account] == nil {
		i[account] = make(map[*subscriber]struct{})
	}
	i[account][s] = struct{}{}
}

func (i index) remove(account record.Account, s *subscriber) {
	delete(i[account], s)
	if len(i[account]) == 0 {
		delete(i, account)
	}
}

func newHub(seenBy func(account record.Account, asking []record.Account) map[record.Account]bool) *hub {
	return &hub{seenBy: seenBy, devices: make(map[peer.ID]*subscriber), accounts: make(index), watchers: make(index)}
}

// subscribe makes a device a listener. A stream that it had before is cut: the
// device has opened a new one because it takes that one for dead.
func (h *hub) subscribe(device peer.ID, account record.Account) *subscriber {
	s := &subscriber{
		device: device, account: account, queue: make(chan *pb.Notice, maxQueue), cut: make(chan struct{}),
		mail: make(map[record.GroupID]struct{}),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.devices[device]; old != nil {
		h.remove(old)
	}
	h.devices[device] = s
	h.accounts.add(account, s)
	return s
}

// unsubscribe ends a subscription; it may have been cut before.
func (h *hub) unsubscribe(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(s)
}

func (h *hub) remove(s *subscriber) {
	if s.gone {
		return
	}
	s.gone = true
	close(s.cut)
	delete(h.devices, s.device)
	h.accounts.remove(s.account, s)
	for _, account := range s.watches {
		h.watchers.remove(account, s)
	}
}

// watch replaces the accounts that a subscriber watches.
func (h *hub) watch(s *subscriber, accounts []record.Account) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.gone {
		return
	}
	for _, account := range s.watches {
		h.watchers.remove(account, s)
	}
	s.watches = accounts
	for _, account := range accounts {
		h.watchers.add(account, s)
	}
}

// len returns the number of devices that listen.
func (h *hub) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.devices)
}

// present reports a device that came, moved or left, to those who may know. Of one that left nobody is
// told: whoever tries to reach it will notice, and one that lost its server for
// a moment has not left.
func (h *hub) present(p presence.Presence) {
	if p.Record == nil {
		return
	}
	watching := h.watching(p.Account)
	if len(watching) == 0 {
		return
	}
	seen := h.seenBy(p.Account, watching)
	up := &pb.Notice{Kind: &pb.Notice_Up{Up: &pb.PeerPresence{Account: string(p.Account), Record: p.Record}}}
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.watchers[p.Account] {
		if s.device != p.Device && seen[s.account] {
			h.put(s, up)
		}
	}
}

// watching returns the accounts whose devices watch an account.
func (h *hub) watching(account record.Account) (accounts []record.Account) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.watchers[account] {
		accounts = append(accounts, s.account)
	}
	return accounts
}

// changed reports what commands have changed.
func (h *hub) changed(events []directory.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, event := range events {
		switch e := event.(type) {
		case directory.AccountChanged:
			n := &pb.Notice{Kind: &pb.Notice_AccountChanged{AccountChanged: string(e.Account)}}
			for s := range h.accounts[e.Account] {
				h.put(s, n)
			}
			for s := range h.watchers[e.Account] {
				if s.account != e.Account {
					h.put(s, n)
				}
			}
		case directory.GroupChanged:
			n := &pb.Notice{Kind: &pb.Notice_GroupChanged{GroupChanged: &pb.GroupChanged{Id: e.Group[:], Length: e.Length}}}
			for _, account := range e.Concerns {
				for s := range h.accounts[account] {
					h.put(s, n)
				}
			}
		case directory.ContactsChanged:
			n := &pb.Notice{Kind: &pb.Notice_ContactsChanged{ContactsChanged: e.Version}}
			for s := range h.accounts[e.Account] {
				h.put(s, n)
			}
		case directory.KeysLow:
			if s := h.devices[e.Device]; s != nil {
				h.put(s, keysLow())
			}
		case directory.MailWaiting:
			h.putMail(h.devices[e.Device], record.GroupID{}, mailWaiting())
		case directory.GroupMailWaiting:
			n := &pb.Notice{Kind: &pb.Notice_GroupMail{GroupMail: e.Group[:]}}
			for _, device := range e.Devices {
				h.putMail(h.devices[device], e.Group, n)
			}
		case directory.Reset:
			for _, s := range h.devices { // anything may have changed: all look again
				h.remove(s)
			}
		}
	}
}

func keysLow() *pb.Notice { return &pb.Notice{Kind: &pb.Notice_KeysLow{KeysLow: true}} }

func mailWaiting() *pb.Notice { return &pb.Notice{Kind: &pb.Notice_Mail{Mail: true}} }

// putMail queues a notice of mail for a subscriber, if there is one, unless one
// like it is still in the queue: the device fetches all at once.
func (h *hub) putMail(s *subscriber, of record.GroupID, n *pb.Notice) {
	if s == nil {
		return
	}
	if _, queued := s.mail[of]; !queued {
		s.mail[of] = struct{}{}
		h.put(s, n)
	}
}

// passing says that notices have left a subscriber's queue and are written next.
// Mail that comes from now on is told of anew.
func (h *hub) passing(s *subscriber, notices []*pb.Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range notices {
		switch kind := n.GetKind().(type) {
		case *pb.Notice_Mail:
			delete(s.mail, record.GroupID{})
		case *pb.Notice_GroupMail:
			delete(s.mail, record.GroupID(kind.GroupMail))
		}
	}
}

// put queues a notice, or cuts the subscriber off whose queue is full.
func (h *hub) put(s *subscriber, n *pb.Notice) {
	select {
	case s.queue <- n:
	default:
		h.remove(s)
	}
}
