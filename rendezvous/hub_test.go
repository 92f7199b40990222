package rendezvous

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/presence"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// everybody may see everybody.
func everybody(_ record.Account, asking []record.Account) map[record.Account]bool {
	seen := make(map[record.Account]bool)
	for _, a := range asking {
		seen[a] = true
	}
	return seen
}

func isCut(s *subscriber) bool {
	select {
	case <-s.cut:
		return true
	default:
		return false
	}
}

// Those who report never wait: who does not keep up is cut off.
func TestSlowSubscriberIsCut(t *testing.T) {
	h := newHub(everybody)
	slow, other := h.subscribe("slow", "alice1"), h.subscribe("other", "bob1")
	changed := []directory.Event{directory.AccountChanged{Account: "alice1"}}
	for range maxQueue {
		h.changed(changed)
	}
	if isCut(slow) {
		t.Fatal("cut off before the queue was full")
	}
	h.changed(changed)
	if !isCut(slow) || isCut(other) || h.len() != 1 {
		t.Errorf("slow is cut: %t, the other: %t, %d listen", isCut(slow), isCut(other), h.len())
	}
	h.unsubscribe(slow) // as its stream ends: a second time does nothing
	h.changed(changed)
}

func TestNewStreamReplacesOld(t *testing.T) {
	h := newHub(everybody)
	old := h.subscribe("device", "alice1")
	young := h.subscribe("device", "alice1")
	h.unsubscribe(old)
	if !isCut(old) || isCut(young) || h.len() != 1 {
		t.Errorf("old is cut: %t, young: %t, %d listen", isCut(old), isCut(young), h.len())
	}
}

func TestWhoHearsWhat(t *testing.T) {
	h := newHub(everybody)
	alice, phone, bob, carol := h.subscribe("a", "alice1"), h.subscribe("a2", "alice1"), h.subscribe("b", "bob1"), h.subscribe("c", "carol1")
	h.watch(bob, []record.Account{"alice1"})
	h.watch(carol, []record.Account{"alice1"})
	h.watch(carol, []record.Account{"dave1"}) // replaces
	h.watch(phone, []record.Account{"alice1"})
	heard := func(want map[*subscriber]int, what string) {
		t.Helper()
		for s, name := range map[*subscriber]string{alice: "alice", phone: "alice's phone", bob: "bob", carol: "carol"} {
			if len(s.queue) != want[s] {
				t.Errorf("%s: %s heard %d, want %d", what, name, len(s.queue), want[s])
			}
			for len(s.queue) > 0 {
				<-s.queue
			}
		}
	}
	up := presence.Presence{Account: "alice1", Device: "a", Record: []byte{1}}
	h.present(up)
	heard(map[*subscriber]int{bob: 1, phone: 1}, "alice is up")
	up.Record = nil
	h.present(up)
	heard(nil, "alice is gone")
	h.changed([]directory.Event{directory.AccountChanged{Account: "alice1"}})
	heard(map[*subscriber]int{alice: 1, phone: 1, bob: 1}, "alice's account")
	h.changed([]directory.Event{directory.GroupChanged{Concerns: []record.Account{"alice1", "carol1", "zed1"}}})
	heard(map[*subscriber]int{alice: 1, phone: 1, carol: 1}, "a group")
	h.changed([]directory.Event{directory.ContactsChanged{Account: "alice1", Version: 1}})
	heard(map[*subscriber]int{alice: 1, phone: 1}, "alice's contacts")
	h.changed([]directory.Event{directory.KeysLow{Account: "alice1", Device: "a2"}, directory.KeysLow{Device: "nobody"}})
	heard(map[*subscriber]int{phone: 1}, "the phone's keys")
	h.changed([]directory.Event{directory.Reset{}})
	if h.len() != 0 || len(h.watchers) != 0 || len(h.accounts) != 0 {
		t.Errorf("after a reset there are left: %d, %d, %d", h.len(), len(h.watchers), len(h.accounts))
	}
}

// Of where somebody's devices are only those hear who may know.
func TestHiddenPresence(t *testing.T) {
	h := newHub(func(account record.Account, asking []record.Account) map[record.Account]bool {
		seen := everybody(account, asking)
		delete(seen, "eve1")
		return seen
	})
	bob, eve := h.subscribe("b", "bob1"), h.subscribe("e", "eve1")
	h.watch(bob, []record.Account{"alice1"})
	h.watch(eve, []record.Account{"alice1"})
	h.present(presence.Presence{Account: "alice1", Device: "a", Record: []byte{1}})
	if len(bob.queue) != 1 || len(eve.queue) != 0 {
		t.Errorf("bob heard %d, eve %d", len(bob.queue), len(eve.queue))
	}
}

// Nothing is left of who has gone: the hub would grow for ever.
func TestHubForgets(t *testing.T) {
	h := newHub(everybody)
	for i := range 100 {
		s := h.subscribe(peer.ID([]byte{byte(i)}), "alice1")
		h.watch(s, []record.Account{"bob1", "carol1"})
		h.unsubscribe(s)
		h.watch(s, []record.Account{"dave1"}) // its stream did not know yet
	}
	if len(h.devices)+len(h.accounts)+len(h.watchers) != 0 {
		t.Errorf("left: %v %v %v", h.devices, h.accounts, h.watchers)
	}
}

// A device is told of its mail once for all that came before it looked, and again
// for what came since.
func TestMailIsToldOnce(t *testing.T) {
	h := newHub(everybody)
	s := h.subscribe("a", "alice1")
	id := record.GroupID{7}
	came := []directory.Event{
		directory.MailWaiting{Account: "alice1", Device: "a"}, directory.MailWaiting{Account: "bob1", Device: "b"},
		directory.GroupMailWaiting{Group: id, Devices: []peer.ID{"b", "a"}},
	}
	for range 2 * maxQueue {
		h.changed(came)
	}
	if isCut(s) || len(s.queue) != 2 {
		t.Fatalf("cut off: %t, %d notices wait", isCut(s), len(s.queue))
	}
	h.passing(s, []*pb.Notice{<-s.queue, <-s.queue})
	h.changed(came)
	if len(s.queue) != 2 {
		t.Errorf("of what came since %d notices wait", len(s.queue))
	}
}
