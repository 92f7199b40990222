package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tryst-chat/tryst/node/transfer"
)

// maxSameName bounds the numbers that are tried for files of one name.
const maxSameName = 10_000

// downloads is the folder that received files go to. A file grows under a
// hidden name of its own and takes its real name when it is whole, never that
// of a file that exists.
type downloads struct{ dir string }

func (d downloads) partPath(id transfer.ID) string {
	return filepath.Join(d.dir, ".tryst-"+hex.EncodeToString(id[:])+".part")
}

// openPart opens the growing file of a transfer, or begins it.
func (d downloads) openPart(id transfer.ID) (*os.File, error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(d.partPath(id), os.O_RDWR|os.O_CREATE, 0o600)
}

// publish gives a whole file its name and returns its path. The part must be
// synced and closed; it stays, so that the same call after a crash finds the name
// that the file was given, until it is discarded.
func (d downloads) publish(id transfer.ID, name string) (string, error) {
	part, name := d.partPath(id), transfer.SafeName(name)
	for n := 1; n <= maxSameName; n++ {
		path := filepath.Join(d.dir, transfer.Numbered(name, n))
		// A hard link never replaces what is there, which rename would.
		err := os.Link(part, path)
		if errors.Is(err, fs.ErrExist) {
			if sameFile(part, path) {
				return path, nil
			}
			continue
		}
		if err != nil {
			if path, err = reserve(part, path); errors.Is(err, fs.ErrExist) {
				continue
			}
		}
		return path, err
	}
	return "", fmt.Errorf("more than %d files are called %q", maxSameName, name)
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// reserve is for file systems without hard links: it takes the name with an
// empty file first and then moves the whole one over it.
func reserve(part, path string) (string, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return path, os.Rename(part, path)
}

// discard removes what there is of a transfer that will not go on.
func (d downloads) discard(id transfer.ID) {
	os.Remove(d.partPath(id)) // gone already is as good
}
