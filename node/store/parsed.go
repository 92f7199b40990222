package store

import (
	"bytes"
	"sync"
)

// parsed remembers the parsed form of rows, since parsing keys costs more than
// reading them. An entry counts only as long as the row that was read has the
// bytes that the entry was made from, so that nothing has to be taken back when
// a transaction fails. The zero value is empty and ready.
type parsed[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]parsedEntry[V]
}

type parsedEntry[V any] struct {
	raw   []byte
	value V
}

// get returns the value of a row with these bytes, if it is known.
func (p *parsed[K, V]) get(k K, raw []byte) (V, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.entries[k]
	if !ok || !bytes.Equal(e.raw, raw) {
		var none V
		return none, false
	}
	return e.value, true
}

// put remembers the value of a row with these bytes. Beyond maxParsed it forgets
// any other.
func (p *parsed[K, V]) put(k K, raw []byte, value V) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entries == nil {
		p.entries = make(map[K]parsedEntry[V])
	}
	if _, known := p.entries[k]; !known && len(p.entries) >= maxParsed {
		for other := range p.entries {
			delete(p.entries, other)
			break
		}
	}
	p.entries[k] = parsedEntry[V]{raw: raw, value: value}
}
