package directory_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// model is what the directory should hold, kept by the simplest means, with the
// directory itself and the log that both were given.
type model struct {
	store *storetest.Memory
	*directory.Directory
	log     []directory.Entry
	pending []directory.Entry
	expect  []func(*rapid.T, directory.Result) // one per pending entry

	people map[record.Account]*directorytest.Person
	stock  map[peer.ID][][]byte // prekeys left, oldest first
	bundle map[peer.ID][]byte
	number map[peer.ID]uint32 // of bundle
	starts map[peer.ID]start
	groups map[record.GroupName]record.Chain

	contacts map[record.Account]letIn
	left     map[stay]uint64 // how long the chain was then
	mail     mailModel
	terms    termsModel
}

// stay is somebody's in a group.
type stay struct {
	who   record.Account
	group record.GroupName
}

var (
	someName  = rapid.SampledFrom([]record.Account{"alice1", "bob1", "carol1", "dave1"})
	someGroup = rapid.SampledFrom([]record.GroupName{"friends", "friends-2", "work"})
)

// TestModel gives a directory random commands in random batches, crashes it
// between, and compares it with the model; at the end a replay of the whole log,
// cut elsewhere and with repetitions, must leave the same bytes.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			store:  storetest.NewMemory(),
			people: map[record.Account]*directorytest.Person{},
			stock:  map[peer.ID][][]byte{}, bundle: map[peer.ID][]byte{}, number: map[peer.ID]uint32{}, starts: map[peer.ID]start{},
			groups: map[record.GroupName]record.Chain{}, left: map[stay]uint64{}, contacts: map[record.Account]letIn{},
			mail: newMailModel(), terms: termsModel{codes: map[int]modelCode{}},
		}
		m.open(t)
		m.found()
		t.Repeat(map[string]func(*rapid.T){
			"signUp": m.signUp, "signUp again": m.signUp, "addDevice": m.addDevice, "revoke": m.revoke,
			"publish": m.publish, "take": m.take, "start": m.start, "setContacts": m.setContacts,
			"create": m.create, "join": m.join, "rekey": m.rekey, "leave": m.leave, "remove": m.remove,
			"invite": m.invite, "promote": m.promote, "again": m.again,
			"putMail": m.putMail, "stuff": m.stuff, "takeMail": m.takeMail, "tick": m.tick,
			"putGroupMail": m.putGroupMail, "putGroupMail again": m.putGroupMail, "takeGroupMail": m.takeGroupMail,
			"setTerms": m.setTerms, "giveOut": m.giveOut, "takeBack": m.takeBack,
			"flush": m.flush, "crash": m.crash, "": func(*rapid.T) {},
		})
		m.flush(t)
		m.compare(t)
		m.replay(t)
	})
}

// found makes most of the people and of the groups, and some invitations: rapid ends a run early in
// which most of what it tries finds nobody to do it.
func (m *model) found() {
	for _, name := range []record.Account{"alice1", "bob1", "carol1"} {
		m.people[name] = directorytest.NewPerson(name)
		m.queue(m.people[name].SignUp(), wants(nil))
	}
	for n := range codes / 2 {
		m.terms.codes[n] = modelCode{expires: directory.MaxInvitation}
		m.queue(directory.Invite(hashes(n), directory.MaxInvitation), wants(nil))
	}
	for _, name := range []record.GroupName{"friends", "work"} {
		m.extend(record.Chain{}, name, m.people["alice1"].Create(record.NewGroupID(), name))
		m.extend(m.groups[name], name, m.people["bob1"].Join(m.groups[name]))
	}
}

func (m *model) open(t *rapid.T) {
	var err error
	if m.Directory, err = directory.New(hasty{m.store}); err != nil {
		t.Fatal(err)
	}
}

func (m *model) queue(command []byte, expect func(*rapid.T, directory.Result)) {
	index := uint64(len(m.log) + len(m.pending) + 1)
	m.pending = append(m.pending, directory.Entry{Index: index, Term: 1, Command: command})
	m.expect = append(m.expect, expect)
}

