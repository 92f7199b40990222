package causal

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// ChainID names a sender chain.
type ChainID = [16]byte

// Place is where a message stands: its number in its sender's chain.
type Place struct {
	Chain     ChainID
	Iteration uint32
}

// After is what a message follows: all of a chain that comes before Next.
type After struct {
	Chain ChainID
	Next  uint32
}

// Message is one that has come.
type Message struct {
	Place
	After []After // of other chains; those that this device will never have are left out
	// Base is the first message of the chain that can come to this device at all.
	Base uint32
	Said
}

// Said is what a message tells others about itself, in those that follow it.
type Said struct {
	// Length is how long the membership chain was, as the sender knew it.
	Length uint64
	// At is when it was sent, by the sender's clock, to the millisecond.
	At time.Time
}

// Head is how far a chain has been shown.
type Head struct {
	After
	Said // of the last one shown
}

// Gap is what keeps messages from being shown.
type Gap struct {
	Chain   ChainID
	Missing int // messages
	Before  Place
}

// Buffer is what has been shown of a group and what waits. It is a value: no call
// changes one. The zero value has seen nothing.
type Buffer struct {
	chains map[ChainID]chain
	held   []held // in the order in which they came
	clock  uint64 // counts what was shown, to tell what was shown lately
}

// chain is how far a chain has been shown.
type chain struct {
	next  uint32 // the number of the message to be shown next
	told  uint32 // next, as this device's last message named it
	said  Said   // of the last one shown
	shown uint64 // clock of it
}

type held struct {
	Place
	after []After
	said  Said
	since time.Time
}

// Add takes a message that has come and returns the places of those that are to be
// shown now, in order: perhaps it, perhaps others that waited for it, perhaps none.
func (b Buffer) Add(m Message, now time.Time) (Buffer, []Place) {
	b = b.clone()
	c, known := b.chains[m.Chain]
	if !known {
		c = chain{next: m.Base, told: m.Base}
	}
	b.chains[m.Chain] = c
	if m.Iteration < c.next { // late
		return b, []Place{m.Place}
	}
	if !slices.ContainsFunc(b.held, func(h held) bool { return h.Place == m.Place }) {
		b.held = append(b.held, held{m.Place, slices.Clone(m.After), m.Said, now})
	}
	ready := b.drain()
	for len(b.held) > MaxHeld {
		b.force(b.held[0])
		ready = append(ready, b.drain()...)
	}
	b.forget()
	return b, ready
}

// drain takes out everything that need not wait. The caller has cloned b.
func (b *Buffer) drain() (ready []Place) {
	for again := true; again; {
		again = false
		rest := b.held[:0]
		for _, h := range b.held {
			if !b.due(h) {
				rest = append(rest, h)
				continue
			}
			ready, again = append(ready, h.Place), true
			b.clock++
			c := b.chains[h.Chain]
			c.next, c.said, c.shown = h.Iteration+1, h.said, b.clock
			b.chains[h.Chain] = c
		}
		b.held = rest
	}
	return ready
}

// due tells whether nothing is missing before a message.
func (b *Buffer) due(h held) bool {
	if h.Iteration != b.chains[h.Chain].next {
		return false
	}
	return !slices.ContainsFunc(h.after, func(a After) bool { return b.lacks(a) })
}

func (b *Buffer) lacks(a After) bool {
	c, known := b.chains[a.Chain]
	return !known || c.next < a.Next
}

// force lets a message, and what its sender said before it, wait for nothing more.
func (b *Buffer) force(m held) {
	earlier := m.Iteration
	for i := range b.held {
		if h := &b.held[i]; h.Chain == m.Chain && h.Iteration <= m.Iteration {
			h.after = nil
			earlier = min(earlier, h.Iteration)
		}
	}
	c := b.chains[m.Chain]
	c.next = max(c.next, earlier)
	b.chains[m.Chain] = c
}

