package node

import (
	"slices"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// foundsPrivately creates a private group and invites others, who join.
func (p *person) foundsPrivately(group string, settings record.Settings, others map[record.Account]*person) {
	p.Helper()
	settings.Private = true
	if _, err := p.CreateGroupWith(p.Context(), group, settings); err != nil {
		p.Fatalf("create %s: %v", group, err)
	}
	for account, o := range others {
		if _, err := p.Invite(p.Context(), string(account), group); err != nil {
			p.Fatalf("invite %s: %v", account, err)
		}
		o.sees("the invitation", about(EventInvited, group, account))
		o.joins(group)
	}
}

func about(kind EventKind, group string, a record.Account) func(Event) bool {
	return func(e Event) bool { return e.Kind == kind && string(e.Group) == group && e.Account == a }
}

func (p *person) lists(name record.GroupName) (Group, bool) {
	p.Helper()
	groups, err := p.Groups(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return Group{}, false
	}
	return groups[i], true
}

// A private group does not exist for a stranger; who is invited is told, also when
// they were away, and may join, once.
func TestPrivateGroup(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol, eve := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9"), w.newPerson("eve", "1")
	alice.foundsPrivately("g1", record.Settings{}, map[record.Account]*person{"bob7": bob})
	alice.tells("g1", "hello", bob)
	for _, p := range []*person{carol, eve} {
		if g, listed := p.lists("g1"); listed {
			t.Errorf("%+v is listed", g)
		}
		_, _, err := p.JoinGroup(t.Context(), "g1")
		wantCode(t, err, CodeNoGroup)
		_, err = p.SendGroup(t.Context(), "g1", "hello?")
		wantCode(t, err, CodeNoGroup)
		_, err = p.CreateGroup(t.Context(), "g1")
		wantCode(t, err, CodeGroupTaken)
	}
	_, err := bob.Invite(t.Context(), "carol9", "g1")
	wantCode(t, err, CodeRefused)
	_, err = alice.Invite(t.Context(), "nobody0", "g1")
	wantCode(t, err, CodeNoAccount)
	_, err = alice.Invite(t.Context(), "bob7", "g1")
	wantCode(t, err, CodeAlreadyMember)

	carol.end() // she is told when she is back
	if _, err := alice.Invite(t.Context(), "carol9", "g1"); err != nil {
		t.Fatal(err)
	}
	if e := bob.sees("the invitation", about(EventInvited, "g1", "carol9")); e.By != "alice42" {
		t.Errorf("invited by %s", e.By)
	}
	_, err = alice.Invite(t.Context(), "carol9", "g1")
	wantCode(t, err, CodeAlreadyMember)
	want := []Member{{Account: "alice42", Admin: true}, {Account: "bob7"}, {Account: "carol9", InvitedBy: "alice42"}}
	if members, err := bob.Members(t.Context(), "g1"); err != nil || !slices.Equal(members, want) {
		t.Errorf("members %+v, %v", members, err)
	}
	carol = w.open(carol.home)
	carol.login("carol9")
	if e := carol.sees("the invitation", about(EventInvited, "g1", "carol9")); e.By != "alice42" {
		t.Errorf("invited by %s", e.By)
	}
	if g, _ := carol.lists("g1"); g != (Group{Name: "g1", Members: 2, Invited: true, Private: true}) {
		t.Errorf("listed as %+v", g)
	}
	carol.joins("g1")
	alice.tells("g1", "welcome", bob, carol)
	carol.tells("g1", "thank you", alice, bob)
	if got := carol.all(text("hello")); got != nil {
		t.Error("carol reads what was said before she joined")
	}
	if g, _ := carol.lists("g1"); g != (Group{Name: "g1", Members: 3, Mine: true, Private: true}) {
		t.Errorf("listed as %+v", g)
	}

	// An invitation that is withdrawn is no more; who leaves needs another one.
	if _, err := alice.Invite(t.Context(), "eve1", "g1"); err != nil {
		t.Fatal(err)
	}
	eve.sees("the invitation", about(EventInvited, "g1", "eve1"))
	if _, err := alice.RemoveMember(t.Context(), "eve1", "g1"); err != nil {
		t.Fatal(err)
	}
	_, _, err = eve.JoinGroup(t.Context(), "g1")
	wantCode(t, err, CodeNoGroup)
	if _, err := carol.LeaveGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	_, _, err = carol.JoinGroup(t.Context(), "g1")
	wantCode(t, err, CodeRefused)
	if g, listed := carol.lists("g1"); listed {
		t.Errorf("%+v is listed for who has left", g)
	}
	alice.tells("g1", "without carol", bob)
	if got := carol.all(text("without carol")); got != nil {
		t.Error("carol reads what is said after she has left")
	}
}

// Admins share what they may do; who is removed from a private group learns of it, on
// each device; and when the last admin leaves somebody else is one.
func TestAdmins(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.newPerson("alice", "42"), w.newPerson("bob", "7"), w.newPerson("carol", "9")
	alice.foundsPrivately("g1", record.Settings{}, map[record.Account]*person{"bob7": bob, "carol9": carol})
	_, err := bob.MakeAdmin(t.Context(), "bob7", "g1")
	wantCode(t, err, CodeRefused)
	_, err = alice.MakeAdmin(t.Context(), "eve1", "g1")
	wantCode(t, err, CodeNotMember)
	if _, err := alice.MakeAdmin(t.Context(), "bob7", "g1"); err != nil {
		t.Fatal(err)
	}
	_, err = alice.MakeAdmin(t.Context(), "bob7", "g1")
	wantCode(t, err, CodeUsage)
	for _, p := range []*person{alice, bob, carol} {
		if e := p.sees("that bob is an admin", about(EventAdmin, "g1", "bob7")); e.By != "alice42" {
			t.Errorf("made one by %s", e.By)
		}
	}
	alice.tells("g1", "hello", bob, carol)
	alice.end()
	if _, err := bob.RemoveMember(t.Context(), "alice42", "g1"); err != nil {
		t.Fatal(err)
	}
	alice = w.open(alice.home)
	alice.login("alice42")
	if e := alice.sees("that she was removed", gone(EventRemoved, "g1", "alice42")); e.By != "bob7" {
		t.Errorf("removed by %s", e.By)
	}
	if groups, err := alice.MyGroups(t.Context()); err != nil || len(groups) != 0 {
		t.Errorf("alice is in %+v, %v", groups, err)
	}
	if _, err := bob.LeaveGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	if e := carol.sees("that she is an admin", about(EventAdmin, "g1", "carol9")); e.By != "" {
		t.Errorf("made one by %s", e.By)
	}
	if _, err := carol.Invite(t.Context(), "alice42", "g1"); err != nil { // forgiven
		t.Fatal(err)
	}
	alice.sees("the invitation", about(EventInvited, "g1", "alice42"))
	if _, waiting, err := alice.JoinGroup(t.Context(), "g1"); err != nil || waiting {
		t.Fatalf("waiting %t, %v", waiting, err)
	}
	carol.tells("g1", "the two of us", alice)
}
