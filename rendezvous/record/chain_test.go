package record

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/libp2p/go-libp2p/core/peer"
)

// logOf verifies entries that add devices 10, 11, ... and revoke those below
// revoked.
func logOf(t testing.TB, added, revoked int) (DeviceLog, [][]byte) {
	t.Helper()
	log := NewDeviceLog("alice42", identity.public())
	var signed [][]byte
	for i := range added + revoked {
		op, number := AddDevice, 10+i
		if i >= added {
			op, number = RevokeDevice, 10+i-added
		}
		signed = append(signed, log.Next(op, newKey(byte(number)).id(), "d", now).Sign(identity))
		var err error
		if log, err = log.Append(signed[i]); err != nil {
			t.Fatal(err)
		}
	}
	return log, signed
}

func TestDeviceLog(t *testing.T) {
	log, signed := logOf(t, 3, 1)
	again, err := VerifyDeviceLog("alice42", identity.public(), signed)
	if err != nil {
		t.Fatal(err)
	}
	if log.Head() != HashOf(signed[3]) || again.Head() != log.Head() || again.Len() != 4 {
		t.Errorf("length %d", again.Len())
	}
	if got, want := again.Active(), []peer.ID{newKey(11).id(), newKey(12).id()}; !slices.Equal(got, want) {
		t.Errorf("active %v, want %v", got, want)
	}
	if first := newKey(10).id(); again.Has(first) || !again.HadEver(first) {
		t.Error("the first device is revoked, and was active")
	}
	if _, err := VerifyDeviceLog("bob7", identity.public(), signed); !errors.Is(err, ErrChain) {
		t.Errorf("as another's log: %v", err)
	}
	if _, err := VerifyDeviceLog("alice42", stranger.public(), signed); !errors.Is(err, ErrSignature) {
		t.Errorf("under another identity: %v", err)
	}
	if _, err := VerifyDeviceLog("alice42", identity.public(), signed[1:]); !errors.Is(err, ErrChain) {
		t.Errorf("without its beginning: %v", err)
	}
}

func TestDeviceLogRules(t *testing.T) {
	log, signed := logOf(t, 3, 1)
	full, _ := logOf(t, MaxDevices, 0)
	fresh, active, revoked := newKey(99), newKey(11), newKey(10)
	change := func(e DeviceEntry, f func(*DeviceEntry)) DeviceEntry { f(&e); return e }
	add, revoke := log.Next(AddDevice, fresh.id(), "", now), log.Next(RevokeDevice, active.id(), "", now)
	for _, c := range []struct {
		what   string
		log    DeviceLog
		signed []byte
		want   error
	}{
		{"a new device", log, add.Sign(identity), nil},
		{"a revocation", log, revoke.Sign(identity), nil},
		{"a device's own revocation", log, revoke.Sign(active), nil},
		{"a device added by itself", log, add.Sign(fresh), ErrSignature},
		{"a device added by another", log, add.Sign(active), ErrSignature},
		{"a revocation by another device", log, revoke.Sign(fresh), ErrSignature},
		{"an active device again", log, log.Next(AddDevice, active.id(), "", now).Sign(identity), ErrRule},
		{"a revoked device again", log, log.Next(AddDevice, revoked.id(), "", now).Sign(identity), ErrRule},
		{"an unknown device revoked", log, log.Next(RevokeDevice, fresh.id(), "", now).Sign(identity), ErrRule},
		{"a revoked device revoked", log, log.Next(RevokeDevice, revoked.id(), "", now).Sign(identity), ErrRule},
		{"one device too many", full, full.Next(AddDevice, fresh.id(), "", now).Sign(identity), ErrRule},
		{"a revocation in a full log", full, full.Next(RevokeDevice, active.id(), "", now).Sign(identity), nil},
		{"no operation", log, log.Next(0, fresh.id(), "", now).Sign(identity), ErrMalformed},
		{"an unknown operation", log, log.Next(9, fresh.id(), "", now).Sign(identity), ErrMalformed},
		{"the last entry again", log, signed[3], ErrChain},
		{"an earlier number", log, change(add, func(e *DeviceEntry) { e.Seq-- }).Sign(identity), ErrChain},
		{"a later number", log, change(add, func(e *DeviceEntry) { e.Seq++ }).Sign(identity), ErrChain},
		{"another predecessor", log, change(add, func(e *DeviceEntry) { e.Prev[0] ^= 1 }).Sign(identity), ErrChain},
		{"another account", log, change(add, func(e *DeviceEntry) { e.Account = "bob7" }).Sign(identity), ErrChain},
		{"a long name", log, change(add, func(e *DeviceEntry) { e.Name = string(make([]byte, maxLabel+1)) }).Sign(identity), ErrMalformed},
		{"nothing", log, nil, ErrMalformed},
	} {
		before := c.log.State()
		next, err := c.log.Append(c.signed)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
		if !bytes.Equal(c.log.State(), before) {
			t.Errorf("%s: the receiver changed", c.what)
		}
		if err != nil && !bytes.Equal(next.State(), before) {
			t.Errorf("%s: refused, and yet the log grew", c.what)
		}
	}
}