// Expire returns what is to be shown because it has waited for Patience, and what is
// then still missing before it.
func (b Buffer) Expire(now time.Time) (_ Buffer, ready []Place, missing []Gap) {
	b = b.clone()
	for {
		i := slices.IndexFunc(b.held, func(h held) bool { return now.Sub(h.since) >= Patience })
		if i < 0 {
			return b, ready, missing
		}
		h := b.held[i]
		if first := b.firstHeld(h.Chain); first > b.chains[h.Chain].next {
			missing = append(missing, Gap{h.Chain, int(first - b.chains[h.Chain].next), Place{h.Chain, first}})
		}
		b.force(h)
		ready = append(ready, b.drain()...)
	}
}

func (b *Buffer) firstHeld(id ChainID) uint32 {
	first := uint32(1<<32 - 1)
	for _, h := range b.held {
		if h.Chain == id {
			first = min(first, h.Iteration)
		}
	}
	return first
}

// Gaps returns what has kept messages waiting for longer than Notice, each chain once.
func (b Buffer) Gaps(now time.Time) (gaps []Gap) {
	add := func(id ChainID, until uint32, before Place) {
		next := b.chains[id].next
		if until <= next || slices.ContainsFunc(gaps, func(g Gap) bool { return g.Chain == id }) {
			return
		}
		missing := int(until - next)
		for _, h := range b.held {
			if h.Chain == id && h.Iteration < until {
				missing-- // it is here, and waits itself
			}
		}
		if missing > 0 {
			gaps = append(gaps, Gap{id, missing, before})
		}
	}
	for _, h := range b.held {
		if now.Sub(h.since) < Notice {
			continue
		}
		add(h.Chain, b.firstHeld(h.Chain), h.Place)
		for _, a := range h.after {
			if _, known := b.chains[a.Chain]; known {
				add(a.Chain, a.Next, h.Place)
			} else if !slices.ContainsFunc(gaps, func(g Gap) bool { return g.Chain == a.Chain }) {
				gaps = append(gaps, Gap{a.Chain, 1, h.Place}) // at least one
			}
		}
	}
	return gaps
}

// Holds returns how many messages wait.
func (b Buffer) Holds() int { return len(b.held) }

// Waiting tells whether a message waits to be shown.
func (b Buffer) Waiting(p Place) bool {
	return slices.ContainsFunc(b.held, func(h held) bool { return h.Place == p })
}

// Speak returns what a message of this device follows: at most limit chains, of which
// the ones shown last, that have been shown further than its last message named; or all
// of them if the message is the first for somebody, who does not know what those before
// it named. The message's own place counts as shown.
func (b Buffer) Speak(own Place, said Said, limit int, first bool) (Buffer, []Head) {
	b = b.clone()
	var news []ChainID
	for id, c := range b.chains {
		if (c.next > c.told || first && c.next > 0) && id != own.Chain {
			news = append(news, id)
		}
	}
	slices.SortFunc(news, func(x, y ChainID) int {
		return cmp.Or(cmp.Compare(b.chains[y].shown, b.chains[x].shown), slices.Compare(x[:], y[:]))
	})
	var heads []Head
	for i, id := range news {
		c := b.chains[id]
		if i < limit {
			heads = append(heads, Head{After{id, c.next}, c.said})
		}
		c.told = c.next
		b.chains[id] = c
	}
	b.clock++
	mine := b.chains[own.Chain]
	mine.next, mine.said, mine.shown = max(mine.next, own.Iteration+1), said, b.clock
	b.chains[own.Chain] = mine
	b.forget()
	return b, heads
}

// forget drops the chains that were silent for the longest. The caller has cloned b.
func (b *Buffer) forget() {
	for len(b.chains) > MaxChains {
		var oldest ChainID
		first := true
		for id, c := range b.chains {
			if b.firstHeld(id) != 1<<32-1 {
				continue
			}
			if o := b.chains[oldest]; first || c.shown < o.shown || c.shown == o.shown && slices.Compare(id[:], oldest[:]) < 0 {
				oldest, first = id, false
			}
		}
		if first {
			return // all of them have something that waits, which is bounded
		}
		delete(b.chains, oldest)
	}
}

func (b Buffer) clone() Buffer {
	b.held = slices.Clone(b.held)
	if b.chains = maps.Clone(b.chains); b.chains == nil {
		b.chains = make(map[ChainID]chain)
	}
	return b
}
