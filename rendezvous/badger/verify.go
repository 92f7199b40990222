package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"
)

// verify reads every table of a database that is not open, and returns an error for one
// that is damaged. Badger itself ends the process over some damage when it opens a
// table, and over some it leaves the table out and goes on without its contents, which
// to a directory is the worst of all: it would answer, and differ from the others.
func verify(dir string) error {
	manifest, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a new one
	}
	if err != nil {
		return err
	}
	defer manifest.Close()
	held, _, err := badger.ReplayManifestFile(manifest, 0, badger.DefaultOptions(dir))
	if err != nil {
		return err
	}
	for id := range held.Tables { // what else lies there is a leftover, and no matter
		if err := verifyTable(table.NewFilename(id, dir)); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(table.NewFilename(id, dir)), err)
		}
	}
	return nil
}

func verifyTable(name string) (err error) {
	file, err := z.OpenMmapFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() {
		if recover() != nil { // which it does over lengths that make no sense
			err = errors.Join(errors.New("its index makes no sense"), file.Close(-1))
		}
	}()
	// It closes the file if it fails.
	if _, err := table.OpenTable(file, table.Options{ChkMode: options.OnTableRead, Compression: options.None}); err != nil {
		return err
	}
	return file.Close(-1) // and not the table, which would be removed with its last user
}
