package directory_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

type accounts = []record.Account

func (b *bench) contacts(of record.Account) directory.Contacts {
	b.Helper()
	c, err := b.Contacts(of)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func TestContacts(t *testing.T) {
	b := newBench(t)
	alice, bob := b.signUp("alice1"), b.signUp("bob1")
	phone := alice.Devices[0].ID()
	set := func(c directory.ContactChange) []byte { return directory.SetContacts("alice1", phone, c) }
	first := directory.ContactChange{Token: token('a'), Policy: directory.PolicyAsk, Accepted: accounts{"bob1"}, Blocked: accounts{"eve1", "mallory1"}}
	r := b.ok(set(first))
	if want := []directory.Event{directory.ContactsChanged{Account: "alice1", Version: 1}}; !slices.Equal(r.Events, want) {
		t.Errorf("events %v, want %v", r.Events, want)
	}
	if r := b.ok(set(first)); r.Events != nil {
		t.Errorf("a repetition has events %v", r.Events)
	}
	// The policy stays when it is not named, and so does who is not.
	b.ok(set(directory.ContactChange{Version: 1, Token: token('b'), Accepted: accounts{"mallory1"}, Forgotten: accounts{"bob1", "nobody1"}}))
	want := directory.Contacts{Version: 2, Policy: directory.PolicyAsk, Accepted: accounts{"mallory1"}, Blocked: accounts{"eve1"}}
	if got := b.contacts("alice1"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := b.contacts("bob1"); got.Version != 0 || got.Policy != directory.PolicyOpen || got.Accepted != nil || got.Blocked != nil {
		t.Errorf("bob begins with %+v", got)
	}

	next := directory.ContactChange{Version: 2, Token: token('c')}
	with := func(change func(*directory.ContactChange)) []byte {
		c := next
		change(&c)
		return set(c)
	}
	b.refused(wire.ErrConflict, "the same change again, too late", set(first))
	b.refused(wire.ErrConflict, "a repetition with another token", with(func(c *directory.ContactChange) { c.Version = 1 }))
	b.refused(wire.ErrConflict, "a version to come", with(func(c *directory.ContactChange) { c.Version = 3 }))
	b.refused(wire.ErrBadRequest, "no token", with(func(c *directory.ContactChange) { c.Token = nil }))
	b.refused(wire.ErrBadRequest, "no such policy", with(func(c *directory.ContactChange) { c.Policy = 3 }))
	b.refused(wire.ErrBadRequest, "her own account", with(func(c *directory.ContactChange) { c.Blocked = accounts{"alice1"} }))
	b.refused(wire.ErrBadRequest, "an account twice", with(func(c *directory.ContactChange) { c.Blocked, c.Accepted = accounts{"x1"}, accounts{"x1"} }))
	b.refused(wire.ErrBadRequest, "a name in capitals", with(func(c *directory.ContactChange) { c.Accepted = accounts{"Bob1"} }))
	b.refused(wire.ErrBadRequest, "no name", with(func(c *directory.ContactChange) { c.Accepted = accounts{"a\x001"} }))
	b.refused(wire.ErrTooLarge, "too many", with(func(c *directory.ContactChange) { c.Accepted = manyAccounts(0, wire.MaxContactChanges+1) }))
	b.refused(wire.ErrNoAccount, "no account", directory.SetContacts("carol1", phone, next))
	b.refused(wire.ErrRefused, "another's device", directory.SetContacts("alice1", bob.Devices[0].ID(), next))
	b.ok(set(next)) // it changes nothing but the version
	if got := b.contacts("alice1"); got.Version != 3 {
		t.Errorf("version %d, want 3", got.Version)
	}
}

func manyAccounts(from, n int) (many accounts) {
	for i := range n {
		many = append(many, record.Account(fmt.Sprintf("many%06d", from+i)))
	}
	return many
}

func TestContactsAreBounded(t *testing.T) {
	b := newBench(t)
	device := b.signUp("alice1").Devices[0].ID()
	var version uint64
	change := func(accept, block, forget accounts) []byte {
		return directory.SetContacts("alice1", device, directory.ContactChange{
			Version: version, Token: token('a'), Accepted: accept, Blocked: block, Forgotten: forget,
		})
	}
	for version < wire.MaxAccepted/wire.MaxContactChanges {
		b.ok(change(manyAccounts(int(version)*wire.MaxContactChanges, wire.MaxContactChanges), nil, nil))
		version++
	}
	b.refused(wire.ErrFull, "one more", change(accounts{"more1"}, nil, nil))
	b.ok(change(manyAccounts(0, 10), nil, nil)) // who is accepted already takes no more room
	version++
	b.ok(change(accounts{"more1"}, manyAccounts(0, 1), nil)) // one is blocked in exchange
	version++
	b.refused(wire.ErrFull, "one more then", change(accounts{"more2"}, nil, nil))
	b.ok(change(accounts{"more2"}, nil, accounts{"more1"}))
	version++
	for from := 0; from < wire.MaxBlocked-wire.MaxContactChanges; from += wire.MaxContactChanges {
		b.ok(change(nil, manyAccounts(100_000+from, wire.MaxContactChanges), nil))
		version++
	}
	b.ok(change(nil, manyAccounts(200_000, wire.MaxContactChanges-1), nil))
	version++
	b.refused(wire.ErrFull, "one more blocked", change(nil, accounts{"more3"}, nil))
	if got := b.contacts("alice1"); len(got.Accepted) != wire.MaxAccepted || len(got.Blocked) != wire.MaxBlocked {
		t.Errorf("%d accepted, %d blocked", len(got.Accepted), len(got.Blocked))
	}
}

func TestSeenBy(t *testing.T) {
	b := newBench(t)
	alice, bob, eve := b.signUp("alice1"), b.signUp("bob1"), b.signUp("eve1")
	var version uint64
	set := func(c directory.ContactChange) {
		t.Helper()
		c.Version, c.Token = version, token('a')
		b.ok(directory.SetContacts("alice1", alice.Devices[0].ID(), c))
		version++
	}
	sees := func(what string, want ...record.Account) {
		t.Helper()
		seen, err := b.SeenBy("alice1", "alice1", "bob1", "eve1", "nobody1")
		maps.DeleteFunc(seen, func(_ record.Account, sees bool) bool { return !sees })
		if got := slices.Sorted(maps.Keys(seen)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: seen by %v, %v; want %v", what, got, err, want)
		}
	}
	sees("at first", "alice1", "bob1", "eve1", "nobody1")
	set(directory.ContactChange{Blocked: accounts{"eve1"}})
	sees("eve is blocked", "alice1", "bob1", "nobody1")
	set(directory.ContactChange{Policy: directory.PolicyAsk, Forgotten: accounts{"eve1"}})
	sees("strangers ask", "alice1")
	set(directory.ContactChange{Accepted: accounts{"bob1"}})
	sees("bob is accepted", "alice1", "bob1")
	set(directory.ContactChange{Forgotten: accounts{"bob1"}})

	id := record.NewGroupID()
	b.ok(directory.AppendGroup(alice.Create(id, "friends")))
	b.ok(directory.AppendGroup(bob.Create(record.NewGroupID(), "others")))
	sees("in different groups", "alice1")
	chain := func() record.Chain {
		page, err := b.Group("alice1", id, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		return page.Chain
	}
	b.ok(directory.AppendGroup(eve.Join(chain())))
	sees("in a group with eve", "alice1", "eve1")
	set(directory.ContactChange{Blocked: accounts{"eve1"}})
	sees("in a group with eve, who is blocked", "alice1", "eve1")
	b.ok(directory.AppendGroup(eve.Leave(chain())))
	sees("eve has left", "alice1")
	set(directory.ContactChange{Policy: directory.PolicyOpen})
	sees("open again", "alice1", "bob1", "nobody1")
}

// letIn is what an account has set of others.
type letIn struct {
	version uint64
	token   string
	policy  directory.Policy
	stands  map[record.Account]byte // 'a' or 'b'
}

// setContacts has a device change whom its account lets in: as it should, once
// more, or from a state that is behind.
func (m *model) setContacts(t *rapid.T) {
	name, p := m.person(t)
	if p == nil {
		m.queue(directory.SetContacts(name, directorytest.NewKey().ID(), directory.ContactChange{Token: token('a')}), wants(wire.ErrNoAccount))
		return
	}
	key, active := m.device(t, p)
	known := m.contacts[name]
	c := directory.ContactChange{
		Version: known.version + rapid.SampledFrom([]uint64{0, 0, 0, 1, ^uint64(0)}).Draw(t, "off by"),
		Token:   token(rapid.SampledFrom([]byte("ab")).Draw(t, "token")),
		Policy:  rapid.SampledFrom([]directory.Policy{directory.PolicyUnchanged, directory.PolicyOpen, directory.PolicyAsk}).Draw(t, "policy"),
	}
	stands := maps.Clone(known.stands)
	if stands == nil {
		stands = map[record.Account]byte{}
	}
	for other, as := range rapid.MapOf(someName, rapid.SampledFrom([]byte("ab-"))).Draw(t, "others") {
		if other == name {
			continue
		}
		stands[other] = as
		switch as {
		case 'a':
			c.Accepted = append(c.Accepted, other)
		case 'b':
			c.Blocked = append(c.Blocked, other)
		default:
			c.Forgotten = append(c.Forgotten, other)
			delete(stands, other)
		}
	}
	command := directory.SetContacts(name, key.ID(), c)
	switch {
	case !active:
		m.queue(command, wants(wire.ErrRefused))
	case c.Version+1 == known.version && string(c.Token) == known.token:
		m.queue(command, wants(nil))
	case c.Version != known.version:
		m.queue(command, wants(wire.ErrConflict))
	default:
		next := letIn{version: known.version + 1, token: string(c.Token), policy: max(known.policy, directory.PolicyOpen), stands: stands}
		if c.Policy != directory.PolicyUnchanged {
			next.policy = c.Policy
		}
		m.contacts[name] = next
		m.queue(command, wants(nil))
	}
}

func (m *model) compareContacts(t *rapid.T, of record.Account) {
	want := m.contacts[of]
	got, err := m.Contacts(of)
	if err != nil || got.Version != want.version || got.Policy != max(want.policy, directory.PolicyOpen) || len(got.Accepted)+len(got.Blocked) != len(want.stands) {
		t.Fatalf("contacts of %s: %+v, %v; want %+v", of, got, err, want)
	}
	others := accounts{"alice1", "bob1", "carol1", "dave1"}
	seen, err := m.SeenBy(of, others...)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range others {
		switch want.stands[other] {
		case 'a':
			if !slices.Contains(got.Accepted, other) {
				t.Fatalf("%s has not accepted %s", of, other)
			}
		case 'b':
			if !slices.Contains(got.Blocked, other) {
				t.Fatalf("%s has not blocked %s", of, other)
			}
		}
		sees := other == of || want.stands[other] == 'a' || want.stands[other] == 0 && want.policy != directory.PolicyAsk
		for _, chain := range m.groups {
			sees = sees || chain.Member(of) && chain.Member(other)
		}
		if seen[other] != sees {
			t.Fatalf("%s is seen by %s: %t, want %t", of, other, seen[other], sees)
		}
	}
}
