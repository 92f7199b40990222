package badger

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// Whatever byte of a table is damaged, the store does not open, and the process goes on.
func TestDamagedTable(t *testing.T) {
	dir := t.TempDir()
	logger := slog.New(slog.DiscardHandler)
	s, err := Open(dir, logger)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(func(w directory.Writer) error {
		for i := range 100 {
			if err := w.Set(fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte{byte(i)}, 50)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "generation-1", "*.sst"))
	if err != nil || len(tables) != 1 {
		t.Fatalf("tables %v, %v", tables, err)
	}
	sound, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(sound); at += 1 + len(sound)/200 {
		damaged := bytes.Clone(sound)
		damaged[at] ^= 0x40
		if err := os.WriteFile(tables[0], damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(dir, logger); err == nil {
			t.Errorf("byte %d of %d is damaged, and the store opens", at, len(sound))
			s.Close()
		}
		if _, err := os.Stat(tables[0]); err != nil {
			t.Fatalf("byte %d: the table is gone: %v", at, err)
		}
	}
	if err := os.WriteFile(tables[0], sound, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, logger); err != nil {
		t.Fatalf("undamaged: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
