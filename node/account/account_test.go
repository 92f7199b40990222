package account

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func peerID(t testing.TB, k key.Device) peer.ID {
	t.Helper()
	public, err := crypto.UnmarshalEd25519PublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// person is an account with its log, as its owner has it.
type person struct {
	t        testing.TB
	identity key.Identity
	log      record.DeviceLog
	signed   [][]byte
}

func newPerson(t testing.TB) *person {
	identity := key.NewIdentity()
	return &person{t: t, identity: identity, log: record.NewDeviceLog("alice42", identity.Public().Bytes())}
}

func (p *person) enter(op record.DeviceOp, device peer.ID) {
	p.t.Helper()
	entry := p.log.Next(op, device, "laptop", now).Sign(p.identity)
	log, err := p.log.Append(entry)
	if err != nil {
		p.t.Fatal(err)
	}
	p.log, p.signed = log, append(slices.Clip(p.signed), entry)
}

func (p *person) claim() Claim {
	return Claim{Account: "alice42", Identity: p.identity.Public().Bytes(), Log: p.signed}
}

func TestContactGrows(t *testing.T) {
	p := newPerson(t)
	laptop, phone := peerID(t, key.NewDevice()), peerID(t, key.NewDevice())
	p.enter(record.AddDevice, laptop)
	first, change, err := Update(nil, p.claim())
	if err != nil || !change.FirstSeen || !slices.Equal(change.NewDevices, []peer.ID{laptop}) {
		t.Fatalf("first sight: %+v, %v", change, err)
	}
	same, change, err := Update(&first, p.claim())
	if err != nil || change.Any() || same.Devices().Len() != 1 {
		t.Fatalf("nothing new: %+v, %v", change, err)
	}
	first.Verified = true

	p.enter(record.AddDevice, phone)
	p.enter(record.RevokeDevice, laptop)
	second, change, err := Update(&first, p.claim())
	if err != nil || change.FirstSeen || !slices.Equal(change.NewDevices, []peer.ID{phone}) || !slices.Equal(change.Revoked, []peer.ID{laptop}) {
		t.Fatalf("grown: %+v, %v", change, err)
	}
	if !second.Verified || !second.Devices().Has(phone) || second.Devices().Has(laptop) {
		t.Error("the contact is not what the log says")
	}
	if first.Devices().Len() != 1 || len(first.Log) != 1 {
		t.Error("the earlier contact changed")
	}
	again, err := NewContact(second.Account, second.Identity, second.Log)
	if err != nil || again.Devices().Head() != second.Devices().Head() {
		t.Errorf("does not come back from its parts: %v", err)
	}
}

func TestContactRefuses(t *testing.T) {
	p := newPerson(t)
	laptop, phone := peerID(t, key.NewDevice()), peerID(t, key.NewDevice())
	p.enter(record.AddDevice, laptop)
	short := p.claim()
	fork := *p
	p.enter(record.AddDevice, phone)
	known, _, err := Update(nil, p.claim())
	if err != nil {
		t.Fatal(err)
	}
	fork.enter(record.AddDevice, peerID(t, key.NewDevice()))
	even := fork.claim()
	fork.enter(record.AddDevice, peerID(t, key.NewDevice()))

	stranger := newPerson(t)
	stranger.enter(record.AddDevice, laptop)
	renamed := p.claim()
	renamed.Account = "alice43"
	badTail := p.claim()
	badTail.Log = append(slices.Clone(badTail.Log), []byte("no entry"))
	noKey := p.claim()
	noKey.Identity = nil

	for _, test := range []struct {
		name  string
		claim Claim
		want  error
	}{
		{"a shorter log", short, ErrBehind},
		{"a forked log of the same length", even, record.ErrFork},
		{"a forked log", fork.claim(), record.ErrFork},
		{"another identity key", stranger.claim(), ErrIdentityChanged},
		{"another account", renamed, record.ErrChain},
		{"a malformed entry", badTail, record.ErrMalformed},
		{"no key", noKey, key.ErrInvalid},
	} {
		got, change, err := Update(&known, test.claim)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		if err == nil || change.Any() {
			t.Errorf("%s: %+v", test.name, change)
		}
		if !errors.Is(test.want, key.ErrInvalid) && got.Devices().Head() != known.Devices().Head() {
			t.Errorf("%s: the known contact does not stand", test.name)
		}
	}
	if _, _, err := Update(nil, Claim{Account: "alice42", Identity: stranger.claim().Identity, Log: p.signed}); !errors.Is(err, record.ErrSignature) {
		t.Errorf("a log under another key at first sight: %v", err)
	}

	known.Verified = true
	trusted, change, err := Trust(known, stranger.claim())
	if err != nil || trusted.Verified || trusted.Identity != stranger.identity.Public() {
		t.Errorf("trusted: %v", err)
	}
	if !slices.Equal(change.Revoked, []peer.ID{phone}) {
		t.Errorf("trusted: revoked %v", change.Revoked)
	}
	if _, _, err := Trust(known, renamed); err == nil {
		t.Error("trusted as another account")
	}
}

func TestCompareHeads(t *testing.T) {
	p := newPerson(t)
	p.enter(record.AddDevice, peerID(t, key.NewDevice()))
	early := p.log
	p.enter(record.AddDevice, peerID(t, key.NewDevice()))
	c, _, err := Update(nil, p.claim())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		length uint64
		head   record.Hash
		grown  bool
		err    error
	}{
		{"the same", 2, p.log.Head(), false, nil},
		{"a device that is behind", 1, early.Head(), false, nil},
		{"longer", 3, record.Hash{1}, true, nil},
		{"another head", 2, early.Head(), false, record.ErrFork},
		{"another past", 1, record.Hash{1}, false, record.ErrFork},
		{"nothing", 0, record.Hash{}, false, record.ErrFork},
	} {
		grown, err := c.Compare(test.length, test.head)
		if grown != test.grown || !errors.Is(err, test.err) {
			t.Errorf("%s: %v, %v", test.name, grown, err)
		}
	}
}

