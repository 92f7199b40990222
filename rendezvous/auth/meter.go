package auth

import (
	"container/list"
	"crypto/sha256"
	"time"
)

// pace is how the wait grows: none for the first guesses, then first, doubling
// up to longest.
type pace struct {
	free           int
	first, longest time.Duration
}

// delay is the wait that follows the n-th guess.
func (p pace) delay(n int) time.Duration {
	if n < p.free {
		return 0
	}
	d := p.first
	for range n - p.free {
		if d *= 2; d >= p.longest {
			return p.longest
		}
	}
	return d
}

// meter counts the guesses of each key, forgetting the one that was quiet longest
// when there are too many.
type meter struct {
	pace    pace
	size    int
	entries map[meterKey]*list.Element // of *meterEntry
	order   *list.List                 // the quietest in front
}

// meterKey is the hash of a name, so that an entry's size does not depend on it.
type meterKey [sha256.Size]byte

func keyOf(name string) meterKey { return sha256.Sum256([]byte(name)) }

// meterEntry is what is known of one key.
type meterEntry struct {
	key     meterKey
	guesses int
	last    time.Time
	// open is the account that a device's last guess was at, until that guess
	// succeeds. Accounts' entries leave it empty.
	open meterKey
}

// refund takes one guess back.
func (e *meterEntry) refund() { e.guesses = max(e.guesses-1, 0) }

func newMeter(p pace, size int) meter {
	return meter{pace: p, size: size, entries: make(map[meterKey]*list.Element), order: list.New()}
}

// wait returns how long the key must still wait. If the clock went back behind
// its last guess, the wait begins anew and is no longer than it was.
func (m *meter) wait(name string, now time.Time) time.Duration {
	e := m.find(name)
	if e == nil || now.Sub(e.last) >= forgetAfter {
		return 0
	}
	if now.Before(e.last) {
		e.last = now
	}
	return max(m.pace.delay(e.guesses)-now.Sub(e.last), 0)
}

// charge counts one guess and returns the key's entry.
func (m *meter) charge(name string, now time.Time) *meterEntry {
	key := keyOf(name)
	element := m.entries[key]
	if element == nil {
		if len(m.entries) >= m.size {
			m.remove(m.order.Front())
		}
		element = m.order.PushBack(&meterEntry{key: key})
		m.entries[key] = element
	}
	m.order.MoveToBack(element)
	e := element.Value.(*meterEntry)
	if now.Sub(e.last) >= forgetAfter {
		e.guesses = 0
	}
	e.guesses++
	e.last = now
	return e
}

// find returns the key's entry or nil.
func (m *meter) find(name string) *meterEntry {
	element := m.entries[keyOf(name)]
	if element == nil {
		return nil
	}
	return element.Value.(*meterEntry)
}

func (m *meter) remove(element *list.Element) {
	delete(m.entries, element.Value.(*meterEntry).key)
	m.order.Remove(element)
}
