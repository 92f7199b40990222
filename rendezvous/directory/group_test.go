package directory_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

func TestGroups(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.signUp("alice1"), b.signUp("bob1"), b.signUp("carol1")
	id := record.GroupID{7}
	create := alice.Create(id, "friends")
	r := b.ok(directory.AppendGroup(create))
	event := r.Events[0].(directory.GroupChanged)
	if event.Group != id || event.Length != 1 || !slices.Equal(event.Concerns, []record.Account{"alice1"}) {
		t.Errorf("event %+v", event)
	}
	chain := b.chain(id)
	join, rival := bob.Join(chain), carol.Join(chain)
	b.ok(directory.AppendGroup(join))
	if r := b.ok(directory.AppendGroup(join)); r.Events != nil {
		t.Errorf("a repeated statement has events %v", r.Events)
	}
	b.ok(directory.AppendGroup(create))
	b.refused(wire.ErrConflict, "the second on one head", directory.AppendGroup(rival))
	b.refused(wire.ErrRefused, "join twice", directory.AppendGroup(bob.Join(b.chain(id))))
	b.refused(wire.ErrRefused, "rekey by a stranger", directory.AppendGroup(carol.Rekey(b.chain(id))))
	b.refused(wire.ErrGroupTaken, "name in use", directory.AppendGroup(carol.Create(record.GroupID{8}, "friends")))
	b.refused(wire.ErrConflict, "ID in use", directory.AppendGroup(carol.Create(id, "others")))
	b.refused(wire.ErrBadRequest, "nonsense", directory.AppendGroup([]byte("nonsense")))
	b.refused(wire.ErrNoGroup, "no such group", directory.AppendGroup(carol.Rekey(record.Chain{})))
	b.refused(wire.ErrRefused, "by nobody", directory.AppendGroup(directorytest.NewPerson("dave1").Join(b.chain(id))))
	b.ok(directory.AppendGroup(bob.Rekey(b.chain(id))))

	if got, err := b.GroupByName("friends"); err != nil || got != id {
		t.Errorf("GroupByName: %v, %v", got, err)
	}
	if _, err := b.GroupByName("others"); !errors.Is(err, wire.ErrNoGroup) {
		t.Errorf("GroupByName: %v", err)
	}
	if _, err := b.Group("alice1", record.GroupID{9}, 0, 1); !errors.Is(err, wire.ErrNoGroup) {
		t.Errorf("Group: %v", err)
	}
	if got, err := b.GroupsOf("bob1"); err != nil || !slices.Equal(got, []record.GroupID{id}) {
		t.Errorf("GroupsOf: %v, %v", got, err)
	}
}

// A device may act for its account while it is in the log, not after.
func TestRevokedDeviceCannotSpeakInGroups(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	id := record.GroupID{7}
	b.ok(directory.AppendGroup(alice.Create(id, "friends")))
	b.ok(directory.AppendDevice("alice1", alice.Entry(record.RevokeDevice, alice.Devices[0])))
	b.refused(wire.ErrRefused, "a revoked device", directory.AppendGroup(alice.Rekey(b.chain(id))))
}

func TestLeavingAndRemoving(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.signUp("alice1"), b.signUp("bob1"), b.signUp("carol1")
	id := record.GroupID{7}
	b.ok(directory.AppendGroup(alice.Create(id, "friends")))
	b.ok(directory.AppendGroup(bob.Join(b.chain(id))))
	b.ok(directory.AppendGroup(carol.Join(b.chain(id))))
	b.refused(wire.ErrRefused, "removed by another than an admin", directory.AppendGroup(bob.Remove(b.chain(id), "carol1")))
	r := b.ok(directory.AppendGroup(alice.Remove(b.chain(id), "carol1")))
	if concerns := r.Events[0].(directory.GroupChanged).Concerns; !slices.Equal(concerns, []record.Account{"alice1", "bob1", "carol1"}) {
		t.Errorf("the removal concerns %v", concerns)
	}
	b.refused(wire.ErrRefused, "back after a removal", directory.AppendGroup(carol.Join(b.chain(id))))
	b.ok(directory.AppendGroup(alice.Leave(b.chain(id))))
	for account, want := range map[record.Account]int{"alice1": 0, "bob1": 1, "carol1": 0} {
		if got, err := b.GroupsOf(account); err != nil || len(got) != want {
			t.Errorf("%s is in %d groups, %v", account, len(got), err)
		}
	}
	if page, _, err := b.Groups(directory.GroupQuery{For: "alice1", Limit: 10}); err != nil || len(page) != 1 || page[0].Members != 1 || page[0].Mine {
		t.Errorf("listed as %+v, %v", page, err)
	}
	b.ok(directory.AppendGroup(alice.Join(b.chain(id)))) // who left may come back
	b.refused(wire.ErrRefused, "removed by who was an admin", directory.AppendGroup(alice.Remove(b.chain(id), "bob1")))
	b.ok(directory.AppendGroup(bob.Remove(b.chain(id), "alice1")))
	b.ok(directory.AppendGroup(bob.Leave(b.chain(id))))
	b.refused(wire.ErrGroupTaken, "the name of a group that all have left", directory.AppendGroup(bob.Create(record.GroupID{8}, "friends")))
}

