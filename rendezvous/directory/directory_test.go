package directory_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
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
	d, err := directory.New(store)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{TB: t, Directory: d, store: store}
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

func TestSignUp(t *testing.T) {
	b := newBench(t)
	alice := directorytest.NewPerson("alice1")
	r := b.ok(alice.SignUp())
	if want := (directory.AccountChanged{Account: "alice1"}); len(r.Events) != 1 || r.Events[0] != want {
		t.Errorf("events %v, want %v", r.Events, want)
	}
	account, err := b.Account("alice1")
	if err != nil || !bytes.Equal(account.Identity, alice.Identity.Public()) || len(account.Devices) != 1 {
		t.Errorf("Account: %+v, %v", account, err)
	}
	credentials, err := b.Credentials("alice1")
	if err != nil || string(credentials.Vault) != "vault of alice1" || credentials.Version != 1 || len(credentials.OpaqueRecord) != 192 {
		t.Errorf("Credentials: %+v, %v", credentials, err)
	}
	name, active, err := b.AccountOfDevice(alice.Devices[0].ID())
	if err != nil || name != "alice1" || !active {
		t.Errorf("AccountOfDevice: %q, %v, %v", name, active, err)
	}
	if r := b.ok(alice.SignUp()); r.Events != nil {
		t.Errorf("a repeated sign-up has events %v", r.Events)
	}
	b.refused(wire.ErrNameTaken, "another's sign-up", directorytest.NewPerson("alice1").SignUp())
}

func TestSignUpRefuses(t *testing.T) {
	b := newBench(t)
	p := directorytest.NewPerson("alice1")
	entry := p.Entry(record.AddDevice, p.Devices[0])
	first := directorytest.NewPerson("alice1")
	firstEntry := record.NewDeviceLog("alice1", first.Identity.Public()).
		Next(record.AddDevice, first.Devices[0].ID(), "", directorytest.Now).Sign(first.Identity)
	opaque, vault, identity := make([]byte, 192), []byte("vault"), first.Identity.Public()
	for _, c := range []struct {
		what    string
		want    error
		command []byte
	}{
		{"upper case", wire.ErrBadRequest, directory.SignUp("Alice1", opaque, vault, identity, firstEntry)},
		{"no name", wire.ErrBadRequest, directory.SignUp("", opaque, vault, identity, firstEntry)},
		{"another's entry", wire.ErrConflict, directory.SignUp("bob1", opaque, vault, identity, firstEntry)},
		{"short login record", wire.ErrBadRequest, directory.SignUp("alice1", opaque[1:], vault, identity, firstEntry)},
		{"long login record", wire.ErrBadRequest, directory.SignUp("alice1", make([]byte, wire.MaxOpaque+1), vault, identity, firstEntry)},
		{"long vault", wire.ErrTooLarge, directory.SignUp("alice1", opaque, make([]byte, wire.MaxVault+1), identity, firstEntry)},
		{"short identity", wire.ErrBadRequest, directory.SignUp("alice1", opaque, vault, identity[1:], firstEntry)},
		{"foreign identity", wire.ErrBadRequest, directory.SignUp("alice1", opaque, vault, p.Identity.Public(), firstEntry)},
		{"second entry", wire.ErrConflict, directory.SignUp("alice1", opaque, vault, p.Identity.Public(), entry)},
		{"no entry", wire.ErrBadRequest, directory.SignUp("alice1", opaque, vault, identity, nil)},
	} {
		b.refused(c.want, c.what, c.command)
	}
}

