package directory_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/terms"
)

var errCrash = errors.New("the server was killed")

// brittle is a store whose server is killed at every write: as often as not
// before it is on disk, else when it is and nobody knows.
type brittle struct {
	directory.Store
	after bool
	// moves are how each write that came to disk moved the applied index.
	moves *[][2]uint64
}

func (b brittle) Update(f func(directory.Writer) error) error {
	var from, to uint64
	err := b.Store.Update(func(w directory.Writer) error {
		from = positionIn(w)
		if err := f(w); err != nil {
			return err
		}
		to = positionIn(w)
		if !b.after {
			return errCrash
		}
		return nil
	})
	if err != nil {
		return err
	}
	if to != from {
		*b.moves = append(*b.moves, [2]uint64{from, to})
	}
	return errCrash
}

func positionIn(r directory.Reader) uint64 {
	var p pb.Position
	if value, err := r.Get([]byte("p")); err == nil {
		_ = proto.Unmarshal(value, &p) // zero is wrong soon enough
	}
	return p.GetIndex()
}

// replayBrittle applies a log to an empty store while the server is killed at
// every write, and returns the store. next says what the log brings when the
// server is back, having applied so many entries: those in [from, to), of which
// some may have come before; and whether it dies before or after the write.
func replayBrittle(t storetest.TB, log []directory.Entry, next func(applied int) (from, to int, after bool)) *storetest.Memory {
	t.Helper()
	store := storetest.NewMemory()
	var moves [][2]uint64
	for applied := 0; applied < len(log); {
		from, to, after := next(applied)
		d, err := directory.New(brittle{hasty{store}, after, &moves})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Apply(log[from:to]); !errors.Is(err, errCrash) {
			t.Fatal("killed, and yet: ", err)
		}
		back, err := directory.New(hasty{store})
		if err != nil {
			t.Fatal(err)
		}
		now := int(back.AppliedIndex())
		if (after && now <= applied) || (!after && now != applied) || now > to {
			t.Fatal(fmt.Sprintf("killed at %d with entries up to %d, written: %t; back at %d", applied, to, after, now))
		}
		applied = now
	}
	for i, move := range moves {
		if begins := uint64(0); i > 0 {
			if begins = moves[i-1][1]; move[0] != begins || move[1] <= begins {
				t.Fatal(fmt.Sprintf("the applied index went %v", moves))
			}
		}
	}
	return store
}

// script is a log that is written by hand.
type script struct {
	*bench
	log   []directory.Entry
	kinds map[protoreflect.Name]bool
}

// do applies a command, which must take effect, and notes it.
func (s *script) do(command []byte) directory.Result {
	s.Helper()
	var c pb.Command
	if err := proto.Unmarshal(command, &c); err != nil {
		s.Fatal(err)
	}
	m := c.ProtoReflect()
	kind := m.WhichOneof(m.Descriptor().Oneofs().ByName("kind")).Name()
	before := withoutPosition(storetest.Dump(s, s.store))
	r := s.ok(command)
	if storetest.Same(before, withoutPosition(storetest.Dump(s, s.store))) {
		s.Fatalf("%s has no effect", kind)
	}
	s.kinds[kind] = true
	s.log = append(s.log, directory.Entry{Index: s.index, Term: 1, Command: command})
	return r
}

// everyCommand is a log with every kind of command.
func everyCommand(t *testing.T) *script {
	s := &script{bench: newHastyBench(t), kinds: map[protoreflect.Name]bool{}}
	alice, bob := directorytest.NewPerson("alice1"), directorytest.NewPerson("bob1")
	s.do(alice.SignUp())
	s.do(bob.SignUp())
	device, phone, id := alice.Devices[0].ID(), directorytest.NewKey(), record.GroupID{7}
	add := bob.Entry(record.AddDevice, phone)
	s.do(directory.AppendDevice("bob1", add))
	bob.Keep(add)
	s.do(directory.PublishKeys("alice1", device, alice.Bundle(alice.Devices[0], 1), alice.Prekeys(alice.Devices[0], 3)...))
	s.do(directory.TakeKeys("alice1", []peer.ID{device}))
	s.do(directory.RetireServer(bob.Devices[0].ID()))
	s.do(directory.SetContacts("bob1", bob.Devices[0].ID(), directory.ContactChange{
		Token: token('a'), Policy: directory.PolicyAsk, Accepted: []record.Account{"alice1"}, Blocked: []record.Account{"eve1"},
	}))
	s.do(directory.BeginGeneration("alice1", device, 0, make([]byte, 16), true))
	s.do(directory.AppendGroup(alice.Create(id, "friends")))
	s.do(directory.AppendGroup(bob.Join(s.chain(id))))
	s.do(directory.PutMail("alice1", device, "bob1", slices.Concat(letters(phone.ID(), 1, 3, 9), letters(bob.Devices[0].ID(), 1, 3, 9))))
	s.do(directory.TakeMail("bob1", bob.Devices[0].ID(), 2))
	group := groupLetters(1, 4, 9, bob)
	group[0].For = append(group[0].For, directory.Member{Account: "bob1", Device: phone.ID()})
	s.do(directory.PutGroupMail("alice1", device, id, group))
	s.do(directory.TakeGroupMail(id, "bob1", bob.Devices[0].ID(), 2))
	s.do(directory.TakeGroupMail(id, "bob1", phone.ID(), math.MaxUint64))
	s.do(directory.AppendDevice("bob1", bob.Entry(record.RevokeDevice, phone)))
	s.do(directory.RetireServer(directorytest.NewKey().ID()))
	s.do(directory.AppendGroup(bob.Leave(s.chain(id))))
	s.do(directory.Invite(hashes(1, 2, 3), directory.MailLifetime-24*time.Hour))
	s.do(directory.SetTerms(terms.Terms{Invitation: true, Bits: 10}))
	pass := withCode(2)
	pass.Bits = 10
	s.do(directorytest.NewPerson("carol1").SignUpWith(pass))
	s.do(directory.RevokeInvitations())
	s.do(directory.Invite(hashes(4, 5), directory.MailLifetime-24*time.Hour))
	for range directory.MailLifetime/(haste*2*time.Minute) + 1 {
		now, err := s.Clock()
		if err != nil {
			t.Fatal(err)
		}
		s.do(directory.Tick(now, 2*time.Minute))
	}
	if totals, err := s.MailTotals(); err != nil || totals != (directory.MailTotals{}) {
		t.Fatalf("%+v, %v", totals, err)
	}
	if out, err := s.Invitations(); err != nil || out != 0 {
		t.Fatalf("%d invitations are out, %v", out, err)
	}
	s.sound(s.store)
	return s
}

// Whatever is in the log: wherever it is cut, and though the server is killed at
// every write, its replay leaves the same bytes, and no entry is applied twice or
// left out.
func TestReplayOfEveryCommand(t *testing.T) {
	s := everyCommand(t)
	kinds := new(pb.Command).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	for i := range kinds.Len() {
		if kind := kinds.Get(i).Name(); !s.kinds[kind] {
			t.Errorf("the log has no %s", kind)
		}
	}
	want := storetest.Dump(t, s.store)
	for size := 1; size <= len(s.log); size++ {
		for _, again := range []int{0, 1, len(s.log)} { // entries that come once more
			writes := 0
			got := replayBrittle(t, s.log, func(applied int) (from, to int, after bool) {
				writes++
				return max(0, applied-again), min(applied+size, len(s.log)), writes%2 == 0
			})
			if !storetest.Same(want, storetest.Dump(t, got)) {
				t.Fatalf("a replay by %d leaves other bytes", size)
			}
		}
	}
}
