package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/tryst-chat/tryst/rendezvous/badger"
	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// epochSize is the length of a restored directory's epoch, in bytes.
const epochSize = 16

// ErrState is returned by Restore where there is a state already.
var ErrState = errors.New("cluster: there is a state already")

// Restore makes the state of a cluster whose only server is this one, from the rows of
// a backup, until next returns no key. The folder is as that of Config, and appears
// only once all is there. Where it is already, Restore returns ErrState and changes
// nothing. The index is what the cluster begins from.
func Restore(dir string, self Server, logger *slog.Logger, next func() (key, value []byte, err error)) (index uint64, err error) {
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		return 0, errors.Join(ErrState, err)
	}
	half := dir + ".restoring"
	if err := os.RemoveAll(half); err != nil { // of a restore that was cut short
		return 0, fmt.Errorf("cluster: restore: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(half))
		}
	}()
	if err := os.MkdirAll(half, 0o700); err != nil {
		return 0, fmt.Errorf("cluster: restore: %w", err)
	}
	store, err := badger.Open(filepath.Join(half, stateFolder), logger)
	if err != nil {
		return 0, err
	}
	alone := raft.Configuration{Servers: []raft.Server{{ID: serverID(self.ID), Address: self.address()}}}
	epoch := make([]byte, epochSize)
	rand.Read(epoch) // never fails
	index, err = directory.Restore(store, raft.EncodeConfiguration(alone), epoch, next)
	if err := errors.Join(err, store.Close()); err != nil {
		return 0, err
	}
	return index, os.Rename(half, dir)
}

// Exists reports whether there is a state in a folder.
func Exists(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, stateFolder))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
