package badger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"google.golang.org/protobuf/proto"

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
	const rounds, each = 20, 300 // backups, and transactions while one begins
	var last uint64
	for range rounds {
		written := make(chan error, 1)
		begun := make(chan struct{})
		go func() {
			for n := range uint64(each) {
				if err := write(last + n); err != nil {
					written <- err
					return
				}
				if n == 0 {
					close(begun)
				}
			}
			written <- nil
		}()
		select {
		case <-begun:
		case err := <-written:
			t.Fatal(err)
		}
		var backup bytes.Buffer
		if err := errors.Join(s.Backup(&backup), <-written); err != nil {
			t.Fatal(err)
		}
		last += each
		if found := numbers(t, &backup); len(found) != 1 {
			t.Errorf("the backup is of %d moments: %v", len(found), found)
		}
	}
}

const suffix = " mark"

func mark(i int) []byte { return fmt.Appendf(nil, "%04d"+suffix, i) }

// numbers counts the places at which each number stands in a backup, which is lists of
// versions, each behind its length.
func numbers(t *testing.T, backup *bytes.Buffer) map[uint64]int {
	t.Helper()
	newest := make(map[string]*pb.KV)
	for backup.Len() > 0 {
		list := &pb.KVList{}
		length := binary.LittleEndian.Uint64(backup.Next(8))
		if err := proto.Unmarshal(backup.Next(int(length)), list); err != nil {
			t.Fatal(err)
		}
		for _, kv := range list.GetKv() {
			known := newest[string(kv.GetKey())]
			if bytes.HasSuffix(kv.GetKey(), []byte(suffix)) && (known == nil || known.GetVersion() < kv.GetVersion()) {
				newest[string(kv.GetKey())] = kv
			}
		}
	}
	found := make(map[uint64]int)
	for _, kv := range newest {
		found[binary.BigEndian.Uint64(kv.GetValue())]++
	}
	return found
}
