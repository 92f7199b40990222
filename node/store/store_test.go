package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tryst-chat/tryst/node/key"
)

var password = []byte("correct horse")

// cheap is the least cost that a key file may have, for tests that make many
// stores.
var cheap = cost{memory: 19 << 10, passes: 2, lanes: 1}

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := create(t.TempDir(), password, cheap)
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
	s, err := Create(dir, password)
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
	if _, err := Create(dir, password); !errors.Is(err, ErrInUse) {
		t.Errorf("Create while open: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Update after Close: %v", err)
	}
	if _, err := Create(dir, password); !errors.Is(err, ErrExists) {
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
	s, err := create(dir, password, cheap)
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
	s, err = create(dir, password, cheap)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestNothingInTheClear(t *testing.T) {
	dir := t.TempDir()
	s, err := create(dir, password, cheap)
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
