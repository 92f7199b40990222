package directory

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
)

// A backup is all that the store holds, as keys and values. What is not in it: the
// servers' keys, and what passwords are checked with.

// Summary says what a directory holds, at one moment.
type Summary struct {
	Position
	Size
}

// Dump calls begin and then row for every key, in order, all of one moment. It may
// take as long as it must: others go on meanwhile. Their slices may be kept.
func (d *Directory) Dump(begin func(Summary) error, row func(key, value []byte) error) error {
	return d.store.View(func(r Reader) error {
		var s Summary
		var err error
		if s.Position, err = loadPosition(r); err != nil {
			return err
		}
		if s.Size, err = sizeOf(r); err != nil {
			return err
		}
		if err := begin(s); err != nil {
			return err
		}
		return r.Scan(nil, nil, func(key, value []byte) (bool, error) {
			return true, row(key, value)
		})
	})
}

// restoredAhead is how far a restored directory's indexes lie ahead of the backup's.
// Nodes have seen the indexes of what is lost, and wait for a server that has reached
// them; no directory comes so far in the time between two backups (it would take
// three years at ten thousand commands a second).
const restoredAhead = 1 << 40

// restoreBatch bounds what one transaction of a restore writes, in bytes.
const restoreBatch = MaxTransaction / 2

// Restore fills an empty store with the rows of a backup, until next returns no key.
// The position is one of the new cluster: at the returned index, with the
// configuration given. The epoch (random) tells the servers of the restored
// directory from those that go on with the old one.
//
// One-time prekeys are left out: some were taken after the backup, and a prekey must
// not be given twice. Devices see that they have none and publish others.
func Restore(store Store, configuration, epoch []byte, next func() (key, value []byte, err error)) (index uint64, err error) {
	if err := store.View(mustBeEmpty); err != nil {
		return 0, err
	}
	var position Position
	for more := true; more; {
		err := store.Update(func(w Writer) error {
			for size := 0; more && size < restoreBatch; {
				key, value, err := next()
				if err != nil {
					return err
				}
				if more = key != nil; !more {
					return nil
				}
				size += len(key) + len(value)
				if err := restoreRow(w, key, value, &position); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("directory: restore: %w", err)
		}
	}
	if position.Index == 0 {
		return 0, errors.New("directory: restore: the backup is of an empty directory")
	}
	index = position.Index + restoredAhead
	err = store.Update(func(w Writer) error {
		// The log begins anew, and so do its terms; the first election's is 1.
		return errors.Join(w.Set(keyEpoch, epoch), savePosition(w, Position{
			Index: index, Term: 1, Changed: index, ConfigurationIndex: index, Configuration: configuration,
		}))
	})
	return index, err
}

func mustBeEmpty(r Reader) error {
	return r.Scan(nil, nil, func([]byte, []byte) (bool, error) {
		return false, errors.New("directory: restore: the store is not empty")
	})
}

func restoreRow(w Writer, key, value []byte, position *Position) error {
	switch {
	case bytes.Equal(key, keyPosition):
		var p pb.Position
		if err := parse(key, value, &p); err != nil {
			return err
		}
		position.Index = p.GetIndex()
		return nil // written in the end: until then the store is of no use
	case accountField(key) == 'o':
		return nil
	case accountField(key) == 's':
		stock := &pb.Stock{}
		if err := parse(key, value, stock); err != nil {
			return err
		}
		stock.Left = 0 // the highest ID stays: those below it are never used again
		return save(w, key, stock)
	default:
		return w.Set(key, value)
	}
}

// accountField returns the field of an account's key, 0 for all others.
func accountField(key []byte) byte {
	if len(key) == 0 || key[0] != 'a' {
		return 0
	}
	_, rest, ok := bytes.Cut(key, []byte{0})
	if !ok || len(rest) == 0 {
		return 0
	}
	return rest[0]
}

// keyEpoch holds the epoch of a directory that was restored from a backup.
var keyEpoch = []byte("y")

// Epoch returns what tells this directory from the one that it was restored from;
// nothing if it never was.
func (d *Directory) Epoch() (epoch []byte, err error) {
	err = d.store.View(func(r Reader) error {
		epoch, err = r.Get(keyEpoch)
		if errors.Is(err, ErrMissing) {
			return nil
		}
		return err
	})
	return epoch, err
}