func wants(want error) func(*rapid.T, directory.Result) {
	return func(t *rapid.T, r directory.Result) {
		if !errors.Is(r.Err, want) {
			t.Fatalf("result %v, want %v", r.Err, want)
		}
	}
}

// person draws an account and returns nil if it does not exist, whose commands
// must then be refused.
func (m *model) person(t *rapid.T) (record.Account, *directorytest.Person) {
	name := someName.Draw(t, "account")
	return name, m.people[name]
}

func (m *model) addDevice(t *rapid.T) {
	name, p := m.person(t)
	if p == nil {
		m.queue(directory.AppendDevice(name, nil), wants(wire.ErrNoAccount))
		return
	}
	key := directorytest.NewKey()
	entry := p.Entry(record.AddDevice, key)
	if len(p.Log.Active()) == record.MaxDevices {
		m.queue(directory.AppendDevice(name, entry), wants(wire.ErrRefused))
		return
	}
	rival := p.Entry(record.AddDevice, directorytest.NewKey())
	p.Keep(entry)
	p.Devices = append(p.Devices, key)
	m.queue(directory.AppendDevice(name, entry), wants(nil))
	m.queue(directory.AppendDevice(name, rival), wants(wire.ErrConflict))
	m.queue(directory.AppendDevice(name, entry), wants(nil))
}

// device draws one of a person's devices, revoked ones included.
func (m *model) device(t *rapid.T, p *directorytest.Person) (directorytest.Key, bool) {
	key := p.Devices[rapid.IntRange(0, len(p.Devices)-1).Draw(t, "device")]
	return key, p.Log.Has(key.ID())
}

func (m *model) revoke(t *rapid.T) {
	name, p := m.person(t)
	if p == nil {
		t.Skip("nobody")
	}
	key, active := m.device(t, p)
	entry := p.Entry(record.RevokeDevice, key)
	if !active {
		m.queue(directory.AppendDevice(name, entry), wants(wire.ErrRefused))
		return
	}
	p.Keep(entry)
	delete(m.stock, key.ID())
	delete(m.bundle, key.ID())
	delete(m.starts, key.ID())
	delete(m.mail.queues, key.ID())
	m.queue(directory.AppendDevice(name, entry), wants(nil))
}

func (m *model) publish(t *rapid.T) {
	name, p := m.person(t)
	if p == nil {
		t.Skip("nobody")
	}
	key, active := m.device(t, p)
	id := key.ID()
	number := rapid.Uint32().Draw(t, "bundle")
	bundle := p.Bundle(key, number)
	prekeys := p.Prekeys(key, rapid.SampledFrom([]int{0, 1, 2, 60}).Draw(t, "prekeys"))
	command := directory.PublishKeys(name, id, bundle, prekeys...)
	switch {
	case !active:
		m.queue(command, wants(wire.ErrRefused))
	case len(m.stock[id])+len(prekeys) > record.MaxPrekeys:
		m.queue(command, wants(wire.ErrFull))
	default:
		m.stock[id] = append(slices.Clone(m.stock[id]), prekeys...)
		if number >= m.number[id] { // else it is an old one
			m.bundle[id], m.number[id] = bundle, number
		}
		if len(prekeys) > 0 {
			known := m.starts[id]
			known.highest = prekeyID(t, prekeys[len(prekeys)-1], id)
			m.starts[id] = known
		}
		m.queue(command, wants(nil))
	}
}

func prekeyID(t *rapid.T, signed []byte, device peer.ID) uint32 {
	p, err := record.VerifyOneTimePrekey(signed, device)
	if err != nil {
		t.Fatal(err)
	}
	return p.ID
}

