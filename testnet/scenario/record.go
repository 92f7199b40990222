package scenario

import (
	"slices"
	"sync"
	"time"

	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

// record is the list of all that is done and seen.
type record struct {
	mu       sync.Mutex
	accounts map[string]string // by label; guarded by mu
	steps    []check.Step      // guarded by mu
}

func newRecord() *record { return &record{accounts: make(map[string]string)} }

// enter enters a device.
func (r *record) enter(label, account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accounts[label] = account
}

// add adds a step, now.
func (r *record) add(s check.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.At = time.Now()
	r.steps = append(r.steps, s)
}

// length is how many steps there are.
func (r *record) length() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.steps)
}

// history returns all of it so far, and what devices keep.
func (r *record) history(shelves []check.Shelf) check.History {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := check.History{Accounts: make(map[string]string), Steps: slices.Clone(r.steps), Shelves: shelves}
	for label, account := range r.accounts {
		h.Accounts[label] = account
	}
	return h
}