func TestVault(t *testing.T) {
	export := bytes.Repeat([]byte{7}, key.ExportKeySize)
	want := Vault{Identity: key.NewIdentity(), Sync: key.NewSync()}
	sealed, err := SealVault(export, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenVault(export, sealed)
	if err != nil || !got.Identity.Equal(want.Identity) || !got.Sync.Equal(want.Sync) {
		t.Fatalf("the vault comes back different: %v", err)
	}
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1
		if _, err := OpenVault(export, flipped); !errors.Is(err, ErrVault) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
	}
	for n := range len(sealed) {
		if _, err := OpenVault(export, sealed[:n]); !errors.Is(err, ErrVault) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	other := bytes.Repeat([]byte{8}, key.ExportKeySize)
	if _, err := OpenVault(other, sealed); !errors.Is(err, ErrVault) {
		t.Errorf("another password: %v", err)
	}
	if _, err := SealVault(nil, want); err == nil {
		t.Error("sealed without a key")
	}
}

// The fuzzer says what to change in a genuine vault, and how to go on after it.
func FuzzOpenVault(f *testing.F) {
	export := bytes.Repeat([]byte{7}, key.ExportKeySize)
	sealed, err := SealVault(export, Vault{Identity: key.NewIdentity(), Sync: key.NewSync()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(make([]byte, len(sealed)+1))
	f.Add([]byte{1, 0, 2})
	f.Fuzz(func(t *testing.T, mask []byte) {
		changed := append(bytes.Clone(sealed), make([]byte, max(0, len(mask)-len(sealed)))...)
		for i, m := range mask {
			changed[i] ^= m
		}
		if _, err := OpenVault(export, changed); (err == nil) != bytes.Equal(changed, sealed) {
			t.Errorf("changed by %x: %v", mask, err)
		}
	})
}

func TestKeysRotate(t *testing.T) {
	k := NewKeys(now)
	if _, changed := k.Rotate(now.Add(RotateAfter - time.Second)); changed {
		t.Error("rotated too early")
	}
	// A bundle is fetched just before its keys are replaced: for KeyLifetime from
	// then on they must still be there.
	first := k.Generations[0]
	replaced := now.Add(RotateAfter)
	ids := map[uint32]bool{first.SignedID: true, first.LastResortID: true}
	for day := range 120 {
		at := now.Add(time.Duration(day) * 24 * time.Hour)
		next, changed := k.Rotate(at)
		if changed {
			g := next.Generations[0]
			if ids[g.SignedID] || ids[g.LastResortID] || g.SignedID == 0 || g.LastResortID == 0 {
				t.Fatal("an ID was used again, or is 0")
			}
			ids[g.SignedID], ids[g.LastResortID] = true, true
		}
		k = next
		_, signed := k.SignedPrekey(first.SignedID)
		_, lastResort := k.LastResort(first.LastResortID)
		if want := at.Before(replaced.Add(KeyLifetime)); want && !(signed && lastResort) {
			t.Fatalf("day %d: the first keys are gone", day)
		}
		if signed && at.After(replaced.Add(KeyLifetime+RotateAfter)) {
			t.Fatalf("day %d: the first keys are still there", day)
		}
		if len(k.Generations) > maxGenerations {
			t.Fatalf("day %d: %d generations", day, len(k.Generations))
		}
	}
}

// Whenever a device is online: a prekey that was the published one opens what a mailbox
// keeps for 30 days from then on, is replaced after a week, and goes in the end.
func TestKeysRotateWheneverOnline(t *testing.T) {
	const day = 24 * time.Hour
	const week, mailbox = 7 * day, 30 * day
	rapid.Check(t, func(t *rapid.T) {
		k, at := NewKeys(now), now
		last := map[uint32]time.Time{} // by ID, when it was still the published one
		for range rapid.IntRange(1, 30).Draw(t, "times online") {
			away := rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(3, 60)).Draw(t, "days away")
			at = at.Add(time.Duration(away) * day)
			last[k.Generations[0].SignedID] = at // somebody may have fetched it just now
			before := k.Generations[0]
			next, changed := k.Rotate(at)
			if due := at.Sub(before.Made) >= week; changed != due || due == (next.Generations[0].SignedID == before.SignedID) {
				t.Fatalf("%v old, and changed: %t", at.Sub(before.Made), changed)
			}
			k = next
			for id, published := range last {
				_, signed := k.SignedPrekey(id)
				_, lastResort := k.LastResort(id + 1)
				if at.Sub(published) < mailbox && !(signed && lastResort) {
					t.Fatalf("prekey %d, published %v ago, is gone", id, at.Sub(published))
				}
			}
			if len(k.Generations) > maxGenerations {
				t.Fatalf("%d generations", len(k.Generations))
			}
		}
		for range 10 { // weeks
			at = at.Add(RotateAfter)
			k, _ = k.Rotate(at)
		}
		for id := range last {
			if _, there := k.SignedPrekey(id); there {
				t.Fatalf("prekey %d is still there ten weeks later", id)
			}
		}
	})
}

// A clock that was wrong by years does not hold the rotation up once it is right.
func TestKeysRotateAfterAWrongClock(t *testing.T) {
	wrong := NewKeys(now.AddDate(3, 0, 0))
	k, changed := wrong.Rotate(now)
	if !changed || !k.Generations[0].Made.Equal(now) {
		t.Fatal("keys from the future are never replaced")
	}
	if _, kept := k.SignedPrekey(wrong.Generations[0].SignedID); !kept {
		t.Error("what was published cannot be used any more")
	}
	if _, changed := k.Rotate(now.Add(-time.Hour)); changed {
		t.Error("an hour is enough to replace them")
	}
}

// A home that has gone back gives no ID again that the lost state may have used, and
// still opens what was begun with the bundle that it knows.
func TestKeysRenew(t *testing.T) {
	device := key.NewDevice()
	id := peerID(t, device)
	copied, _, _ := NewKeys(now).Refill(record.MaxPrekeys, id, device)
	lost, highest := copied, uint32(0)
	later := now
	for range 3 { // published
		later = later.Add(RotateAfter)
		lost, _ = lost.Rotate(later)
		var private []OneTime
		lost, private, _ = lost.Refill(record.MaxPrekeys, id, device)
		highest = private[len(private)-1].ID
	}
	for range 500 { // made, and never published
		lost, _, _ = lost.Refill(record.MaxPrekeys, id, device)
	}
	renewed := copied.Renew(highest, later)
	g := renewed.Generations[0]
	if g.SignedID < lost.NextID || g.LastResortID < lost.NextID || renewed.NextID <= g.LastResortID || g.SignedID == g.LastResortID {
		t.Errorf("the lost state was at %d; now there are %d and %d, and %d is next", lost.NextID, g.SignedID, g.LastResortID, renewed.NextID)
	}
	if !g.Made.Equal(later) {
		t.Errorf("made at %s", g.Made)
	}
	old := copied.Generations[0]
	if k, ok := renewed.SignedPrekey(old.SignedID); !ok || !k.Equal(old.Signed) {
		t.Error("the signed prekey that peers know is gone")
	}
	if k, ok := renewed.LastResort(old.LastResortID); !ok || !k.Equal(old.LastResort) {
		t.Error("the last-resort prekey that peers know is gone")
	}
	if again := copied.Renew(0, later); again.NextID <= copied.NextID {
		t.Error("without any published prekey the IDs do not rise")
	}
	if first := (Keys{}).Renew(0, now); len(first.Generations) != 1 || first.Generations[0].SignedID == 0 {
		t.Error("a device without keys does not get any")
	}
}

func TestPublishedKeys(t *testing.T) {
	device := key.NewDevice()
	id, dh := peerID(t, device), key.NewDH()
	k := NewKeys(now)
	b, err := record.VerifyBundle(k.Bundle("alice42", id, dh.Public(), now, device), "alice42", id)
	if err != nil {
		t.Fatal(err)
	}
	signed, ok := k.SignedPrekey(b.SignedPrekeyID)
	lastResort, ok2 := k.LastResort(b.LastResortID)
	if !ok || !ok2 || !bytes.Equal(signed.Public().Bytes(), b.SignedPrekey[:]) || !bytes.Equal(lastResort.Public().Bytes(), b.LastResort[:]) {
		t.Error("the bundle's prekeys are not the device's")
	}
	if !bytes.Equal(dh.Public().Bytes(), b.IdentityDH[:]) || !b.At.Equal(now) {
		t.Error("the bundle is not the device's")
	}

	next, private, public := k.Refill(record.MaxPrekeys+1, id, device)
	if len(private) != record.MaxPrekeys || len(public) != record.MaxPrekeys || k.NextID == next.NextID {
		t.Fatalf("%d private, %d public", len(private), len(public))
	}
	seen := make(map[uint32]bool)
	for i, signed := range public {
		p, err := record.VerifyOneTimePrekey(signed, id)
		if err != nil {
			t.Fatal(err)
		}
		if p.ID != private[i].ID || seen[p.ID] || !bytes.Equal(p.DH[:], private[i].DH.Public().Bytes()) || !bytes.Equal(p.KEM[:], private[i].KEM.Public().Bytes()) {
			t.Fatalf("prekey %d is not its private half's", i)
		}
		seen[p.ID] = true
	}
}

func TestComparisonNumber(t *testing.T) {
	a, b := key.NewIdentity().Public(), key.NewIdentity().Public()
	number := ComparisonNumber("alice42", a, "bob7", b)
	if groups := strings.Fields(number); len(groups) != 12 || slices.ContainsFunc(groups, func(g string) bool { return len(g) != 5 }) {
		t.Errorf("not twelve groups of five: %q", number)
	}
	if ComparisonNumber("bob7", b, "alice42", a) != number {
		t.Error("the two see different numbers")
	}
	if ComparisonNumber("alice42", b, "bob7", b) == number || ComparisonNumber("alice43", a, "bob7", b) == number {
		t.Error("another key or name gives the same number")
	}
	// Fixed, because people on different versions compare them.
	var seed [32]byte
	k, err := key.ParseIdentity(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	const want = "68256 76433 70362 33187 85605 85816 40269 07404 05030 63706 92110 60466"
	if got := ComparisonNumber("alice42", k.Public(), "bob7", k.Public()); got != want {
		t.Errorf("number of the fixed keys: %q, want %q", got, want)
	}
}
