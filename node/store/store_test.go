package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

var password = []byte("correct horse")

var cheap = LeastCost()

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Create(t.TempDir(), password, cheap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustUpdate(t testing.TB, s *Store, f func(*Tx)) {
	t.Helper()
	if err := s.Update(func(tx *Tx) error { f(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

func mustView(t testing.TB, s *Store, f func(*Tx)) {
	t.Helper()
	if err := s.View(func(tx *Tx) error { f(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "alice42")
	if Exists(dir) {
		t.Fatal("exists before it was made")
	}
	if _, err := Open(dir, password); !errors.Is(err, ErrNoStore) {
		t.Fatalf("Open without a store: %v", err)
	}
	s, err := Create(dir, password, cheap)
	if err != nil {
		t.Fatal(err)
	}
	if !Exists(dir) {
		t.Fatal("does not exist once made")
	}
	want := Device{Key: key.NewDevice(), DH: key.NewDH(), Account: "alice42", Enrolled: true}
	mustUpdate(t, s, func(tx *Tx) { tx.PutDevice(want) })

	if _, err := Open(dir, password); !errors.Is(err, ErrInUse) {
		t.Errorf("Open while open: %v", err)
	}
	if _, err := Create(dir, password, cheap); !errors.Is(err, ErrInUse) {
		t.Errorf("Create while open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Update after Close: %v", err)
	}
	if _, err := Create(dir, password, cheap); !errors.Is(err, ErrExists) {
		t.Errorf("Create over a store: %v", err)
	}
	if _, err := Open(dir, []byte("wrong")); !errors.Is(err, ErrPassword) {
		t.Errorf("Open with a wrong password: %v", err)
	}

	s, err = Open(dir, password)
	if err != nil {
		t.Fatal(err)
	}
	mustView(t, s, func(tx *Tx) {
		got, ok := tx.Device()
		if !ok || !got.Key.Equal(want.Key) || !got.DH.Equal(want.DH) || got.Account != want.Account || !got.Enrolled {
			t.Error("the device came back different")
		}
	})
	if err := s.ChangePassword([]byte("another")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, password); !errors.Is(err, ErrPassword) {
		t.Errorf("Open with the old password: %v", err)
	}
	s, err = Open(dir, []byte("another"))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// An interrupted Create has no key file. It must leave no store, and the next
// one must not stumble over what is there.
func TestCreateAfterInterruption(t *testing.T) {
	dir := t.TempDir()
	s, err := Create(dir, password, cheap)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.Remove(filepath.Join(dir, keyFile)); err != nil {
		t.Fatal(err)
	}
	if Exists(dir) {
		t.Fatal("a store without its key exists")
	}
	s, err = Create(dir, password, cheap)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestNothingInTheClear(t *testing.T) {
	dir := t.TempDir()
	s, err := Create(dir, password, cheap)
	if err != nil {
		t.Fatal(err)
	}
	const text, conversation, large = "MARKERTEXT", "markername42", "MARKERLARGE!"
	mustUpdate(t, s, func(tx *Tx) {
		tx.Append(Message{Conversation: conversation, From: conversation, Text: text})
		tx.PutMeta("large", bytes.Repeat([]byte(large), 100_000)) // would go to a value log
	})
	search := func() {
		t.Helper()
		for path, content := range files(t, dir) {
			for _, marker := range []string{text, conversation, large, string(password)} {
				if bytes.Contains(content, []byte(marker)) {
					t.Errorf("%s holds %q", path, marker)
				}
			}
		}
	}
	search() // the write-ahead log
	s.Close()
	search() // the tables
	if len(files(t, dir)) < 5 {
		t.Error("found too few files to have searched the database")
	}
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found[path] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestKeyFile(t *testing.T) {
	want := key.NewStore()
	b, err := wrapKey(want, password, cheap)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unwrapKey(b, password)
	if err != nil || !got.Equal(want) {
		t.Fatalf("the store key comes back different: %v", err)
	}
	for i := range b {
		if i >= keyHeaderSize-saltSize && i%12 != 0 {
			continue // each costs an Argon2id
		}
		flipped := bytes.Clone(b)
		flipped[i] ^= 1
		if _, err := unwrapKey(flipped, password); err == nil {
			t.Errorf("byte %d flipped and it opened", i)
		}
	}
	for n := range len(b) {
		if _, err := unwrapKey(b[:n], password); !errors.Is(err, errKeyFile) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for _, c := range []Cost{
		{memory: 0, passes: 3, lanes: 4},
		{memory: 1 << 10, passes: 3, lanes: 4},
		{memory: 1<<32 - 1, passes: 3, lanes: 4},
		{memory: 64 << 10, passes: 1, lanes: 4},
		{memory: 64 << 10, passes: 1 << 31, lanes: 4},
		{memory: 64 << 10, passes: 3, lanes: 0},
		{memory: 64 << 10, passes: 3, lanes: 255},
	} {
		if err := c.check(); !errors.Is(err, errKeyFile) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := DefaultCost().check(); err != nil {
		t.Error(err)
	}
}

// Close waits for those who read.
func TestViewAfterClose(t *testing.T) {
	s, err := Create(t.TempDir(), password, cheap)
	if err != nil {
		t.Fatal(err)
	}
	reading, closed := make(chan struct{}), make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.View(func(tx *Tx) error {
			close(reading)
			for s.beginView() { // until Close has begun
				s.views.Done()
				runtime.Gosched()
			}
			tx.Device()
			return nil
		})
		if err != nil {
			t.Errorf("a View during Close: %v", err)
		}
		if len(closed) != 0 {
			t.Error("Close did not wait")
		}
	})
	<-reading
	closed <- s.Close()
	wg.Wait()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := s.View(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("View after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// Whatever a row holds, reading it gives an error and not a panic.
func TestDamagedRows(t *testing.T) {
	s := newStore(t)
	id := wire.NewMessageID()
	group := record.GroupID{1}
	reads := map[string]func(*Tx){
		"device":      func(tx *Tx) { tx.Device() },
		"keys":        func(tx *Tx) { tx.Keys() },
		"signed":      func(tx *Tx) { tx.SignedPrekey(1) },
		"last resort": func(tx *Tx) { tx.LastResort(1) },
		"one-time":    func(tx *Tx) { tx.OneTime(1) },
		"contact":     func(tx *Tx) { tx.Contact("bob7") },
		"contacts":    func(tx *Tx) { tx.Contacts() },
		"session":     func(tx *Tx) { tx.Session("d") },
		"entries":     func(tx *Tx) { tx.Entries("d", 0) },
		"progress":    func(tx *Tx) { tx.Progress(id) },
		"load":        func(tx *Tx) { tx.Load("d") },
		"history":     func(tx *Tx) { tx.History("bob7", 0) },
		"order":       func(tx *Tx) { tx.nextOrder() },
		"log":         func(tx *Tx) { tx.LogGroup(group, Logged{}, now) },
		"logged":      func(tx *Tx) { tx.Logged(group, 1) },
		"log's place": func(tx *Tx) { tx.LoggedAt(group, [16]byte{1}, 1) },
		"log's chain": func(tx *Tx) { tx.LoggedFrom(group, [16]byte{1}, 0, 9) },
		"old logs":    func(tx *Tx) { tx.PruneLogs(now) },
		"groups":      func(tx *Tx) { tx.Groups() },
		"transfers":   func(tx *Tx) { tx.Transfers() },
		"seen":        func(tx *Tx) { tx.PruneSeen(now) },
		"ids":         func(tx *Tx) { tx.OneTimeIDs() },
	}
	garbage := []byte{0x0a, 0xff, 1, 2, 3}
	mustUpdate(t, s, func(tx *Tx) {
		for _, k := range [][]byte{
			{rowDevice}, {rowKeys}, oneTimeKey(1), contactKey("bob7"), deviceKey(rowSession, "d"),
			seqKey(rowEntry, "d", 1), messageKey(rowProgress, id, "d"), deviceKey(rowLoad, "d"),
			append(conversationKey("bob7"), 0, 0, 0, 0, 0, 0, 0, 1), {rowOrder}, messageKey(rowSeen, id, "d"),
			logKey(group, 1), placeKey(group, [16]byte{1}, 1), logSizeKey(group), {rowGroup, 1}, {rowTransfer, 1}, {rowOneTime, 1},
		} {
			tx.put(k, garbage)
		}
	})
	for name, read := range reads {
		err := s.Update(func(tx *Tx) error { read(tx); return nil })
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
