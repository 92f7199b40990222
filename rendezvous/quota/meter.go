package quota

import (
	"container/list"
	"math"
	"time"
)

// Meter counts the use of each key against a Limit that has a rate: a key has a purse of
// Burst, which Rate fills again. The key that was quiet longest is forgotten when there
// are more than the Meter remembers, as if its purse were full: it should remember as
// many as can come while a purse fills.
//
// A Meter has neither clock nor lock: its owner serializes the calls. If the clock goes
// back, it stands still.
type Meter[K comparable] struct {
	burst int
	each  time.Duration // in which one is given back
	keys  int
	now   time.Time
	purse map[K]*list.Element // of *purse[K]
	order *list.List          // the quietest in front
}

// purse is one key's: what is lacking is told by when it will be full again (the generic
// cell rate algorithm).
type purse[K comparable] struct {
	key  K
	full time.Time
}

// NewMeter returns a Meter of a limit that has seen nobody and remembers at most so many
// keys. Its memory grows with those that come.
func NewMeter[K comparable](limit Limit, keys int) *Meter[K] {
	return &Meter[K]{
		burst: limit.Burst, each: time.Duration(float64(time.Second) / limit.Rate), keys: keys,
		purse: make(map[K]*list.Element), order: list.New(),
	}
}

// Never is the wait for more than there ever is.
const Never = time.Duration(math.MaxInt64)

// Take takes n from a key's purse and returns 0; or it takes nothing, and returns how
// long it will be until there are n: [Never] if that is more than the burst.
func (m *Meter[K]) Take(key K, n int, now time.Time) (wait time.Duration) {
	if n > m.burst {
		return Never
	}
	p := m.of(key, now)
	full := p.full.Add(time.Duration(n) * m.each)
	if wait := full.Sub(m.now) - time.Duration(m.burst)*m.each; wait > 0 {
		return wait + max(0, m.now.Sub(now))
	}
	p.full = full
	return 0
}

// Give puts back what Take took for nothing.
func (m *Meter[K]) Give(key K, n int, now time.Time) {
	p := m.of(key, now)
	if p.full = p.full.Add(-time.Duration(n) * m.each); p.full.Before(m.now) {
		p.full = m.now
	}
}

// of returns a key's purse as it is now.
func (m *Meter[K]) of(key K, now time.Time) *purse[K] {
	if now.After(m.now) {
		m.now = now
	}
	element := m.purse[key]
	if element == nil {
		if len(m.purse) >= m.keys {
			quietest := m.order.Front()
			delete(m.purse, quietest.Value.(*purse[K]).key)
			m.order.Remove(quietest)
		}
		element = m.order.PushBack(&purse[K]{key: key})
		m.purse[key] = element
	}
	m.order.MoveToBack(element)
	p := element.Value.(*purse[K])
	if p.full.Before(m.now) {
		p.full = m.now
	}
	return p
}
