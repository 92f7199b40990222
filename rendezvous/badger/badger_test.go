package badger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
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

func fill(t testing.TB, s *Store, what string, n int) {
	t.Helper()
	err := s.Update(func(w directory.Writer) error {
		for i := range n {
			if err := w.Set(fmt.Appendf(nil, "%s-%d", what, i), []byte(what)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func folders(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, generationPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB) directory.Store { return open(t, t.TempDir()) })
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, "a", 10)
	want := storetest.Dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := storetest.Dump(t, open(t, dir)); !storetest.Same(got, want) {
		t.Errorf("%d keys after reopening, want %d", len(got), len(want))
	}
}

func TestRestore(t *testing.T) {
	source := open(t, t.TempDir())
	fill(t, source, "new", 2000)
	want := storetest.Dump(t, source)
	var backup bytes.Buffer
	if err := source.Backup(&backup); err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, "old", 10)
	if err := s.Restore(bytes.NewReader(backup.Bytes())); err != nil {
		t.Fatal(err)
	}
	if got := storetest.Dump(t, s); !storetest.Same(got, want) {
		t.Errorf("%d keys after a restore, want %d", len(got), len(want))
	}
	if n := folders(t, dir); n != 1 {
		t.Errorf("%d generations left after a restore", n)
	}
	fill(t, s, "later", 1)
	want = storetest.Dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := storetest.Dump(t, open(t, dir)); !storetest.Same(got, want) {
		t.Errorf("%d keys after a restore and reopening, want %d", len(got), len(want))
	}
}

// A restore that fails at any point leaves the old contents, and nothing else.
func TestRestoreCutShort(t *testing.T) {
	source := open(t, t.TempDir())
	fill(t, source, "new", 2000)
	var backup bytes.Buffer
	if err := source.Backup(&backup); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := open(t, dir)
	fill(t, s, "old", 10)
	want := storetest.Dump(t, s)

	broken := errors.New("the connection is gone")
	half := io.LimitReader(bytes.NewReader(backup.Bytes()), int64(backup.Len()/2))
	if err := s.Restore(io.MultiReader(half, iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("Restore: %v, want %v", err, broken)
	}
	if got := storetest.Dump(t, s); !storetest.Same(got, want) {
		t.Error("contents changed")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if got := storetest.Dump(t, s); !storetest.Same(got, want) {
		t.Error("contents changed after reopening")
	}
	if n := folders(t, dir); n != 1 {
		t.Errorf("%d generations after reopening", n)
	}
}

func TestClosed(t *testing.T) {
	s := open(t, t.TempDir())
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"View":    s.View(func(directory.Reader) error { return nil }),
		"Update":  s.Update(func(directory.Writer) error { return nil }),
		"Backup":  s.Backup(io.Discard),
		"Restore": s.Restore(bytes.NewReader(nil)),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}

// A store whose folder cannot be written to any more, as on a full disk, ends all
// the same.
func TestCloseGivesUp(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, "a", 10)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s.patience = 10 * time.Millisecond
	if err := s.Close(); err == nil {
		t.Error("it wrote into a folder that is gone")
	}
}

func TestOpenRefusesStrangeFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, currentFile), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("Open guessed which generation counts")
	}
}
