package linear

import (
	"fmt"
	"sync"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// world is what the clients have in common, so that they meet.
type world struct {
	members []*member // immutable once they work

	mu     sync.Mutex
	groups int      // guarded by mu: the number of the newest group
	names  int      // guarded by mu: the number of the newest name
	prekey []uint32 // guarded by mu: the last one that was taken of each member
}

// group returns the name of the newest group, or of one before.
func (w *world) group(before int) record.GroupName {
	w.mu.Lock()
	defer w.mu.Unlock()
	return groupName(max(0, w.groups-before))
}

func groupName(i int) record.GroupName { return record.GroupName(fmt.Sprintf("g%d", i)) }

// full says that a group's chain is long enough.
func (w *world) full(name record.GroupName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name == groupName(w.groups) {
		w.groups++
	}
}

// name returns the account that is raced for now, or one before.
func (w *world) name(before int) record.Account {
	w.mu.Lock()
	defer w.mu.Unlock()
	return accountNamed(raceName(max(0, w.names-before)))
}

func raceName(i int) string { return fmt.Sprintf("prize%d-", i) }

func accountNamed(name string) record.Account {
	account, err := record.NewAccount(name, roll)
	if err != nil {
		panic(err) // the names here are names
	}
	return account
}

// raced says that the race for a name begins.
func (w *world) raced(i int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names = max(w.names, i)
}

// taken notes a prekey that was taken of a member.
func (w *world) taken(member int, id uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prekey[member] = max(w.prekey[member], id)
}

func (w *world) takenOf(member int) uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.prekey[member]
}
