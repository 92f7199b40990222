package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// generation numbers the databases that have stood in a store's folder. Each
// restore makes the next; the file "current" names the one that counts, and
// renaming that file is the moment of the swap.
type generation uint64

const (
	currentFile      = "current"
	generationPrefix = "generation-"
)

func (g generation) String() string            { return fmt.Sprintf("%s%d", generationPrefix, uint64(g)) }
func (g generation) path(folder string) string { return filepath.Join(folder, g.String()) }

// currentGeneration reads which database counts, and removes all others, which
// are left over from restores that were cut short. A new folder gets its first.
func currentGeneration(folder string) (generation, error) {
	raw, err := os.ReadFile(filepath.Join(folder, currentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 1, setCurrentGeneration(folder, 1)
	}
	if err != nil {
		return 0, err
	}
	var g generation
	if _, err := fmt.Sscanf(string(raw), generationPrefix+"%d\n", &g); err != nil {
		return 0, fmt.Errorf("file %q: %w", currentFile, err)
	}
	return g, removeOthers(folder, g)
}

// setCurrentGeneration is atomic and on disk when it returns.
func setCurrentGeneration(folder string, g generation) error {
	file := filepath.Join(folder, currentFile)
	if err := writeSynced(file+".new", g.String()+"\n"); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeSynced(file, contents string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(contents)
	return errors.Join(err, f.Sync(), f.Close())
}

func removeOthers(folder string, keep generation) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), generationPrefix) && e.Name() != keep.String() {
			if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
