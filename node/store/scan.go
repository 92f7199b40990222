package store

import (
	"bytes"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// row is a key and its value.
type row struct{ key, value []byte }

// rows returns up to limit rows (0: all) whose keys begin with prefix, in order.
// It reads them all before it returns: Badger allows a writing transaction one
// iterator at a time, and what it has written is to be seen too.
func (t *Tx) rows(prefix []byte, limit int) []row {
	return t.rowsFrom(prefix, prefix, limit)
}

// rowsFrom is rows without those whose keys are below first, which begins with
// prefix too. Rows that were deleted cost nearly as much as those that are there,
// until Badger compacts them away: where many have been, first passes over them.
func (t *Tx) rowsFrom(prefix, first []byte, limit int) []row {
	return t.scan(prefix, first, limit, badger.IteratorOptions{Prefix: prefix, PrefetchValues: true, PrefetchSize: prefetch(limit)})
}

// keys is rows without the values.
func (t *Tx) keys(prefix []byte, limit int) []row {
	return t.scan(prefix, prefix, limit, badger.IteratorOptions{Prefix: prefix})
}

// lastRows is rows from the last one backwards.
func (t *Tx) lastRows(prefix []byte, limit int) []row {
	return t.scan(prefix, prefix, limit, badger.IteratorOptions{Prefix: prefix, PrefetchValues: true, PrefetchSize: prefetch(limit), Reverse: true})
}

// prefetch is how many values Badger reads ahead.
func prefetch(limit int) int {
	const most = 100 // its default
	if limit == 0 {
		return most
	}
	return min(limit, most)
}

// scan returns rows from the key first on. Backwards first is the prefix.
func (t *Tx) scan(prefix, first []byte, limit int, opt badger.IteratorOptions) []row {
	if t.err != nil {
		return nil
	}
	own := t.pendingUnder(prefix, first)
	enough := limit
	if limit > 0 {
		enough += len(own) // each may hide a stored row
	}
	out, err := stored(t.txn, prefix, first, enough, opt)
	if err != nil {
		t.fail("read", err)
		return nil
	}
	if len(own) > 0 {
		out = t.merge(out, own, opt.Reverse)
	}
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out
}

// stored returns the rows of the database's transaction.
func stored(txn *badger.Txn, prefix, first []byte, limit int, opt badger.IteratorOptions) ([]row, error) {
	it := txn.NewIterator(opt)
	defer it.Close()
	seek := first
	if opt.Reverse {
		seek = append(bytes.Clone(prefix), afterPrefix)
	}
	var out []row
	for it.Seek(seek); it.ValidForPrefix(prefix) && (limit == 0 || len(out) < limit); it.Next() {
		r := row{key: it.Item().KeyCopy(nil)}
		if opt.PrefetchValues {
			var err error
			if r.value, err = it.Item().ValueCopy([]byte{}); err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// pendingUnder returns the keys under prefix, from first on, that this transaction
// has written, sorted.
func (t *Tx) pendingUnder(prefix, first []byte) []string {
	from, _ := slices.BinarySearch(t.order, string(first))
	to := from
	for to < len(t.order) && strings.HasPrefix(t.order[to], string(prefix)) {
		to++
	}
	return t.order[from:to]
}

// merge puts own writes over the stored rows.
func (t *Tx) merge(rows []row, own []string, reverse bool) []row {
	rows = slices.DeleteFunc(rows, func(r row) bool {
		_, hidden := t.pending[string(r.key)]
		return hidden
	})
	for _, k := range own {
		if v := t.pending[k]; v != nil {
			rows = append(rows, row{key: []byte(k), value: bytes.Clone(v)})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	if reverse {
		slices.Reverse(rows)
	}
	return rows
}