// A device key speaks for one account and is never used again.
func TestDeviceBelongsToOneAccount(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	stolen := alice.Devices[0]
	mallory := directorytest.NewKey()
	entry := record.NewDeviceLog("mallory1", mallory.Public()).
		Next(record.AddDevice, stolen.ID(), "", directorytest.Now).Sign(mallory)
	b.refused(wire.ErrRefused, "sign-up with another's device",
		directory.SignUp("mallory1", make([]byte, 192), nil, mallory.Public(), entry))

	bob := b.signUp("bob1")
	b.refused(wire.ErrRefused, "another's device", directory.AppendDevice("bob1", bob.Entry(record.AddDevice, stolen)))
	revoke := alice.Entry(record.RevokeDevice, stolen)
	b.ok(directory.AppendDevice("alice1", revoke))
	b.refused(wire.ErrRefused, "another's revoked device", directory.AppendDevice("bob1", bob.Entry(record.AddDevice, stolen)))
	if name, active, err := b.AccountOfDevice(stolen.ID()); err != nil || name != "alice1" || active {
		t.Errorf("AccountOfDevice of a revoked device: %q, %v, %v", name, active, err)
	}
}

func TestAppendDevice(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	laptop, phone := directorytest.NewKey(), directorytest.NewKey()
	entry, rival := alice.Entry(record.AddDevice, laptop), alice.Entry(record.AddDevice, phone)
	b.ok(directory.AppendDevice("alice1", entry))
	alice.Keep(entry)
	b.refused(wire.ErrConflict, "entry on the same head", directory.AppendDevice("alice1", rival))
	b.refused(wire.ErrNoAccount, "no account", directory.AppendDevice("bob1", entry))
	b.refused(wire.ErrRefused, "device twice", directory.AppendDevice("alice1", alice.Entry(record.AddDevice, laptop)))
	if r := b.ok(directory.AppendDevice("alice1", entry)); r.Events != nil {
		t.Errorf("a repeated entry has events %v", r.Events)
	}
	forged := alice.Log.Next(record.AddDevice, phone.ID(), "", directorytest.Now).Sign(laptop)
	b.refused(wire.ErrBadRequest, "signed by a device", directory.AppendDevice("alice1", forged))

	for i := 2; i < record.MaxDevices; i++ {
		entry := alice.Entry(record.AddDevice, directorytest.NewKey())
		b.ok(directory.AppendDevice("alice1", entry))
		alice.Keep(entry)
	}
	b.refused(wire.ErrRefused, "one device too many", directory.AppendDevice("alice1", alice.Entry(record.AddDevice, phone)))
	account, err := b.Account("alice1")
	if err != nil {
		t.Fatal(err)
	}
	log, err := record.VerifyDeviceLog("alice1", account.Identity, account.Devices)
	if err != nil || log.Head() != account.Log.Head() || log.Len() != record.MaxDevices {
		t.Errorf("the stored log verifies to length %d, %v", log.Len(), err)
	}
}

func TestDeviceLogFull(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	for alice.Log.Len() < record.MaxDeviceLog {
		key := directorytest.NewKey()
		for _, op := range []record.DeviceOp{record.AddDevice, record.RevokeDevice} {
			if alice.Log.Len() < record.MaxDeviceLog {
				entry := alice.Entry(op, key)
				b.ok(directory.AppendDevice("alice1", entry))
				alice.Keep(entry)
			}
		}
	}
	b.refused(wire.ErrFull, "full log", directory.AppendDevice("alice1", alice.Entry(record.AddDevice, directorytest.NewKey())))
}

