// Package badger keeps the directory's state in a Badger database: it is the
// directory.Store of a real server.
//
// It is not the replicated log, which is a file of its own, and not the store of
// a node. Package cluster opens it, sends its contents to servers that are too
// far behind, and replaces its contents by another server's.
package badger

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

const (
	// memTableSize keeps several servers on one machine small. A transaction
	// may take 15 percent of it, 1.2 MB: above directory.MaxTransaction.
	memTableSize = 8 << 20
	// memTables is one that is written and one that is flushed.
	memTables = 2
	// compactors is the least that Badger runs with.
	compactors = 2
	// valueLogFile bounds the value log's file, which Badger makes and maps
	// though it stays empty: see settings.
	valueLogFile = 4 << 20
	// restoreWrites is how many batches a restore has under way.
	restoreWrites = 16
	// closeTimeout is how long closing may take: well above writing memTables
	// to a slow disk.
	closeTimeout = 15 * time.Second
)

// Store is a directory.Store in a folder. It may be used by several goroutines.
type Store struct {
	dir      string        // immutable
	logger   *slog.Logger  // immutable
	patience time.Duration // immutable: closeTimeout, less in a test

	mu         sync.RWMutex // read-locked for a transaction, locked for a swap
	generation generation   // guarded by mu: the folder within dir that db is in
	db         *badger.DB   // guarded by mu; nil once closed
}

var _ directory.Store = (*Store)(nil)

// ErrClosed is returned by every use of a Store after Close.
var ErrClosed = errors.New("badger: store is closed")

// Open opens the store in a folder, which it makes if it is not there.
func Open(dir string, logger *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("badger: open: %w", err)
	}
	current, err := currentGeneration(dir)
	if err != nil {
		return nil, fmt.Errorf("badger: open: %w", err)
	}
	db, err := openGeneration(dir, current, logger)
	if err != nil {
		return nil, err
	}
	return &Store{dir: dir, logger: logger, patience: closeTimeout, generation: current, db: db}, nil
}

func openGeneration(dir string, g generation, logger *slog.Logger) (*badger.DB, error) {
	if err := verify(g.path(dir)); err != nil {
		return nil, fmt.Errorf("badger: open %s: %w", g, err)
	}
	db, err := badger.Open(settings(g.path(dir), logger))
	if err != nil {
		return nil, fmt.Errorf("badger: open %s: %w", g, err)
	}
	return db, nil
}

func settings(dir string, logger *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithLogger(quiet{logger}).
		// What is applied is on disk when it is acknowledged. The log could be
		// replayed instead, but only for as long as nothing has compacted it.
		WithSyncWrites(true).
		// Transactions never overlap: directory.Store says so.
		WithDetectConflicts(false).
		WithMemTableSize(memTableSize).
		WithNumMemtables(memTables).
		WithNumCompactors(compactors).
		WithMetricsEnabled(false).
		// Keys and signatures do not compress, and blocks that are neither
		// compressed nor encrypted are read from the page cache.
		WithCompression(options.None).
		WithBlockCacheSize(0).
		// What lies on the disk may be damaged while it is open. Without this, damage
		// would be read as data: see verify.
		WithChecksumVerificationMode(options.OnBlockRead).
		// No value comes near the default threshold of 1 MiB, so that all stay
		// in the tree and the value log never needs collecting.
		WithValueLogFileSize(valueLogFile)
}

// View implements directory.Store.
func (s *Store) View(f func(directory.Reader) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return ErrClosed
	}
	return s.db.View(func(txn *badger.Txn) error { return f(transaction{txn}) })
}

// Update implements directory.Store.
func (s *Store) Update(f func(directory.Writer) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return ErrClosed
	}
	err := s.db.Update(func(txn *badger.Txn) error { return f(transaction{txn}) })
	return translate(err)
}

// Backup writes the whole contents as they are at some moment of the call.
// Transactions go on meanwhile.
func (s *Store) Backup(w io.Writer) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return ErrClosed
	}
	stream := s.db.NewStream()
	// Each goroutine that reads begins a transaction of its own: with several, parts of
	// the contents are newer than others, and where the position is, whoever restores
	// them skips the log's entries that the other parts lack.
	stream.NumGo = 1
	if _, err := stream.Backup(w, 0); err != nil {
		return fmt.Errorf("badger: backup: %w", err)
	}
	return nil
}

// Restore replaces the contents by what Backup wrote. It loads into a new
// folder and then swaps, so that a restore that is cut short leaves the old
// contents; emptying the database and loading in place would leave neither.
func (s *Store) Restore(r io.Reader) error {
	s.mu.RLock()
	next := s.generation + 1
	s.mu.RUnlock()
	db, err := s.loadGeneration(next, r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return errors.Join(ErrClosed, db.Close())
	}
	if err := setCurrentGeneration(s.dir, next); err != nil {
		return errors.Join(fmt.Errorf("badger: restore: %w", err), db.Close())
	}
	old := s.db
	s.db, s.generation = db, next
	if err := old.Close(); err != nil {
		s.logger.Warn("closing the replaced store failed", "error", err)
	}
	if err := removeOthers(s.dir, next); err != nil {
		s.logger.Warn("removing the replaced store failed", "error", err)
	}
	return nil
}

func (s *Store) loadGeneration(g generation, r io.Reader) (*badger.DB, error) {
	// What a restore that was cut short left there is worth nothing.
	if err := os.RemoveAll(g.path(s.dir)); err != nil {
		return nil, fmt.Errorf("badger: restore: %w", err)
	}
	db, err := openGeneration(s.dir, g, s.logger)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(db.Load(r, restoreWrites), db.Sync()); err != nil {
		return nil, errors.Join(fmt.Errorf("badger: restore: %w", err), db.Close())
	}
	return db, nil
}

// Abandon leaves the store as it lies on the disk, for when there is no room to close
// it: closing writes a table through mapped memory, and a disk that is full when a page
// is touched ends the process. Nothing is lost by it, as for Close. Goroutines and the
// lock of the folder stay until the process ends.
func (s *Store) Abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db = nil
}

// Close ends the store's goroutines and closes its files. It waits for the
// transactions under way. Badger tries for ever to write what is in memory into
// a table: where the disk is full or the folder gone, Close gives up, so that
// the server can end. Nothing is lost by it, since all that was committed is on
// disk already and is written into a table at the next start.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case err := <-closed:
		if err != nil {
			return fmt.Errorf("badger: close: %w", err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("badger: close: %s cannot be written to", s.dir)
	}
}
