package store

import (
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// update is an Update on its way through the committer.
type update struct {
	run  func(*Tx) error
	done chan error // holds one
}

// View runs f on a snapshot. It returns f's error, or the first failure of a
// read, and waits for no Update.
func (s *Store) View(f func(*Tx) error) error {
	if !s.beginView() {
		return ErrClosed
	}
	defer s.views.Done()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	t := &Tx{store: s, txn: txn}
	return t.end(f(t))
}

// beginView counts a View, which Close then waits for.
func (s *Store) beginView() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.views.Add(1)
	}
	return !s.closed
}

// Update runs f and returns once what it wrote is on the disk. If f returns an
// error, or any of its reads or writes has failed, nothing of it is written and
// the error is returned.
//
// Updates run one after the other, so that f may read, decide and write without
// a thought of others; f must not call Update or View itself and should only
// compute, since all others wait. Those that come while the disk is busy share
// the next transaction and its sync. ErrNoSpace means that the disk is too full to
// write anything; it may be tried again. An error of the commit itself (a full disk)
// goes to all that shared it, as ErrFailed, and to every Update after it.
func (s *Store) Update(f func(*Tx) error) error {
	u := update{run: f, done: make(chan error, 1)}
	select {
	case s.updates <- u:
		return <-u.done
	case <-s.closing:
		return ErrClosed
	}
}

// commitLoop is the only writer. It ends when the store closes.
func (s *Store) commitLoop() {
	defer close(s.done)
	for {
		select {
		case u := <-s.updates:
			s.commitWith(u)
		case <-s.closing:
			return
		}
	}
}

// commitWith runs u and whatever else waits by then in one transaction.
func (s *Store) commitWith(first update) {
	if s.failed != nil {
		first.done <- s.failed
		return
	}
	if free, err := s.Free(s.dir); err == nil && free < MinFree {
		first.done <- ErrNoSpace
		return
	}
	b := batch{store: s, txn: s.db.NewTransaction(true)}
	defer b.txn.Discard()
	b.add(first)
	for b.open() {
		select {
		case u := <-s.updates:
			b.add(u)
			continue
		default:
		}
		break
	}
	b.commit()
}

// batch is one transaction of the database with the Updates that share it.
type batch struct {
	store   *Store
	txn     *badger.Txn
	bytes   int          // written by all of them
	waiting []chan error // of those that have succeeded so far
	err     error        // what makes all of them fail
}

// open tells whether the batch takes another Update.
func (b *batch) open() bool {
	return b.err == nil && len(b.waiting) < maxBatch && b.bytes < maxBatchBytes
}

// add runs one Update. Only when it has succeeded do its writes become part of
// the batch.
func (b *batch) add(u update) {
	t := &Tx{store: b.store, txn: b.txn, writable: true, pending: make(map[string][]byte)}
	if err := t.end(u.run(t)); err != nil {
		u.done <- err
		return
	}
	if err := t.apply(); err != nil {
		// Half of it may be in the transaction, which must then not be committed.
		b.err = err
	}
	b.bytes += t.bytes
	b.waiting = append(b.waiting, u.done)
}

// commit writes the batch and answers all that share it.
func (b *batch) commit() {
	err := b.err
	if err == nil && len(b.waiting) > 0 {
		err = b.txn.Commit()
	}
	if err != nil {
		b.store.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		err = b.store.failed
	}
	for _, done := range b.waiting {
		done <- err
	}
}
