package directory_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// bench is a directory on a memory store that is given one command at a time.
type bench struct {
	testing.TB
	*directory.Directory
	store *storetest.Memory
	index uint64
}

func newBench(t testing.TB) *bench {
	t.Helper()
	store := storetest.NewMemory()
	return newBenchOn(t, store, store)
}

// newHastyBench is a bench on which time passes faster.
func newHastyBench(t testing.TB) *bench {
	t.Helper()
	store := storetest.NewMemory()
	return newBenchOn(t, store, hasty{store})
}

func newBenchOn(t testing.TB, memory *storetest.Memory, store directory.Store) *bench {
	t.Helper()
	d, err := directory.New(store)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{TB: t, Directory: d, store: memory}
}

// do applies one command. A refused one must change nothing but the position,
// and have neither value nor events.
func (b *bench) do(command []byte) directory.Result {
	b.Helper()
	before := b.store.Clone()
	b.index++
	results, err := b.Apply([]directory.Entry{{Index: b.index, Term: 1, Command: command}})
	if err != nil {
		b.Fatal(err)
	}
	if r := results[0]; r.Err != nil {
		if !storetest.Same(withoutPosition(storetest.Dump(b, before)), withoutPosition(storetest.Dump(b, b.store))) {
			b.Errorf("refused (%v), and yet the store changed", r.Err)
		}
		if r.Value != nil || r.Events != nil {
			b.Errorf("refused (%v), and yet %q, %v", r.Err, r.Value, r.Events)
		}
	}
	return results[0]
}

func (b *bench) ok(command []byte) directory.Result {
	b.Helper()
	r := b.do(command)
	if r.Err != nil {
		b.Fatalf("refused: %v", r.Err)
	}
	return r
}

func (b *bench) refused(want error, what string, command []byte) {
	b.Helper()
	if r := b.do(command); !errors.Is(r.Err, want) {
		b.Errorf("%s: %v, want %v", what, r.Err, want)
	}
}

func (b *bench) signUp(name record.Account) *directorytest.Person {
	b.Helper()
	p := directorytest.NewPerson(name)
	b.ok(p.SignUp())
	return p
}

// take returns what is taken from one device.
func (b *bench) take(p *directorytest.Person, device peer.ID) directory.DeviceKeys {
	b.Helper()
	keys, err := directory.ParseTakenKeys(b.ok(directory.TakeKeys(p.Account, []peer.ID{device})).Value)
	if err != nil || len(keys) != 1 {
		b.Fatalf("taken %v, %v", keys, err)
	}
	return keys[0]
}

func withoutPosition(dump []storetest.Pair) []storetest.Pair {
	return slices.DeleteFunc(dump, func(p storetest.Pair) bool { return string(p.Key) == "p" })
}

// chain returns a group's chain; of a private one somebody has to be named who may
// know of it.
func (b *bench) chain(id record.GroupID, as ...record.Account) record.Chain {
	b.Helper()
	page, err := b.Group(append(as, "somebody1")[0], id, 0, 1)
	if err != nil {
		b.Fatal(err)
	}
	return page.Chain
}
