package storetest

import (
	"bytes"
	"maps"
	"slices"
	"sync"

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// Memory is a directory.Store in memory, for tests of what is built on one. It
// refuses transactions above directory.MaxTransaction, as little as a store
// may, and can be made to fail like a disk.
type Memory struct {
	mu   sync.RWMutex
	data map[string][]byte // guarded by mu; replaced whole by each Update
	fail error             // guarded by mu
}

var _ directory.Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{data: map[string][]byte{}} }

// FailWith makes every commit from now on fail with err; nil heals it.
func (m *Memory) FailWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Clone returns a store with the same contents: what a crash would leave.
func (m *Memory) Clone() *Memory {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return &Memory{data: m.data} // never changed in place
}

// View implements directory.Store.
func (m *Memory) View(f func(directory.Reader) error) error {
	m.mu.RLock()
	tx := &memoryTx{data: m.data}
	m.mu.RUnlock()
	return f(tx)
}

// Update implements directory.Store.
func (m *Memory) Update(f func(directory.Writer) error) error {
	m.mu.RLock()
	tx := &memoryTx{data: maps.Clone(m.data)}
	m.mu.RUnlock()
	if err := f(tx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.data = tx.data
	return nil
}

type memoryTx struct {
	data map[string][]byte
	size int // bytes written and deleted
}

func (t *memoryTx) Get(key []byte) ([]byte, error) {
	value, ok := t.data[string(key)]
	if !ok {
		return nil, directory.ErrMissing
	}
	return bytes.Clone(value), nil
}

func (t *memoryTx) Scan(prefix, from []byte, visit func(key, value []byte) (bool, error)) error {
	var keys []string
	for key := range t.data {
		if bytes.HasPrefix([]byte(key), prefix) && key >= string(from) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		more, err := visit([]byte(key), bytes.Clone(t.data[key]))
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (t *memoryTx) Set(key, value []byte) error {
	t.data[string(key)] = bytes.Clone(value)
	return t.grow(len(key) + len(value))
}

func (t *memoryTx) Delete(key []byte) error {
	delete(t.data, string(key))
	return t.grow(len(key))
}

func (t *memoryTx) grow(by int) error {
	if t.size += by; t.size > directory.MaxTransaction {
		return directory.ErrTooBig
	}
	return nil
}