// A private group is nothing for everybody but its members and who is invited: in
// lists, by name and by ID, and when somebody tries to join. Who has left sees the
// chain up to then.
func TestPrivateGroup(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.signUp("alice1"), b.signUp("bob1"), b.signUp("carol1")
	id := record.GroupID{7}
	b.ok(directory.AppendGroup(alice.CreateWith(id, "secret", record.Settings{Private: true, History: 9})))
	b.ok(directory.AppendGroup(carol.Create(record.GroupID{8}, "open")))
	chain := func() record.Chain { return b.chain(id, "alice1", "bob1") }
	shows := func(account record.Account, want string, length int) {
		t.Helper()
		for _, mine := range []bool{false, true} {
			line := ""
			page, _, err := b.Groups(directory.GroupQuery{For: account, Mine: mine, Limit: 10})
			for _, g := range page {
				if g.Private != (g.Name == "secret") || g.Name == "open" && g.Invited {
					t.Errorf("listed as %+v", g)
				}
				if g.Name == "secret" {
					line = fmt.Sprintf("%d %t %t", g.Members, g.Mine, g.Invited)
				}
			}
			if err != nil || line != want {
				t.Errorf("%s is shown %q, %v; want %q", account, line, err, want)
			}
		}
		page, err := b.Group(account, id, 0, 100)
		if length == 0 && !errors.Is(err, wire.ErrNoGroup) {
			t.Errorf("%s is shown %d statements, %v", account, len(page.Statements), err)
		}
		if length > 0 && (err != nil || len(page.Statements) != length || page.Length != uint64(length)) {
			t.Errorf("%s is shown %d statements of %d, %v; want %d", account, len(page.Statements), page.Length, err, length)
		}
		if beyond, err := b.Group(account, id, uint64(length), 100); length > 0 && (err != nil || len(beyond.Statements) != 0) {
			t.Errorf("%s is shown %d statements more, %v", account, len(beyond.Statements), err)
		}
	}
	shows("alice1", "1 true false", 1)
	shows("bob1", "", 0)
	b.refused(wire.ErrNoGroup, "a join uninvited", directory.AppendGroup(bob.Join(chain())))
	b.refused(wire.ErrNoGroup, "a rekey by a stranger", directory.AppendGroup(bob.Rekey(chain())))
	b.refused(wire.ErrGroupTaken, "the name of a private group", directory.AppendGroup(bob.Create(record.GroupID{9}, "secret")))

	r := b.ok(directory.AppendGroup(alice.Invite(chain(), "bob1")))
	if concerns := r.Events[0].(directory.GroupChanged).Concerns; !slices.Equal(concerns, []record.Account{"alice1", "bob1"}) {
		t.Errorf("the invitation concerns %v", concerns)
	}
	shows("bob1", "1 false true", 2)
	shows("carol1", "", 0)
	b.refused(wire.ErrRefused, "an invitation by who is invited", directory.AppendGroup(bob.Invite(chain(), "carol1")))
	b.ok(directory.AppendGroup(bob.Join(chain())))
	shows("bob1", "2 true false", 3)
	b.refused(wire.ErrRefused, "an invitation by a member", directory.AppendGroup(bob.Invite(chain(), "carol1")))
	b.ok(directory.AppendGroup(alice.Invite(chain(), "carol1")))
	b.ok(directory.AppendGroup(alice.Remove(chain(), "carol1")))
	shows("carol1", "", 0) // and no trace is left
	b.ok(directory.AppendGroup(bob.Leave(chain())))
	b.ok(directory.AppendGroup(alice.Rekey(chain())))
	shows("bob1", "", 6)
	b.refused(wire.ErrNoGroup, "a join by who has left", directory.AppendGroup(bob.Join(chain())))
	b.ok(directory.AppendGroup(alice.Invite(chain(), "bob1")))
	shows("bob1", "1 false true", 8)
	b.ok(directory.AppendGroup(alice.Remove(chain(), "bob1")))
	shows("bob1", "", 6)
	b.ok(directory.AppendGroup(alice.Invite(chain(), "bob1")))
	b.ok(directory.AppendGroup(bob.Join(chain())))
	b.ok(directory.AppendGroup(alice.MakeAdmin(chain(), "bob1")))
	b.ok(directory.AppendGroup(bob.Remove(chain(), "alice1")))
	shows("alice1", "", 13)
	shows("bob1", "1 true false", 13)
}

