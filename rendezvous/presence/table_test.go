package presence

import (
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	envelope "github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

const (
	alice = record.Account("alice42")
	bob   = record.Account("bob7")
	life  = wire.PresenceLifetime
)

var start = time.Unix(1_800_000_000, 0)

// device is a key with what it signs.
type device struct {
	id  peer.ID
	key crypto.PrivKey
}

func newDevice(t testing.TB) device {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return device{id, key}
}

// record signs a peer record; addrs makes it larger.
func (d device) record(t testing.TB, seq uint64, addrs ...string) []byte {
	t.Helper()
	return signRecord(t, d.key, d.id, seq, addrs...)
}

func signRecord(t testing.TB, key crypto.PrivKey, id peer.ID, seq uint64, addrs ...string) []byte {
	t.Helper()
	r := peer.PeerRecord{PeerID: id, Seq: seq, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/192.0.2.1/tcp/1")}}
	for _, a := range addrs {
		r.Addrs = append(r.Addrs, ma.StringCast(a))
	}
	e, err := envelope.Seal(&r, key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func announce(t *testing.T, table *Table, account record.Account, d device, seq uint64, at time.Duration) Outcome {
	t.Helper()
	p, outcome, err := table.Announce(account, d.id, d.record(t, seq), start.Add(at), life)
	if err != nil {
		t.Fatal(err)
	}
	if p.Account != account || p.Device != d.id || p.Seq != seq {
		t.Fatalf("announced %+v", p)
	}
	return outcome
}

// found returns the sequence numbers of an account's records.
func found(t *testing.T, table *Table, account record.Account, at time.Duration) []uint64 {
	t.Helper()
	var seqs []uint64
	for _, signed := range table.Find(account, start.Add(at)) {
		r, err := ParseRecord(signed)
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, r.Seq)
	}
	slices.Sort(seqs)
	return seqs
}

func TestNewestWins(t *testing.T) {
	table, d := NewTable(), newDevice(t)
	if announce(t, table, alice, d, 5, 0) != Changed {
		t.Error("a device came and nothing changed")
	}
	if announce(t, table, alice, d, 6, 0) != Changed {
		t.Error("a device moved and nothing changed")
	}
	for _, seq := range []uint64{4, 5} {
		if _, _, err := table.Announce(alice, d.id, d.record(t, seq), start, life); !errors.Is(err, ErrStale) || !errors.Is(err, wire.ErrConflict) {
			t.Errorf("record %d after 6: %v", seq, err)
		}
	}
	if got := found(t, table, alice, 0); !slices.Equal(got, []uint64{6}) {
		t.Errorf("found %v", got)
	}
}

func TestRenewalProlongs(t *testing.T) {
	table, d := NewTable(), newDevice(t)
	announce(t, table, alice, d, 5, 0)
	if announce(t, table, alice, d, 5, life/2) != Renewed {
		t.Error("the same record again is news")
	}
	if got := found(t, table, alice, life+1); len(got) != 1 {
		t.Error("a renewal did not prolong")
	}
	// A copy with less time left, which came the long way, takes nothing away.
	if _, _, err := table.Announce(alice, d.id, d.record(t, 5), start.Add(life), time.Second); err != nil {
		t.Fatal(err)
	}
	if got := found(t, table, alice, life+2*time.Second); len(got) != 1 {
		t.Error("an older copy made it shorter")
	}
}

func TestEndsByItself(t *testing.T) {
	table, d := NewTable(), newDevice(t)
	announce(t, table, alice, d, 5, 0)
	if got := found(t, table, alice, life-1); len(got) != 1 {
		t.Error("gone too early")
	}
	if got := found(t, table, alice, life); len(got) != 0 {
		t.Error("stands too long")
	}
	if all := table.All(start.Add(life)); len(all) != 0 {
		t.Errorf("passes on %v", all)
	}
	table.Expire(start.Add(life))
	if table.Len() != 0 || len(table.accounts) != 0 {
		t.Error("takes room for ever")
	}
	// A clock that was set back: after the end any record is new.
	if announce(t, table, alice, d, 1, life) != Changed {
		t.Error("not back")
	}
}

func TestLifetimeIsCapped(t *testing.T) {
	table, d := NewTable(), newDevice(t)
	if _, _, err := table.Announce(alice, d.id, d.record(t, 1), start, time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := found(t, table, alice, life); len(got) != 0 {
		t.Error("a server can make a presence stand for an hour")
	}
}

func TestWithdraw(t *testing.T) {
	table, d := NewTable(), newDevice(t)
	announce(t, table, alice, d, 5, 0)
	if _, outcome := table.Withdraw(alice, d.id, 4, start, life); outcome != Renewed {
		t.Error("an older withdrawal counted")
	}
	if _, outcome := table.Withdraw(alice, d.id, 5, start, life); outcome != Changed {
		t.Error("withdrawn and nothing changed")
	}
	if _, outcome := table.Withdraw(alice, d.id, 5, start, life); outcome != Renewed {
		t.Error("withdrawn twice")
	}
	if got := found(t, table, alice, 0); len(got) != 0 {
		t.Errorf("found %v", got)
	}
	if _, _, err := table.Announce(alice, d.id, d.record(t, 5), start, life); !errors.Is(err, ErrStale) {
		t.Errorf("a copy under way brought it back: %v", err)
	}
	if announce(t, table, alice, d, 6, 0) != Changed {
		t.Error("it cannot come back")
	}
}

// TestWithdrawalOvertakes: it may come before what it withdraws, by way of
// another server.
func TestWithdrawalOvertakes(t *testing.T) {
	table, d := NewTable(), newDevice(t)
	if _, outcome := table.Withdraw(alice, d.id, 5, start, life); outcome != Renewed {
		t.Error("an unknown device left")
	}
	if _, _, err := table.Announce(alice, d.id, d.record(t, 5), start, life); !errors.Is(err, ErrStale) {
		t.Errorf("the record came to stand after its withdrawal: %v", err)
	}
}

func TestManyDevicesOfOneAccount(t *testing.T) {
	table := NewTable()
	for i := range maxPerAccount + 3 {
		announce(t, table, alice, newDevice(t), uint64(i), time.Duration(i))
	}
	announce(t, table, bob, newDevice(t), 1, 0)
	got := found(t, table, alice, 0)
	if len(got) != maxPerAccount || got[0] != 3 {
		t.Errorf("found %v, want the last %d", got, maxPerAccount)
	}
	if len(found(t, table, bob, 0)) != 1 {
		t.Error("somebody else had to make room")
	}
}

func TestRefusedRecords(t *testing.T) {
	d, other := newDevice(t), newDevice(t)
	var many []string
	for range 300 {
		many = append(many, "/ip6/2001:db8::1/tcp/65000")
	}
	for name, c := range map[string]struct {
		signed []byte
		want   error
	}{
		"nothing":             {nil, wire.ErrBadRequest},
		"garbage":             {make([]byte, 300), wire.ErrBadRequest},
		"too large":           {d.record(t, 1, many...), wire.ErrTooLarge},
		"of another device":   {other.record(t, 1), wire.ErrBadRequest},
		"signed by another":   {signRecord(t, other.key, d.id, 1), wire.ErrBadRequest},
		"signed for another":  {signRecord(t, d.key, other.id, 1), wire.ErrBadRequest},
		"cut short":           {d.record(t, 1)[:100], wire.ErrBadRequest},
		"something behind it": {append(d.record(t, 1), 0xff), wire.ErrBadRequest},
	} {
		table := NewTable()
		if _, _, err := table.Announce(alice, d.id, c.signed, start, life); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if table.Len() != 0 {
			t.Errorf("%s: it is in the table", name)
		}
	}
}

// TestFlipEveryByte: no changed record says anything else than the device did.
func TestFlipEveryByte(t *testing.T) {
	d := newDevice(t)
	signed := d.record(t, 7)
	want, err := ParseRecord(signed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range signed {
		flipped := slices.Clone(signed)
		flipped[i] ^= 1
		if got, err := ParseRecord(flipped); err == nil && !got.Equal(want) {
			t.Errorf("byte %d: %+v", i, got)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	d := newDevice(f)
	f.Add(d.record(f, 1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, signed []byte) {
		r, err := ParseRecord(signed)
		if err != nil {
			return
		}
		if len(signed) > wire.MaxPeerRecord || r.PeerID.Validate() != nil {
			t.Fatalf("took %d bytes of %s", len(signed), r.PeerID)
		}
	})
}

// TestTableAgreesInAnyOrder: servers that hear the same rumours in different
// orders end up with the same answer.
func TestTableAgreesInAnyOrder(t *testing.T) {
	devices := []device{newDevice(t), newDevice(t), newDevice(t)}
	type event struct {
		device   int
		seq      uint64
		withdraw bool
	}
	records := make(map[event][]byte)
	for i, d := range devices {
		for seq := range uint64(5) {
			records[event{i, seq, false}] = d.record(t, seq)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOf(rapid.Custom(func(t *rapid.T) event {
			return event{rapid.IntRange(0, 2).Draw(t, "device"), rapid.Uint64Range(0, 4).Draw(t, "seq"), rapid.Bool().Draw(t, "withdraw")}
		})).Draw(t, "events")
		play := func(events []event) [][]byte {
			table := NewTable()
			for _, e := range events {
				id := devices[e.device].id
				if e.withdraw {
					table.Withdraw(alice, id, e.seq, start, life)
				} else if _, _, err := table.Announce(alice, id, records[e], start, life); err != nil && !errors.Is(err, ErrStale) {
					t.Fatal(err)
				}
			}
			all := table.Find(alice, start)
			slices.SortFunc(all, slices.Compare)
			return all
		}
		one, other := play(events), play(rapid.Permutation(events).Draw(t, "another order"))
		if !slices.EqualFunc(one, other, slices.Equal) {
			t.Fatal("two servers disagree")
		}
	})
}