func TestKeys(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	key := alice.Devices[0]
	bundle, prekeys := alice.Bundle(key, 1), alice.Prekeys(key, wire.PrekeyLow+1)
	if got := b.ok(directory.TakeKeys("alice1", []peer.ID{key.ID()})); len(got.Value) != 0 || got.Events != nil {
		t.Errorf("taken before anything was published: %+v", got)
	}
	if r := b.ok(directory.PublishKeys("alice1", key.ID(), bundle, prekeys...)); len(r.Events) != 1 {
		t.Errorf("events of a new bundle: %v", r.Events)
	}
	if r := b.ok(directory.PublishKeys("alice1", key.ID(), bundle)); r.Events != nil {
		t.Errorf("events of the same bundle: %v", r.Events)
	}
	got := b.take(alice, key.ID())
	if !bytes.Equal(got.Bundle, bundle) || !bytes.Equal(got.OneTime, prekeys[0]) || got.Left != wire.PrekeyLow || got.Device != key.ID() {
		t.Errorf("taken: %d left", got.Left)
	}
	r := b.ok(directory.TakeKeys("alice1", []peer.ID{key.ID()}))
	want := directory.KeysLow{Account: "alice1", Device: key.ID(), Left: wire.PrekeyLow - 1}
	if len(r.Events) != 1 || r.Events[0] != want {
		t.Errorf("events %v, want %v", r.Events, want)
	}
	// A publication whose answer was lost comes again: what was taken stays so.
	b.ok(directory.PublishKeys("alice1", key.ID(), bundle, prekeys...))
	for i := 2; i <= wire.PrekeyLow; i++ {
		if got := b.take(alice, key.ID()); !bytes.Equal(got.OneTime, prekeys[i]) {
			t.Errorf("prekey %d is not the oldest left", i)
		}
	}
	if got := b.take(alice, key.ID()); got.OneTime != nil || got.Left != 0 || !bytes.Equal(got.Bundle, bundle) {
		t.Errorf("taken from an empty stock: %+v", got)
	}
	if left, err := b.PrekeysLeft("alice1", key.ID()); err != nil || left != 0 {
		t.Errorf("PrekeysLeft: %d, %v", left, err)
	}
}

func TestPublishKeysRefuses(t *testing.T) {
	b := newBench(t)
	alice, bob := b.signUp("alice1"), b.signUp("bob1")
	key, id := alice.Devices[0], alice.Devices[0].ID()
	full := alice.Prekeys(key, record.MaxPrekeys)
	more := alice.Prekeys(key, 1)
	zero := record.OneTimePrekey{Device: id, ID: 0}.Sign(key)
	for _, c := range []struct {
		what    string
		want    error
		command []byte
	}{
		{"no account", wire.ErrNoAccount, directory.PublishKeys("carol1", id, nil)},
		{"another's device", wire.ErrRefused, directory.PublishKeys("bob1", id, nil)},
		{"no device", wire.ErrBadRequest, directory.PublishKeys("alice1", "", nil)},
		{"another's bundle", wire.ErrConflict, directory.PublishKeys("alice1", id, bob.Bundle(bob.Devices[0], 1))},
		{"bundle signed by another", wire.ErrBadRequest, directory.PublishKeys("alice1", id, record.Bundle{Account: "alice1", Device: id}.Sign(bob.Devices[0]))},
		{"another's prekey", wire.ErrConflict, directory.PublishKeys("alice1", id, nil, bob.Prekeys(bob.Devices[0], 1)...)},
		{"prekey zero", wire.ErrBadRequest, directory.PublishKeys("alice1", id, nil, zero)},
		{"same prekey twice", wire.ErrBadRequest, directory.PublishKeys("alice1", id, nil, full[0], full[0])},
		{"falling IDs", wire.ErrBadRequest, directory.PublishKeys("alice1", id, nil, full[1], full[0])},
		{"too many at once", wire.ErrFull, directory.PublishKeys("alice1", id, nil, append(slices.Clone(full), more...)...)},
	} {
		b.refused(c.want, c.what, c.command)
	}
	b.ok(directory.PublishKeys("alice1", id, nil, full...))
	b.refused(wire.ErrFull, "above a full stock", directory.PublishKeys("alice1", id, nil, more...))
	b.refused(wire.ErrNoAccount, "keys of nobody", directory.TakeKeys("carol1", []peer.ID{id}))
	b.refused(wire.ErrBadRequest, "keys of no device", directory.TakeKeys("alice1", nil))
	b.refused(wire.ErrBadRequest, "keys of one device twice", directory.TakeKeys("alice1", []peer.ID{id, id}))
	b.refused(wire.ErrBadRequest, "keys of too many", directory.TakeKeys("alice1", make([]peer.ID, record.MaxDevices+1)))
}

