package directory

import "errors"

// Errors that a Store promises.
var (
	// ErrMissing is returned by Get for a key that is not there.
	ErrMissing = errors.New("directory: no such key")
	// ErrTooBig is returned by Update, or from within it, for a transaction
	// that is larger than the store can commit at once. One that writes and
	// deletes no more than MaxTransaction bytes always fits.
	ErrTooBig = errors.New("directory: transaction is too big")
)

// MaxTransaction is what a Store must at least commit at once, keys and values
// together: one command writes at most itself, indexes and a chain's state, or
// removes a full queue of mail.
const MaxTransaction = 3 * MaxCommand

// Store is an ordered map of byte strings with transactions. What Update
// committed is on disk when it returns. Package storetest is the contract as
// a test suite.
type Store interface {
	// View runs f on a snapshot that no Update changes.
	View(f func(Reader) error) error
	// Update runs f and commits all that it wrote, or nothing if f or the
	// commit fails; the error is then f's or the store's. Updates do not run
	// at the same time: the directory sees to that.
	Update(f func(Writer) error) error
}

// Reader reads within one transaction and is of no use after it. Slices that
// it returns belong to the caller.
type Reader interface {
	// Get returns a key's value, or ErrMissing.
	Get(key []byte) ([]byte, error)
	// Scan calls visit for the keys that begin with prefix and are not below
	// from, in byte order, until visit returns false or an error, which Scan
	// returns. From may be nil. Within an Update, one scan runs at a time.
	Scan(prefix, from []byte, visit func(key, value []byte) (bool, error)) error
}

// Writer writes within one transaction, and reads what it has written.
type Writer interface {
	Reader
	// Set writes a key of 1 to 1,000 bytes; it keeps neither slice.
	Set(key, value []byte) error
	// Delete removes a key; one that is not there is no error.
	Delete(key []byte) error
}
