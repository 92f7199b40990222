package badger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// What is backed up is the contents at one moment, though transactions go on: a
// position that is newer than the rest would have a server skip what it lacks.
func TestBackupIsOfOneMoment(t *testing.T) {
	dir := t.TempDir()
	// Without syncs there are many transactions while a backup begins.
	db, err := badger.Open(settings(dir, slog.New(slog.DiscardHandler)).WithSyncWrites(false))
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{dir: dir, logger: slog.New(slog.DiscardHandler), patience: closeTimeout, db: db}
	t.Cleanup(func() { s.Close() })
	// As much as fills several tables, which Badger would read side by side.
	const places, size = 240, 100 << 10
	for i := range places {
		err := s.Update(func(w directory.Writer) error {
			return w.Set(fmt.Appendf(nil, "%04d", i), bytes.Repeat([]byte{byte(i)}, size))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// One number at the ends and in the middle, in one transaction.
	marks := []int{0, places / 4, places / 2, places - 1}
	write := func(n uint64) error {
		return s.Update(func(w directory.Writer) error {
			for _, i := range marks {
				if err := w.Set(mark(i), binary.BigEndian.AppendUint64(nil, n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	over, written := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := uint64(1); ; n++ {
			select {
			case <-over:
				written <- nil
				return
			default:
			}
			if err := write(n); err != nil {
				written <- err
				return
			}
			runtime.Gosched()
		}
	}()
	for range 15 {
		var backup bytes.Buffer
		if err := s.Backup(&backup); err != nil {
			t.Fatal(err)
		}
		if found := restored(t, &backup, marks); len(found) != 1 {
			t.Errorf("the backup is of %d moments: %v", len(found), found)
		}
	}
	close(over)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

func mark(i int) []byte { return fmt.Appendf(nil, "%04d mark", i) }

// restored counts the places at which each number stands in a backup.
func restored(t *testing.T, backup io.Reader, marks []int) map[uint64]int {
	t.Helper()
	db, err := badger.Open(badger.DefaultOptions("").WithInMemory(true).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Load(backup, restoreWrites); err != nil {
		t.Fatal(err)
	}
	found := make(map[uint64]int)
	err = db.View(func(txn *badger.Txn) error {
		for _, i := range marks {
			value, err := transaction{txn}.Get(mark(i))
			if err != nil {
				return err
			}
			found[binary.BigEndian.Uint64(value)]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
