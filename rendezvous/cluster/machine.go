package cluster

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hashicorp/raft"

	"github.com/tryst-chat/tryst/rendezvous/badger"
	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// errStopped is the answer to entries after the state could not be written.
var errStopped = errors.New("cluster: the state can not be written")

// machine hands the log to the directory. All its methods are called by Raft's
// one state machine goroutine.
type machine struct {
	store     *badger.Store
	directory *directory.Directory
	applied   *watermark
	onApply   func([]directory.Event)
	onMembers func()
	space     func() error
	fail      func(error)

	stopped bool // after a failure nothing may be applied out of order
}

var _ raft.BatchingFSM = (*machine)(nil)

// Apply implements raft.FSM.
func (m *machine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch implements raft.BatchingFSM: one transaction, one sync to disk, for
// all that is committed by now. Configuration entries come here too; they are
// kept with the data since a snapshot's metadata is read from there. Each
// response is a directory.Result or errStopped.
func (m *machine) ApplyBatch(logs []*raft.Log) []any {
	responses := make([]any, len(logs))
	results, err := m.apply(logs)
	var events []directory.Event
	for i := range logs {
		if err != nil {
			responses[i] = errStopped
			continue
		}
		responses[i] = results[i]
		events = append(events, results[i].Events...)
	}
	// Events first: whoever waits for an index then knows what came with it.
	if len(events) > 0 {
		m.onApply(events)
	}
	m.applied.advance(m.directory.ChangeIndex())
	if slices.ContainsFunc(logs, func(l *raft.Log) bool { return l.Type == raft.LogConfiguration }) {
		m.onMembers()
	}
	return responses
}

func (m *machine) apply(logs []*raft.Log) ([]directory.Result, error) {
	if m.stopped {
		return nil, errStopped
	}
	entries := make([]directory.Entry, len(logs))
	for i, l := range logs {
		entries[i] = directory.Entry{Index: l.Index, Term: l.Term}
		if l.Type == raft.LogConfiguration {
			entries[i].Configuration = l.Data
		} else {
			entries[i].Command = l.Data
		}
	}
	err := m.space()
	var results []directory.Result
	if err == nil {
		results, err = m.directory.Apply(entries)
	}
	if err != nil {
		m.stopped = true
		m.fail(err)
	}
	return results, err
}

// Snapshot implements raft.FSM. The state is on disk already: a snapshot is no
// more than its position, which snapshots.Create and Close note.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	if m.stopped {
		return nil, errStopped
	}
	return nothing{}, nil
}

type nothing struct{}

func (nothing) Persist(raft.SnapshotSink) error { return nil }
func (nothing) Release()                        {}

// Restore implements raft.FSM: it replaces the state by another server's.
func (m *machine) Restore(r io.ReadCloser) error {
	defer r.Close()
	err := m.space()
	if err == nil {
		err = errors.Join(m.store.Restore(r), m.directory.Reload())
	}
	if err != nil {
		m.stopped = true
		m.fail(err)
		return fmt.Errorf("cluster: restore: %w", err)
	}
	m.onApply([]directory.Event{directory.Reset{}})
	m.applied.advance(m.directory.ChangeIndex())
	m.onMembers()
	return nil
}
