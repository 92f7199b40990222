package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/session"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

var (
	// ErrNoStore means a folder without a finished store.
	ErrNoStore = errors.New("store: there is none")
	// ErrExists means a folder that has a store already.
	ErrExists = errors.New("store: there is one already")
	// ErrPassword means another password than the store's.
	ErrPassword = errors.New("store: wrong password")
	// ErrInUse means that another process, or another Store, has it open.
	ErrInUse = errors.New("store: in use by another process")
	// ErrClosed is returned by a View or an Update after Close.
	ErrClosed = errors.New("store: closed")
	// ErrTooLarge means an Update that writes more than MaxUpdate bytes.
	ErrTooLarge = errors.New("store: too much for one transaction")
	// ErrReadOnly means a write in a View.
	ErrReadOnly = errors.New("store: write in a View")
	// ErrFailed means that the disk has not taken a transaction. What it holds of it
	// nobody knows, and what is in memory may be ahead of it: nothing more is written
	// until the store is opened again.
	ErrFailed = errors.New("store: the disk failed")
	// ErrNoSpace means that the disk has less than MinFree left. Nothing was written,
	// and nothing is before there is room; then all goes on.
	ErrNoSpace = errors.New("store: the disk is nearly full")
	// ErrDamaged means a row that this version cannot have written.
	ErrDamaged = errors.New("store: damaged row")
)

// dbDir is Badger's folder in the store's.
const dbDir = "db"

// Store is one account's state on one device. Its methods may be called from any
// goroutine.
type Store struct {
	// Immutable.
	dir     string
	key     key.Store
	lock    *os.File
	db      *badger.DB
	updates chan update   // to the committer
	closing chan struct{} // closed by Close
	done    chan struct{} // closed when the committer has ended

	// Free returns what the disk has left for a folder, in bytes. It is called before
	// each transaction; a test may replace it before the first Update.
	Free func(dir string) (bytes uint64, err error)

	failed error // owned by the committer: wraps ErrFailed, from the first failure on

	mu     sync.Mutex
	closed bool           // guarded by mu
	views  sync.WaitGroup // added to under mu while not closed

	// Each guards itself.
	devices  parsed[struct{}, Device]
	sessions parsed[peer.ID, session.Record]
	contacts parsed[record.Account, account.Contact]
}

// Exists tells whether dir has a finished store.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, keyFile))
	return err == nil
}

// Create makes a store in dir, which is made too, readable by its owner only. At
// DefaultCost it spends 0.2 s and 64 MiB on Argon2id. A Create that was interrupted leaves no
// store, and the next one begins anew. It returns ErrExists or ErrInUse.
func Create(dir string, password []byte, c Cost) (_ *Store, err error) {
	if c == (Cost{}) {
		c = DefaultCost()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if Exists(dir) {
		return nil, ErrExists
	}
	// Without a key file, what is there can never be read again.
	if err := os.RemoveAll(filepath.Join(dir, dbDir)); err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	k := key.NewStore()
	wrapped, err := wrapKey(k, password, c)
	if err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	s, err := start(dir, lock, k)
	if err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	if err := writeFile(dir, keyFile, wrapped); err != nil {
		return nil, errors.Join(fmt.Errorf("create store: %w", err), s.Close())
	}
	return s, nil
}

// Open opens the store in dir. It spends 0.2 s and 64 MiB on Argon2id. It
// returns ErrNoStore, ErrInUse or ErrPassword.
func Open(dir string, password []byte) (*Store, error) {
	if !Exists(dir) {
		return nil, ErrNoStore
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s, err := open(dir, lock, password)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

func open(dir string, lock *os.File, password []byte) (*Store, error) {
	wrapped, err := os.ReadFile(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	k, err := unwrapKey(wrapped, password)
	if err != nil {
		return nil, err
	}
	return start(dir, lock, k)
}

// start opens the database and starts the committer. The Store owns lock if
// there is no error.
func start(dir string, lock *os.File, k key.Store) (*Store, error) {
	db, err := badger.Open(badgerOptions(filepath.Join(dir, dbDir), k))
	if err != nil {
		return nil, err
	}
	reclaim(db)
	s := &Store{
		dir:     dir,
		key:     k,
		lock:    lock,
		db:      db,
		Free:    freeSpace,
		updates: make(chan update),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go s.commitLoop()
	return s, nil
}

// reclaim frees what rows above Badger's value threshold (1 MiB; a large group
// is one) have left behind. Badger does so only when told.
func reclaim(db *badger.DB) {
	const worthwhile = 0.5 // of a file is garbage
	for db.RunValueLogGC(worthwhile) == nil {
	}
}

// badgerOptions is one node's small database: every commit is on the disk before
// it is answered, and memory is for what is in use.
func badgerOptions(dir string, k key.Store) badger.Options {
	return badger.DefaultOptions(dir).
		WithLogger(nil).
		WithSyncWrites(true).
		WithEncryptionKey(k.Bytes()).
		// Compressed lengths would tell about the plaintext, and there is little of it.
		WithCompression(options.None).
		// One committer writes: there is nothing to conflict with.
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithMemTableSize(memTableSize).
		WithNumMemtables(2).
		WithNumLevelZeroTables(2).
		WithNumLevelZeroTablesStall(6).
		WithNumCompactors(2).
		WithBlockCacheSize(cacheSize).
		WithIndexCacheSize(cacheSize).
		WithValueLogFileSize(memTableSize)
}

// ChangePassword wraps the store key under another password. The old one stops
// to open the store at once; whoever has copied the folder before can still open
// the copy with it.
func (s *Store) ChangePassword(password []byte) error {
	wrapped, err := wrapKey(s.key, password, DefaultCost())
	if err == nil {
		err = writeFile(s.dir, keyFile, wrapped)
	}
	if err != nil {
		return fmt.Errorf("change store's password: %w", err)
	}
	return nil
}

// Close ends the Views and Updates that have begun and closes the database.
// Later calls return nil.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()

	close(s.closing)
	<-s.done
	s.views.Wait()
	return errors.Join(s.closeDB(), s.lock.Close())
}

// closeDB closes the database. Badger tries for ever to write what is in memory into
// a table: where the disk is full or the folder gone it is given up, so that the
// program can end. Nothing is lost by it: all that was committed is in the log, from
// which the next start takes it.
func (s *Store) closeDB() error {
	if free, err := freeSpace(s.dir); err == nil && free < MinFree {
		return nil // a table is written through mapped memory too; whoever wrote last has been told
	}
	closed := make(chan error, 1)
	go func() { closed <- s.db.Close() }()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-timer.C:
		return fmt.Errorf("store: close: %s cannot be written to", s.dir)
	}
}