func TestLargeGroup(t *testing.T) {
	b := newBench(t)
	id := record.GroupID{7}
	b.ok(directory.AppendGroup(b.signUp("p0").Create(id, "all")))
	for i := 1; i < record.MaxMembers; i++ {
		b.ok(directory.AppendGroup(b.signUp(record.Account(fmt.Sprintf("p%d", i))).Join(b.chain(id))))
	}
	b.refused(wire.ErrFull, "a member too many", directory.AppendGroup(b.signUp("late1").Join(b.chain(id))))

	var statements [][]byte
	for {
		page, err := b.Group("p0", id, uint64(len(statements)), wire.ChainPage)
		if err != nil || len(page.Statements) > wire.ChainPage {
			t.Fatalf("page of %d, %v", len(page.Statements), err)
		}
		statements = append(statements, page.Statements...)
		if uint64(len(statements)) == page.Chain.Len() {
			break
		}
	}
	chain, err := record.VerifyChain(statements, func(record.Account, peer.ID) bool { return true })
	if err != nil || chain.Head() != b.chain(id).Head() || len(chain.Members()) != record.MaxMembers {
		t.Errorf("the stored chain verifies to %d members, %v", len(chain.Members()), err)
	}
}

func TestListings(t *testing.T) {
	b := newBench(t)
	alice, bob := b.signUp("alice1"), b.signUp("bob1")
	for i, name := range []record.GroupName{"d", "a", "b-b", "b", "c"} {
		by := alice
		if i%2 == 1 {
			by = bob
		}
		b.ok(directory.AppendGroup(by.Create(record.GroupID{byte(i + 1)}, name)))
	}
	id, _ := b.GroupByName("a")
	b.ok(directory.AppendGroup(alice.Join(b.chain(id))))

	list := func(q directory.GroupQuery) (line string) {
		for q.Limit = 2; ; {
			page, more, err := b.Groups(q)
			if err != nil || len(page) > 2 {
				t.Fatalf("page of %d, %v", len(page), err)
			}
			for _, g := range page {
				line += fmt.Sprintf("%s:%d:%v ", g.Name, g.Members, g.Mine)
				q.After = g.Name
			}
			if !more {
				return line
			}
			line += "| "
		}
	}
	for _, c := range []struct {
		q    directory.GroupQuery
		want string
	}{
		{directory.GroupQuery{For: "alice1"}, "a:2:true b:1:false | b-b:1:true c:1:true | d:1:true "},
		{directory.GroupQuery{For: "alice1", Mine: true}, "a:2:true b-b:1:true | c:1:true d:1:true "},
		{directory.GroupQuery{For: "bob1", Mine: true}, "a:2:true b:1:true "},
		{directory.GroupQuery{For: "carol1", Mine: true}, ""},
		{directory.GroupQuery{For: "carol1", After: "b"}, "b-b:1:false c:1:false | d:1:false "},
		{directory.GroupQuery{For: "bob1", Mine: true, After: "a"}, "b:1:true "},
	} {
		if got := list(c.q); got != c.want {
			t.Errorf("%+v: %q, want %q", c.q, got, c.want)
		}
	}
}