func (m *model) take(t *rapid.T) {
	name, p := m.person(t)
	if p == nil {
		m.queue(directory.TakeKeys(name, []peer.ID{directorytest.NewKey().ID()}), wants(wire.ErrNoAccount))
		return
	}
	key, _ := m.device(t, p)
	id := key.ID()
	want := "[]"
	if bundle := m.bundle[id]; bundle != nil {
		keys := directory.DeviceKeys{Device: id, Bundle: bundle}
		if left := m.stock[id]; len(left) > 0 {
			keys.OneTime, keys.Left, m.stock[id] = left[0], len(left)-1, left[1:]
		}
		want = fmt.Sprint([]directory.DeviceKeys{keys})
	}
	m.queue(directory.TakeKeys(name, []peer.ID{id}), func(t *rapid.T, r directory.Result) {
		wants(nil)(t, r)
		if got, err := directory.ParseTakenKeys(r.Value); err != nil || fmt.Sprint(got) != want {
			t.Fatalf("taken %v, %v; want %v", got, err, want)
		}
	})
}

func (m *model) create(t *rapid.T) {
	_, p := m.person(t)
	name := someGroup.Draw(t, "group")
	if p == nil {
		t.Skip("nobody")
	}
	statement := p.CreateWith(record.NewGroupID(), name, record.Settings{Private: rapid.Bool().Draw(t, "private")})
	_, taken := m.groups[name]
	switch {
	case taken:
		m.queue(directory.AppendGroup(statement), wants(wire.ErrGroupTaken))
	case !p.Log.Has(p.Devices[0].ID()):
		m.queue(directory.AppendGroup(statement), wants(wire.ErrRefused))
	default:
		m.extend(record.Chain{}, name, statement)
	}
}

func (m *model) join(t *rapid.T) {
	m.append(t, (*directorytest.Person).Join, func(c record.Chain, a record.Account) bool {
		return !c.Member(a) && (c.Invited(a) || !c.Settings().Private && !c.Removed(a))
	})
}
func (m *model) rekey(t *rapid.T) { m.append(t, (*directorytest.Person).Rekey, record.Chain.Member) }
func (m *model) leave(t *rapid.T) { m.append(t, (*directorytest.Person).Leave, record.Chain.Member) }

func (m *model) remove(t *rapid.T) {
	who := someName.Draw(t, "whom")
	m.append(t, func(p *directorytest.Person, c record.Chain) []byte { return p.Remove(c, who) }, func(c record.Chain, a record.Account) bool {
		return c.Admin(a) && who != a && (c.Member(who) || c.Invited(who))
	})
}

func (m *model) invite(t *rapid.T) {
	who := someName.Draw(t, "whom")
	m.append(t, func(p *directorytest.Person, c record.Chain) []byte { return p.Invite(c, who) }, func(c record.Chain, a record.Account) bool {
		return c.Admin(a) && !c.Member(who) && !c.Invited(who)
	})
}

func (m *model) promote(t *rapid.T) {
	who := someName.Draw(t, "whom")
	m.append(t, func(p *directorytest.Person, c record.Chain) []byte { return p.MakeAdmin(c, who) }, func(c record.Chain, a record.Account) bool {
		return c.Admin(a) && c.Member(who) && !c.Admin(who)
	})
}

// insider returns somebody who may see a group's chain, if there is anybody.
func (m *model) insider(c record.Chain) record.Account {
	for name := range m.people {
		if c.Shows(name) {
			return name
		}
	}
	return "nobody1"
}

// append queues a statement that not everybody may make.
func (m *model) append(t *rapid.T, sign func(*directorytest.Person, record.Chain) []byte, may func(record.Chain, record.Account) bool) {
	_, p := m.person(t)
	name := someGroup.Draw(t, "group")
	chain, known := m.groups[name]
	if p == nil || !known {
		t.Skip("nobody or nowhere")
	}
	statement := sign(p, chain)
	if !chain.Shows(p.Account) {
		m.queue(directory.AppendGroup(statement), wants(wire.ErrNoGroup))
		return
	}
	if !may(chain, p.Account) || !p.Log.Has(p.Devices[0].ID()) {
		m.queue(directory.AppendGroup(statement), wants(wire.ErrRefused))
		return
	}
	m.extend(chain, name, statement)
}