func TestDeviceLogIsBounded(t *testing.T) {
	log := NewDeviceLog("alice42", identity.public())
	for log.Len() < MaxDeviceLog {
		id := numbered(log.Len() / 2)
		op := AddDevice
		if log.Len()%2 == 1 {
			op = RevokeDevice
		}
		var err error
		if log, err = log.Append(log.Next(op, id, "", now).Sign(identity)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := log.Append(log.Next(AddDevice, device.id(), "", now).Sign(identity)); !errors.Is(err, ErrTooLong) {
		t.Errorf("an entry too many: %v", err)
	}
	restored, err := RestoreDeviceLog(log.State())
	if err != nil || !bytes.Equal(restored.State(), log.State()) {
		t.Errorf("the state of the longest log (%d bytes): %v", len(log.State()), err)
	}
}

func numbered(n uint64) peer.ID {
	seed := make([]byte, ed25519.SeedSize)
	seed[0], seed[1], seed[2] = byte(n), byte(n>>8), 1
	return key{ed25519.NewKeyFromSeed(seed)}.id()
}

// anyone says that every device may act for every account.
func anyone(Account, peer.ID) bool { return true }

func member(n int) Account { return Account(fmt.Sprintf("m%d", n)) }

// chainOf verifies the chain of a group with n members, m0 first.
func chainOf(t testing.TB, n int) (Chain, [][]byte) {
	t.Helper()
	var (
		c      Chain
		signed [][]byte
	)
	for i := range n {
		s := c.Next(JoinGroup, member(i), device.id(), now)
		if i == 0 {
			s = Statement{Group: GroupID{1}, Op: CreateGroup, Name: "friends", Actor: member(0), Device: device.id(), Commitment: Hash{1}, At: now}
		}
		signed = append(signed, s.Sign(device))
		var err error
		if c, err = c.Append(signed[i], anyone); err != nil {
			t.Fatal(err)
		}
	}
	return c, signed
}

func TestChain(t *testing.T) {
	c, signed := chainOf(t, 3)
	rekey := c.Next(Rekey, member(1), device.id(), now)
	rekey.Commitment = Hash{2}
	signed = append(signed, rekey.Sign(device))
	again, err := VerifyChain(signed, anyone)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID() != (GroupID{1}) || again.Name() != "friends" || again.Len() != 4 || again.Head() != HashOf(signed[3]) ||
		again.Epoch() != 2 || again.Commitment() != (Hash{2}) {
		t.Errorf("chain %+v", again)
	}
	if got, want := again.Members(), []Account{"m0", "m1", "m2"}; !slices.Equal(got, want) || !again.Member("m2") || again.Member("m3") {
		t.Errorf("members %v, want %v", got, want)
	}
	if _, err := VerifyChain(signed[1:], anyone); !errors.Is(err, ErrChain) {
		t.Errorf("without its beginning: %v", err)
	}
	only := func(a Account, _ peer.ID) bool { return a != "m2" }
	if _, err := VerifyChain(signed, only); !errors.Is(err, ErrRule) {
		t.Errorf("with a device that does not act for its account: %v", err)
	}
}

func TestChainRules(t *testing.T) {
	c, signed := chainOf(t, 3)
	full, _ := chainOf(t, MaxMembers)
	change := func(s Statement, f func(*Statement)) Statement { f(&s); return s }
	join := c.Next(JoinGroup, "new1", device.id(), now)
	rekey := change(c.Next(Rekey, "m1", device.id(), now), func(s *Statement) { s.Commitment = Hash{5} })
	create := Statement{Group: GroupID{1}, Op: CreateGroup, Name: "friends", Actor: "m0", Device: device.id(), Commitment: Hash{1}, At: now}
	leave := c.Next(LeaveGroup, "m1", device.id(), now)
	remove := change(c.Next(RemoveMember, "m0", device.id(), now), func(s *Statement) { s.Subject = "m2" })
	first := Chain{}
	for _, c := range []struct {
		what   string
		chain  Chain
		signed []byte
		want   error
	}{
		{"a beginning", first, create.Sign(device), nil},
		{"a join", c, join.Sign(device), nil},
		{"a rekey", c, rekey.Sign(device), nil},
		{"a member leaves", c, leave.Sign(device), nil},
		{"the keeper leaves", c, change(leave, func(s *Statement) { s.Actor = "m0" }).Sign(device), nil},
		{"a removal", c, remove.Sign(device), nil},
		{"a stranger leaves", c, change(leave, func(s *Statement) { s.Actor = "new1" }).Sign(device), ErrRule},
		{"leaving with a commitment", c, change(leave, func(s *Statement) { s.Commitment = Hash{1} }).Sign(device), ErrRule},
		{"leaving for another", c, change(leave, func(s *Statement) { s.Subject = "m2" }).Sign(device), ErrMalformed},
		{"leaving what has not begun", first, change(leave, func(s *Statement) { s.Seq, s.Prev = 0, Hash{} }).Sign(device), ErrRule},
		{"a removal by another than the keeper", c, change(remove, func(s *Statement) { s.Actor = "m1" }).Sign(device), ErrRule},
		{"a removal by a stranger", c, change(remove, func(s *Statement) { s.Actor = "new1" }).Sign(device), ErrRule},
		{"a removal of nobody", c, change(remove, func(s *Statement) { s.Subject = "" }).Sign(device), ErrMalformed},
		{"a removal of a stranger", c, change(remove, func(s *Statement) { s.Subject = "new1" }).Sign(device), ErrRule},
		{"the keeper removes themselves", c, change(remove, func(s *Statement) { s.Subject = "m0" }).Sign(device), ErrRule},
		{"a removal with a commitment", c, change(remove, func(s *Statement) { s.Commitment = Hash{1} }).Sign(device), ErrRule},
		{"a join first", first, change(join, func(s *Statement) { s.Seq, s.Prev = 0, Hash{} }).Sign(device), ErrRule},
		{"a rekey first", first, change(rekey, func(s *Statement) { s.Seq, s.Prev = 0, Hash{} }).Sign(device), ErrRule},
		{"a beginning without commitment", first, change(create, func(s *Statement) { s.Commitment = Hash{} }).Sign(device), ErrRule},
		{"a beginning without name", first, change(create, func(s *Statement) { s.Name = "" }).Sign(device), ErrMalformed},
		{"a second beginning", c, change(create, func(s *Statement) { s.Seq, s.Prev = c.Len(), c.Head() }).Sign(device), ErrRule},
		{"a join with commitment", c, change(join, func(s *Statement) { s.Commitment = Hash{1} }).Sign(device), ErrRule},
		{"a join with a name", c, change(join, func(s *Statement) { s.Name = "friends" }).Sign(device), ErrMalformed},
		{"a join of a member", c, change(join, func(s *Statement) { s.Actor = "m1" }).Sign(device), ErrRule},
		{"a rekey by a stranger", c, change(rekey, func(s *Statement) { s.Actor = "new1" }).Sign(device), ErrRule},
		{"a rekey without commitment", c, change(rekey, func(s *Statement) { s.Commitment = Hash{} }).Sign(device), ErrRule},
		{"a member too many", full, full.Next(JoinGroup, "new1", device.id(), now).Sign(device), ErrRule},
		{"no operation", c, change(rekey, func(s *Statement) { s.Op = 0 }).Sign(device), ErrRule},
		{"an unknown operation", c, change(rekey, func(s *Statement) { s.Op = 9 }).Sign(device), ErrRule},
		{"another group", c, change(join, func(s *Statement) { s.Group[0] ^= 1 }).Sign(device), ErrChain},
		{"an earlier number", c, change(join, func(s *Statement) { s.Seq-- }).Sign(device), ErrChain},
		{"a later number", c, change(join, func(s *Statement) { s.Seq++ }).Sign(device), ErrChain},
		{"another predecessor", c, change(join, func(s *Statement) { s.Prev[0] ^= 1 }).Sign(device), ErrChain},
		{"the last statement again", c, signed[2], ErrChain},
		{"another device's signature", c, join.Sign(stranger), ErrSignature},
		{"nothing", c, nil, ErrMalformed},
	} {
		before := c.chain.State()
		next, err := c.chain.Append(c.signed, anyone)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
		if !bytes.Equal(c.chain.State(), before) {
			t.Errorf("%s: the receiver changed", c.what)
		}
		if err != nil && !bytes.Equal(next.State(), before) {
			t.Errorf("%s: refused, and yet the chain grew", c.what)
		}
	}
}

// Who was removed stays out, who left may come back, and the right to remove goes to
// whoever has been a member the longest.
func TestLeavingAndRemoving(t *testing.T) {
	c, _ := chainOf(t, 4)
	add := func(op GroupOp, actor, subject Account) error {
		s := c.Next(op, actor, device.id(), now)
		s.Subject = subject
		if op == Rekey {
			s.Commitment = Hash{9}
		}
		next, err := c.Append(s.Sign(device), anyone)
		if err == nil {
			c = next
		}
		return err
	}
	keeper := func() Account {
		k, _ := c.Keeper()
		return k
	}
	for _, step := range []struct {
		op             GroupOp
		actor, subject Account
		want           error
		keeper         Account
		members        string
		lapsed         bool
	}{
		{RemoveMember, "m0", "m3", nil, "m0", "[m0 m1 m2]", true},
		{JoinGroup, "m3", "", ErrRule, "m0", "[m0 m1 m2]", true},
		{Rekey, "m2", "", nil, "m0", "[m0 m1 m2]", false},
		{LeaveGroup, "m0", "", nil, "m1", "[m1 m2]", true},
		{RemoveMember, "m0", "m2", ErrRule, "m1", "[m1 m2]", true},
		{JoinGroup, "m0", "", nil, "m1", "[m0 m1 m2]", true},
		{RemoveMember, "m1", "m0", nil, "m1", "[m1 m2]", true},
		{LeaveGroup, "m1", "", nil, "m2", "[m2]", true},
		{LeaveGroup, "m2", "", nil, "", "[]", true},
		{Rekey, "m2", "", ErrRule, "", "[]", true},
		{JoinGroup, "m4", "", nil, "m4", "[m4]", true},
		{Rekey, "m4", "", nil, "m4", "[m4]", false},
	} {
		what := fmt.Sprintf("%s does %d to %q", step.actor, step.op, step.subject)
		if err := add(step.op, step.actor, step.subject); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", what, err, step.want)
		}
		if got := fmt.Sprint(c.Members()); got != step.members || keeper() != step.keeper || c.Lapsed() != step.lapsed {
			t.Errorf("%s: members %s, keeper %q, lapsed %t", what, got, keeper(), c.Lapsed())
		}
		restored, err := RestoreChain(c.State())
		if err != nil || !bytes.Equal(restored.State(), c.State()) || !restored.Removed("m3") {
			t.Errorf("%s: the state comes back different, %v", what, err)
		}
	}
}

func TestChainIsBounded(t *testing.T) {
	c, _ := chainOf(t, 1)
	for c.Len() < MaxChain {
		s := c.Next(Rekey, "m0", device.id(), now)
		s.Commitment = Hash{1}
		var err error
		if c, err = c.Append(s.Sign(device), anyone); err != nil {
			t.Fatal(err)
		}
	}
	s := c.Next(Rekey, "m0", device.id(), now)
	s.Commitment = Hash{1}
	if _, err := c.Append(s.Sign(device), anyone); !errors.Is(err, ErrTooLong) {
		t.Errorf("a statement too many: %v", err)
	}
}

// A restored state is the state, and goes on as it would have.
func TestStates(t *testing.T) {
	all := cmp.Options{
		cmp.AllowUnexported(DeviceLog{}, Chain{}), cmpopts.EquateEmpty(),
	}
	for added := range 4 {
		log, _ := logOf(t, added, added/2)
		restored, err := RestoreDeviceLog(log.State())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(log, restored, all); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	}
	for _, members := range []int{1, 2, 12, MaxMembers} {
		chain, _ := chainOf(t, members)
		restored, err := RestoreChain(chain.State())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(chain, restored, all); diff != "" {
			t.Errorf("chain (-want +got):\n%s", diff)
		}
	}
}
