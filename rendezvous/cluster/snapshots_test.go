package cluster

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/tryst-chat/tryst/rendezvous/badger"
	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
)

// shelf is a snapshot store on a state of its own, without Raft.
type shelf struct {
	*snapshots
	store *badger.Store
}

func newShelf(t *testing.T) shelf {
	t.Helper()
	store, err := badger.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	d, err := directory.New(store)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSnapshots(store, d, filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	return shelf{s, store}
}

var us = raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "a"}, {ID: "b", Address: "b"}}}

func (s shelf) fill(t *testing.T) {
	t.Helper()
	_, err := s.directory.Apply([]directory.Entry{
		{Index: 1, Term: 1, Configuration: raft.EncodeConfiguration(us)},
		{Index: 2, Term: 3, Command: directorytest.NewPerson("alice1").SignUp()},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s shelf) spooled(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(s.spool)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestSnapshotOfNothing(t *testing.T) {
	s := newShelf(t)
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("List: %v, %v", list, err)
	}
	if _, _, err := s.Open(current); err == nil {
		t.Error("Open of nothing")
	}
	if _, _, err := s.Open("unknown"); err == nil {
		t.Error("Open of an unknown snapshot")
	}
}

// One of our own is a position, which stays where it is when the log goes on.
func TestOwnSnapshot(t *testing.T) {
	s := newShelf(t)
	s.fill(t)
	for _, c := range []struct{ index, want uint64 }{{9, 9}, {5, 9}} {
		sink, err := s.Create(raft.SnapshotVersionMax, c.index, 3, us, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := sink.Close(); err != nil {
			t.Fatal(err)
		}
		list, err := s.List()
		if err != nil || len(list) != 1 || list[0].Index != c.want || list[0].Term != 3 ||
			list[0].ConfigurationIndex != 1 || len(list[0].Configuration.Servers) != 2 {
			t.Errorf("after one at %d: %+v, %v", c.index, list, err)
		}
	}
	if n := s.spooled(t); n != 0 {
		t.Errorf("%d files for snapshots that are none", n)
	}
}

// What one server sends and another receives is the state, and no file stays.
func TestSnapshotTravels(t *testing.T) {
	from, to := newShelf(t), newShelf(t)
	from.fill(t)
	meta, contents, err := from.Open(current)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := io.ReadAll(contents)
	if err != nil || int64(len(sent)) != meta.Size || meta.Index != 2 {
		t.Fatalf("%d bytes announced, %d sent, index %d, %v", meta.Size, len(sent), meta.Index, err)
	}
	contents.Close()

	sink, err := to.Create(meta.Version, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(sink, bytes.NewReader(sent)); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	got, received, err := to.Open(sink.ID())
	if err != nil || got.Index != meta.Index || got.Size != meta.Size {
		t.Fatalf("received %+v, %v", got, err)
	}
	m := machine{
		space: func() error { return nil },
		store: to.store, directory: to.directory, applied: newWatermark(0),
		onApply: func([]directory.Event) {}, onMembers: func() {}, fail: func(err error) { t.Error(err) },
	}
	if err := m.Restore(received); err != nil {
		t.Fatal(err)
	}
	if !storetest.Same(storetest.Dump(t, from.store), storetest.Dump(t, to.store)) || to.directory.AppliedIndex() != 2 {
		t.Error("the states differ")
	}
	if n := from.spooled(t) + to.spooled(t); n != 0 {
		t.Errorf("%d files left", n)
	}
}

func TestSnapshotCutShort(t *testing.T) {
	s := newShelf(t)
	s.fill(t)
	sink, err := s.Create(raft.SnapshotVersionMax, 9, 3, us, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Write([]byte("half of it")); err != nil {
		t.Fatal(err)
	}
	if err := sink.Cancel(); err != nil {
		t.Fatal(err)
	}
	if n := s.spooled(t); n != 0 {
		t.Errorf("%d files after Cancel", n)
	}
	if got := s.directory.AppliedIndex(); got != 2 {
		t.Errorf("applied index %d after a snapshot at 9 was cancelled", got)
	}
	// A crash cancels nothing; the next start does.
	if _, err := s.newFile(); err != nil {
		t.Fatal(err)
	}
	again, err := newSnapshots(s.store, s.directory, s.spool)
	if err != nil {
		t.Fatal(err)
	}
	if n := (shelf{again, s.store}).spooled(t); n != 0 {
		t.Errorf("%d files after a restart", n)
	}
}