func (m *model) extend(chain record.Chain, name record.GroupName, statement []byte) {
	next, err := chain.Append(statement, func(record.Account, peer.ID) bool { return true })
	if err != nil {
		panic(err)
	}
	for who := range m.people {
		switch {
		case chain.Member(who) && !next.Member(who):
			m.left[stay{who, name}] = next.Len()
		case next.Member(who):
			delete(m.left, stay{who, name})
		}
	}
	m.groups[name] = next
	for _, member := range chain.Members() {
		if !next.Member(member) {
			m.mail.left(next.ID(), member)
		}
	}
	m.queue(directory.AppendGroup(statement), wants(nil))
}

// again proposes a statement or an entry of the past once more: it must succeed
// and change nothing.
func (m *model) again(t *rapid.T) {
	name := someGroup.Draw(t, "group")
	chain, known := m.groups[name]
	if !known || chain.Settings().Private && len(chain.Members()) == 0 {
		t.Skip("nothing yet, or nobody may see it any more")
	}
	m.flush(t)
	seq := rapid.Uint64Range(0, chain.Len()-1).Draw(t, "seq")
	page, err := m.Group(m.insider(chain), chain.ID(), seq, 1)
	if err != nil {
		t.Fatal(err)
	}
	m.queue(directory.AppendGroup(page.Statements[0]), func(t *rapid.T, r directory.Result) {
		if r.Err != nil || r.Events != nil {
			t.Fatalf("again: %v, %v", r.Err, r.Events)
		}
	})
}

// flush applies what is pending in one batch.
func (m *model) flush(t *rapid.T) {
	results, err := m.Apply(m.pending)
	if err != nil {
		t.Fatal(err)
	}
	for i, expect := range m.expect {
		expect(t, results[i])
	}
	m.log = append(m.log, m.pending...)
	m.pending, m.expect = nil, nil
	if got, want := m.AppliedIndex(), uint64(len(m.log)); got != want {
		t.Fatalf("applied index %d after %d entries", got, want)
	}
}

// crash applies what is pending without anybody hearing of it, either in part
// or not at all, and starts again from what the store holds. The log then
// brings entries that were applied already.
func (m *model) crash(t *rapid.T) {
	disk := m.store.Clone()
	survived, err := directory.New(hasty{disk})
	if err != nil {
		t.Fatal(err)
	}
	if n := rapid.IntRange(0, len(m.pending)).Draw(t, "applied"); n > 0 {
		if _, err := survived.Apply(m.pending[:n]); err != nil {
			t.Fatal(err)
		}
	}
	lost := survived.AppliedIndex() - uint64(len(m.log))
	m.store = disk
	m.open(t)
	repeated := m.log[rapid.IntRange(0, len(m.log)).Draw(t, "from"):]
	if _, err := m.Apply(append(slices.Clone(repeated), m.pending[:lost]...)); err != nil {
		t.Fatal(err)
	}
	m.log = append(m.log, m.pending[:lost]...)
	m.pending, m.expect = m.pending[lost:], m.expect[lost:]
	if got, want := m.AppliedIndex(), uint64(len(m.log)); got != want {
		t.Fatalf("applied index %d after a crash at %d", got, want)
	}
}

// compare asks the directory for all that the model knows.
func (m *model) compare(t *rapid.T) {
	if size, err := m.Size(); err != nil || size != (directory.Size{Accounts: uint64(len(m.people)), Groups: uint64(len(m.groups))}) {
		t.Fatalf("%+v, %v; want %d accounts and %d groups", size, err, len(m.people), len(m.groups))
	}
	for name, p := range m.people {
		account, err := m.Account(name)
		if err != nil || account.Log.Head() != p.Log.Head() || uint64(len(account.Devices)) != p.Log.Len() ||
			!bytes.Equal(account.Identity, p.Identity.Public()) {
			t.Fatalf("account %s: %d entries, %v", name, len(account.Devices), err)
		}
		for _, key := range p.Devices {
			owner, active, err := m.AccountOfDevice(key.ID())
			if err != nil || owner != name || active != p.Log.Has(key.ID()) {
				t.Fatalf("device of %s: %s, %v, %v", name, owner, active, err)
			}
			if left, err := m.PrekeysLeft(name, key.ID()); err != nil || left != len(m.stock[key.ID()]) {
				t.Fatalf("%d prekeys left, %v; want %d", left, err, len(m.stock[key.ID()]))
			}
		}
		m.compareGroups(t, name)
		m.compareContacts(t, name)
	}
	m.compareMail(t)
	m.compareTerms(t)
}

