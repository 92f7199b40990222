package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"
)

// Tx is a transaction, valid until the function that it was given to returns.
//
// Its methods return no errors. The first failure of a read or a write sticks:
// from then on reads find nothing and writes do nothing, and View or Update
// return it, so that nothing of the transaction is written. What a closure
// concludes from a failed read therefore never comes to be.
type Tx struct {
	store    *Store
	txn      *badger.Txn
	writable bool
	err      error
	bytes    int               // to be written, as MaxUpdate counts them
	pending  map[string][]byte // rows written, which reads see; nil: deleted
	order    []string          // keys of pending, sorted
}

// end returns the transaction's own failure, else the closure's error.
func (t *Tx) end(err error) error {
	if t.err != nil {
		return t.err
	}
	return err
}

func (t *Tx) fail(operation string, err error) {
	if t.err == nil {
		t.err = fmt.Errorf("store: %s: %w", operation, err)
	}
}

// get returns a copy of a row's value, and whether there is one.
func (t *Tx) get(k []byte) ([]byte, bool) {
	if t.err != nil {
		return nil, false
	}
	if v, own := t.pending[string(k)]; own {
		return bytes.Clone(v), v != nil
	}
	item, err := t.txn.Get(k)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false
	}
	var v []byte
	if err == nil {
		v, err = item.ValueCopy([]byte{})
	}
	if err != nil {
		t.fail("read", err)
		return nil, false
	}
	return v, true
}

// put writes a row. v must not change afterwards.
func (t *Tx) put(k, v []byte) {
	if v == nil {
		v = []byte{} // nil stands for a deletion
	}
	t.write(k, v)
}

// remove deletes a row, if it is there.
func (t *Tx) remove(k []byte) { t.write(k, nil) }

func (t *Tx) write(k, v []byte) {
	if t.err != nil {
		return
	}
	if !t.writable {
		t.err = ErrReadOnly
		return
	}
	// A row that is written again counts once: only the last value is committed.
	grows := rowOverhead + len(k) + len(v)
	old, again := t.pending[string(k)]
	if again {
		grows = len(v) - len(old)
	}
	if t.bytes+grows > MaxUpdate {
		t.err = ErrTooLarge
		return
	}
	t.bytes += grows
	if !again {
		i, _ := slices.BinarySearch(t.order, string(k))
		t.order = slices.Insert(t.order, i, string(k))
	}
	t.pending[string(k)] = v
}

// apply hands what the closure wrote to the database's transaction.
func (t *Tx) apply() error {
	for k, v := range t.pending {
		var err error
		if v == nil {
			err = t.txn.Delete([]byte(k))
		} else {
			err = t.txn.Set([]byte(k), v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// getMessage reads a row into m and tells whether there is one.
func (t *Tx) getMessage(k []byte, m proto.Message) bool {
	v, ok := t.get(k)
	return ok && t.decode(v, m)
}

// decode fails the transaction if v is not an m.
func (t *Tx) decode(v []byte, m proto.Message) bool {
	if err := proto.Unmarshal(v, m); err != nil {
		t.fail("decode", fmt.Errorf("%w: %w", ErrDamaged, err))
		return false
	}
	return true
}

// damaged fails the transaction if err is one of parsing a row.
func (t *Tx) damaged(err error) bool {
	if err != nil {
		t.fail("decode", fmt.Errorf("%w: %w", ErrDamaged, err))
	}
	return err != nil
}

func (t *Tx) putMessage(k []byte, m proto.Message) {
	v, err := proto.Marshal(m)
	if err != nil {
		t.fail("encode", err)
		return
	}
	t.put(k, v)
}

// nextOrder draws a number above all that were drawn before.
func (t *Tx) nextOrder() uint64 {
	k := []byte{rowOrder}
	var last uint64
	if v, ok := t.get(k); ok {
		last = t.number(v)
	}
	t.put(k, binary.BigEndian.AppendUint64(nil, last+1))
	return last + 1
}

// number reads eight bytes, of a value or at the end of a key.
func (t *Tx) number(b []byte) uint64 {
	if len(b) != 8 {
		t.damaged(errLength)
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

var errLength = errors.New("wrong length")

// millis and fromMillis convert times as they are stored; 0 is the zero time.
func millis(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