func TestRevocationDropsKeys(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	key := alice.Devices[0]
	b.ok(directory.PublishKeys("alice1", key.ID(), alice.Bundle(key, 1), alice.Prekeys(key, 5)...))
	logout := alice.Log.Next(record.RevokeDevice, key.ID(), "", directorytest.Now).Sign(key)
	b.ok(directory.AppendDevice("alice1", logout))
	for _, p := range storetest.Dump(t, b.store) {
		if bytes.Contains(p.Key, []byte("alice1\x00b")) || bytes.Contains(p.Key, []byte("alice1\x00o")) || bytes.Contains(p.Key, []byte("alice1\x00s")) {
			t.Errorf("left behind: %q", p.Key)
		}
	}
	b.refused(wire.ErrRefused, "publish from a revoked device", directory.PublishKeys("alice1", key.ID(), alice.Bundle(key, 2)))
	if r := b.ok(directory.TakeKeys("alice1", []peer.ID{key.ID()})); len(r.Value) != 0 {
		t.Error("a revoked device's keys were handed out")
	}
}

func TestGroups(t *testing.T) {
	b := newBench(t)
	alice, bob, carol := b.signUp("alice1"), b.signUp("bob1"), b.signUp("carol1")
	id := record.GroupID{7}
	create := alice.Create(id, "friends")
	r := b.ok(directory.AppendGroup(create))
	event := r.Events[0].(directory.GroupChanged)
	if event.Group != id || event.Length != 1 || !slices.Equal(event.Members, []record.Account{"alice1"}) {
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
	if _, err := b.Group(record.GroupID{9}, 0, 1); !errors.Is(err, wire.ErrNoGroup) {
		t.Errorf("Group: %v", err)
	}
	if got, err := b.GroupsOf("bob1"); err != nil || !slices.Equal(got, []record.GroupID{id}) {
		t.Errorf("GroupsOf: %v, %v", got, err)
	}
}

func (b *bench) chain(id record.GroupID) record.Chain {
	b.Helper()
	page, err := b.Group(id, 0, 1)
	if err != nil {
		b.Fatal(err)
	}
	return page.Chain
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
		page, err := b.Group(id, uint64(len(statements)), wire.ChainPage)
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
	} {
		if got := list(c.q); got != c.want {
			t.Errorf("%+v: %q, want %q", c.q, got, c.want)
		}
	}
}

func TestQueriesOfNobody(t *testing.T) {
	b := newBench(t)
	_, err := b.Account("alice1")
	_, err2 := b.Credentials("alice1")
	_, _, err3 := b.AccountOfDevice(directorytest.NewKey().ID())
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, wire.ErrNoAccount) {
			t.Errorf("%v, want ErrNoAccount", err)
		}
	}
}

// Names that only begin alike do not see each other's keys.
func TestNamesThatBeginAlike(t *testing.T) {
	b := newBench(t)
	short, long := b.signUp("al1"), b.signUp("al12")
	for _, p := range []*directorytest.Person{short, long} {
		account, err := b.Account(p.Account)
		if err != nil || !slices.Equal(account.Log.Active(), []peer.ID{p.Devices[0].ID()}) || len(account.Devices) != 1 {
			t.Errorf("%s: %d entries, %v", p.Account, len(account.Devices), err)
		}
	}
}

func TestIdentityIsCopied(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	account, err := b.Account("alice1")
	if err != nil {
		t.Fatal(err)
	}
	clear(account.Identity)
	if again, _ := b.Account("alice1"); !bytes.Equal(again.Identity, ed25519.PublicKey(alice.Identity.Public())) {
		t.Error("a caller changed the directory")
	}
}
