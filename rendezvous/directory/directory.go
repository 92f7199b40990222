package directory

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Directory is the state machine on its store. Queries may run at any time and
// beside Apply.
type Directory struct {
	store Store // immutable

	mu       sync.Mutex // held over a whole Apply
	position Position   // guarded by mu: what the store held after the last Apply or Reload
}

// Position says how far the log has been applied.
type Position struct {
	Index, Term uint64 // of the last applied entry; zero before the first
	// Changed is the index of the last Entry that had a command or a configuration.
	Changed uint64
	// ConfigurationIndex and Configuration are those of the last Entry that
	// carried a configuration.
	ConfigurationIndex uint64
	Configuration      []byte
}

// Entry is one entry of the replicated log.
type Entry struct {
	Index, Term uint64
	// Command is what one of the command functions returned. It may be empty:
	// the entry then only moves the position.
	Command []byte
	// Configuration is who replicates, in the cluster's own encoding; nil for
	// all entries but those that change it. It is kept with the data since a
	// snapshot's metadata must name it.
	Configuration []byte
}

// Result is what a command came to.
type Result struct {
	Err    error  // nil, or a sentinel of package wire, wrapped
	Value  []byte // of those commands that have one: see the functions Parse...
	Events []Event
}

// New returns the directory that a store holds; an empty store is an empty
// directory.
func New(store Store) (*Directory, error) {
	d := &Directory{store: store}
	return d, d.Reload()
}

// Reload reads the position again after the store's contents were replaced.
func (d *Directory) Reload() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.store.View(func(r Reader) (err error) {
		d.position, err = loadPosition(r)
		return err
	})
}

// Position returns how far the log has been applied.
func (d *Directory) Position() Position {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.position
}

// AppliedIndex returns the index of the last applied entry. A query made
// afterwards sees at least that state.
func (d *Directory) AppliedIndex() uint64 { return d.Position().Index }

// ChangeIndex returns the index of the last entry that had a command or a
// configuration: one that every server comes to, so that others can be asked to wait for
// it. AppliedIndex may be beyond it: of an entry that is no business of the directory's,
// which this server alone has noted. A query made afterwards sees at least that state.
func (d *Directory) ChangeIndex() uint64 { return d.Position().Changed }

// Apply applies log entries in order and returns one result each. Entries at or
// below the applied index change nothing and have an empty result.
//
// An error means that the store failed, and that nothing from some entry on was
// applied. The server cannot go on then: it must stop and start again from what
// its store holds.
func (d *Directory) Apply(entries []Entry) ([]Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	results := make([]Result, len(entries))
	most := len(entries)
	for done := 0; done < len(entries); {
		n := min(most, len(entries)-done)
		err := d.commit(entries[done:done+n], results[done:])
		// One transaction for all, so that they share one sync to disk; where
		// the store cannot hold so much, smaller ones come to the same. The rest of
		// a batch is mostly of the same kind: large letters.
		for errors.Is(err, ErrTooBig) && n > 1 {
			n /= 2
			most = n
			err = d.commit(entries[done:done+n], results[done:])
		}
		if err != nil {
			return nil, fmt.Errorf("directory: apply entry %d: %w", entries[done].Index, err)
		}
		done += n
	}
	return results, nil
}

// commit applies entries in one transaction. The position is written in the
// same one: a crash loses both or neither, and an entry that comes again after
// it is known and skipped. It is read there too, and not remembered, since the
// contents may just have been replaced by newer ones.
func (d *Directory) commit(entries []Entry, results []Result) error {
	var position Position
	err := d.store.Update(func(w Writer) error {
		before, err := loadPosition(w)
		if err != nil {
			return err
		}
		position = before
		for i, e := range entries {
			if e.Index <= position.Index {
				continue
			}
			position.Index, position.Term = e.Index, e.Term
			if len(e.Command) > 0 || e.Configuration != nil {
				position.Changed = e.Index
			}
			if e.Configuration != nil {
				position.ConfigurationIndex, position.Configuration = e.Index, slices.Clone(e.Configuration)
			}
			if len(e.Command) == 0 {
				continue
			}
			if results[i], err = run(w, e.Command); err != nil {
				return err
			}
		}
		if position.Index == before.Index {
			return nil
		}
		return savePosition(w, position)
	})
	if err == nil {
		d.position = position
	}
	return err
}

// run applies one command. Each command checks all before it writes anything,
// so that one that is refused has changed nothing.
func run(w Writer, raw []byte) (Result, error) {
	var c pb.Command
	if len(raw) > MaxCommand {
		return Result{Err: wire.ErrTooLarge}, nil
	}
	if err := proto.Unmarshal(raw, &c); err != nil {
		return Result{Err: fmt.Errorf("%w: not a command", wire.ErrBadRequest)}, nil
	}
	var (
		value  []byte
		events []Event
		err    error
	)
	switch kind := c.GetKind().(type) {
	case *pb.Command_SignUp:
		events, err = signUp(w, kind.SignUp)
	case *pb.Command_AppendDevice:
		events, err = appendDevice(w, kind.AppendDevice)
	case *pb.Command_PublishKeys:
		events, err = publishKeys(w, kind.PublishKeys)
	case *pb.Command_TakeKeys:
		value, events, err = takeKeys(w, kind.TakeKeys)
	case *pb.Command_BeginGeneration:
		value, err = beginGeneration(w, kind.BeginGeneration)
	case *pb.Command_AppendGroup:
		events, err = appendGroup(w, kind.AppendGroup)
	case *pb.Command_PutMail:
		value, events, err = putMail(w, kind.PutMail)
	case *pb.Command_TakeMail:
		err = takeMail(w, kind.TakeMail)
	case *pb.Command_PutGroupMail:
		value, events, err = putGroupMail(w, kind.PutGroupMail)
	case *pb.Command_TakeGroupMail:
		value, err = takeGroupMail(w, kind.TakeGroupMail)
	case *pb.Command_Tick:
		value, err = tick(w, kind.Tick)
	case *pb.Command_SetContacts:
		events, err = setContacts(w, kind.SetContacts)
	case *pb.Command_SetTerms:
		err = setTerms(w, kind.SetTerms)
	case *pb.Command_Invitations:
		value, err = invitations(w, kind.Invitations)
	case *pb.Command_RetireServer:
		err = retireServer(w, kind.RetireServer)
	default:
		err = fmt.Errorf("%w: unknown command", wire.ErrBadRequest)
	}
	if err != nil && !isRefusal(err) {
		return Result{}, err
	}
	return Result{Err: err, Value: value, Events: events}, nil
}