// compareGroups asks for all groups as an account: those that it may know of are
// listed and shown, and of a private one that it has left the part that it knew.
func (m *model) compareGroups(t *rapid.T, asking record.Account) {
	page, more, err := m.Groups(directory.GroupQuery{For: asking, Limit: 10})
	if err != nil || more {
		t.Fatalf("%d groups and more: %t, %v", len(page), more, err)
	}
	listed := make(map[record.GroupName]directory.GroupSummary)
	for _, g := range page {
		listed[g.Name] = g
	}
	mine, concern := 0, 0
	for name, chain := range m.groups {
		var want directory.GroupSummary
		length := m.left[stay{asking, name}]
		if chain.Shows(asking) {
			length = chain.Len()
			want = directory.GroupSummary{
				ID: chain.ID(), Name: name, Members: len(chain.Members()), Length: length,
				Mine: chain.Member(asking), Invited: chain.Invited(asking), Private: chain.Settings().Private,
			}
		}
		if listed[name] != want {
			t.Fatalf("%s is listed for %s as %+v, want %+v", name, asking, listed[name], want)
		}
		stored, err := m.Group(asking, chain.ID(), 0, record.MaxChain)
		if length == 0 && !errors.Is(err, wire.ErrNoGroup) {
			t.Fatalf("%s is shown to %s, %v", name, asking, err)
		}
		if length > 0 && (err != nil || stored.Chain.Head() != chain.Head() || stored.Length != length || uint64(len(stored.Statements)) != length) {
			t.Fatalf("%s is shown %d statements of %d, %v", asking, len(stored.Statements), stored.Length, err)
		}
		if want.Mine {
			mine++
		}
		if want.Mine || want.Invited {
			concern++
		}
	}
	if ids, err := m.GroupsOf(asking); err != nil || len(ids) != mine {
		t.Fatalf("in %d groups, %v; want %d", len(ids), err, mine)
	}
	if page, _, err := m.Groups(directory.GroupQuery{For: asking, Mine: true, Limit: 10}); err != nil || len(page) != concern {
		t.Fatalf("%d groups concern %s, %v; want %d", len(page), asking, err, concern)
	}
}

// replay applies the whole log to an empty store in other batches, with entries
// coming twice, and then again with a crash at every write.
func (m *model) replay(t *rapid.T) {
	other := storetest.NewMemory()
	d, err := directory.New(hasty{other})
	if err != nil {
		t.Fatal(err)
	}
	for done := 0; done < len(m.log); {
		from := rapid.IntRange(0, done).Draw(t, "from")
		to := rapid.IntRange(done+1, len(m.log)).Draw(t, "to")
		if _, err := d.Apply(m.log[from:to]); err != nil {
			t.Fatal(err)
		}
		done = to
	}
	if !storetest.Same(storetest.Dump(t, m.store), storetest.Dump(t, other)) {
		t.Fatal("a replay leaves other bytes")
	}
	killed := replayBrittle(t, m.log, func(applied int) (from, to int, after bool) {
		return rapid.IntRange(0, applied).Draw(t, "from"), rapid.IntRange(applied+1, len(m.log)).Draw(t, "to"), rapid.Bool().Draw(t, "written")
	})
	if !storetest.Same(storetest.Dump(t, m.store), storetest.Dump(t, killed)) {
		t.Fatal("a replay under crashes leaves other bytes")
	}
}
