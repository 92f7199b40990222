package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/tryst-chat/tryst/rendezvous/badger"
	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// current is the ID of the one snapshot that a server has: its state.
const current = "current"

// snapshots is Raft's snapshot store. Snapshots are metadata only, as HashiCorp
// Vault does it: the state in Badger is durable by itself, so that taking one
// is noting a position (25 ms at a million accounts, where a copy took 29 s and
// cost the leader its place). The contents are copied only for a server that is
// too far behind, from and into a file in the folder spool.
type snapshots struct {
	store     *badger.Store
	directory *directory.Directory
	spool     string

	mu       sync.Mutex
	received map[string]*sinkFile // guarded by mu: complete, not yet restored
	count    int                  // guarded by mu: numbers them
}

var _ raft.SnapshotStore = (*snapshots)(nil)

// newSnapshots empties the spool: what lies there was cut short.
func newSnapshots(store *badger.Store, d *directory.Directory, spool string) (*snapshots, error) {
	if err := os.RemoveAll(spool); err != nil {
		return nil, fmt.Errorf("cluster: spool: %w", err)
	}
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return nil, fmt.Errorf("cluster: spool: %w", err)
	}
	return &snapshots{store: store, directory: d, spool: spool, received: map[string]*sinkFile{}}, nil
}

// List implements raft.SnapshotStore: the state as it is now, if there is any.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	p := s.directory.Position()
	if p.Index == 0 || p.Configuration == nil {
		return nil, nil
	}
	return []*raft.SnapshotMeta{{
		Version: raft.SnapshotVersionMax, ID: current,
		Index: p.Index, Term: p.Term,
		Configuration:      raft.DecodeConfiguration(p.Configuration),
		ConfigurationIndex: p.ConfigurationIndex,
	}}, nil
}

// Open implements raft.SnapshotStore, to send the state or to restore what was
// received.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	if id != current {
		return s.openReceived(id)
	}
	// The metadata first: contents that are newer than it are no harm, since
	// the entries between are known to be applied and are skipped.
	list, err := s.List()
	if err != nil || len(list) == 0 {
		return nil, nil, errors.Join(errors.New("cluster: no state to send"), err)
	}
	// Raft sends the exact size ahead of the contents: spool them to know it.
	f, err := s.newFile()
	if err != nil {
		return nil, nil, err
	}
	if err := s.store.Backup(f); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	meta := list[0]
	if meta.Size, err = f.rewind(); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return meta, f, nil
}

func (s *snapshots) openReceived(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	f := s.received[id]
	delete(s.received, id)
	s.mu.Unlock()
	if f == nil {
		return nil, nil, fmt.Errorf("cluster: no snapshot %q", id)
	}
	size, err := f.rewind()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	meta := f.meta
	meta.Size = size
	return &meta, f, nil
}

// Create implements raft.SnapshotStore, for a snapshot of our own, to which
// nothing is written, or one that is being received.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration,
	configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	return &snapshotSink{snapshots: s, meta: raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("%d-%d-%d", term, index, s.count), Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}}, nil
}

// snapshotSink implements raft.SnapshotSink.
type snapshotSink struct {
	snapshots *snapshots
	meta      raft.SnapshotMeta
	file      *sinkFile // nil until something is written
}

func (k *snapshotSink) ID() string { return k.meta.ID }

func (k *snapshotSink) Write(b []byte) (int, error) {
	if k.file == nil {
		var err error
		if k.file, err = k.snapshots.newFile(); err != nil {
			return 0, err
		}
		k.file.meta = k.meta
	}
	return k.file.Write(b)
}

// Close completes the snapshot. One of our own is noted with the data: Raft
// drops log entries up to its index, which may be beyond the last command's.
func (k *snapshotSink) Close() error {
	if k.file == nil {
		_, err := k.snapshots.directory.Apply([]directory.Entry{{Index: k.meta.Index, Term: k.meta.Term}})
		return err
	}
	k.snapshots.mu.Lock()
	defer k.snapshots.mu.Unlock()
	k.snapshots.received[k.meta.ID] = k.file
	return nil
}

func (k *snapshotSink) Cancel() error {
	if k.file == nil {
		return nil
	}
	return k.file.Close()
}

// sinkFile is a file in the spool that is gone once it is closed.
type sinkFile struct {
	*os.File
	meta raft.SnapshotMeta // of a received one
}

func (s *snapshots) newFile() (*sinkFile, error) {
	f, err := os.CreateTemp(s.spool, "snapshot-*")
	if err != nil {
		return nil, fmt.Errorf("cluster: spool: %w", err)
	}
	return &sinkFile{File: f}, nil
}

// rewind returns the file's size in bytes.
func (f *sinkFile) rewind() (int64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return size, err
}

func (f *sinkFile) Close() error {
	return errors.Join(f.File.Close(), os.Remove(filepath.Clean(f.Name())))
}
