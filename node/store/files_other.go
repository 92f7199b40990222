//go:build !unix

package store

import (
	"os"
	"path/filepath"
)

// lockDir leaves it to Badger, which locks its own folder, to keep others out.
func lockDir(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
}

// syncDir does nothing: folders cannot be synced here.
func syncDir(string) error { return nil }
