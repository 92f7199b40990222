package record

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/libp2p/go-libp2p/core/peer"
)

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
	invite := change(c.Next(Invite, "m0", device.id(), now), func(s *Statement) { s.Subject = "new1" })
	promote := change(c.Next(MakeAdmin, "m0", device.id(), now), func(s *Statement) { s.Subject = "m2" })
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
		{"the admin leaves", c, change(leave, func(s *Statement) { s.Actor = "m0" }).Sign(device), nil},
		{"a removal", c, remove.Sign(device), nil},
		{"a stranger leaves", c, change(leave, func(s *Statement) { s.Actor = "new1" }).Sign(device), ErrRule},
		{"leaving with a commitment", c, change(leave, func(s *Statement) { s.Commitment = Hash{1} }).Sign(device), ErrRule},
		{"leaving for another", c, change(leave, func(s *Statement) { s.Subject = "m2" }).Sign(device), ErrMalformed},
		{"leaving what has not begun", first, change(leave, func(s *Statement) { s.Seq, s.Prev = 0, Hash{} }).Sign(device), ErrRule},
		{"a removal by another than an admin", c, change(remove, func(s *Statement) { s.Actor = "m1" }).Sign(device), ErrRule},
		{"a removal by a stranger", c, change(remove, func(s *Statement) { s.Actor = "new1" }).Sign(device), ErrRule},
		{"a removal of nobody", c, change(remove, func(s *Statement) { s.Subject = "" }).Sign(device), ErrMalformed},
		{"a removal of a stranger", c, change(remove, func(s *Statement) { s.Subject = "new1" }).Sign(device), ErrRule},
		{"an admin removes themselves", c, change(remove, func(s *Statement) { s.Subject = "m0" }).Sign(device), ErrRule},
		{"a removal with a commitment", c, change(remove, func(s *Statement) { s.Commitment = Hash{1} }).Sign(device), ErrRule},
		{"an invitation", c, invite.Sign(device), nil},
		{"an invitation by another than an admin", c, change(invite, func(s *Statement) { s.Actor = "m1" }).Sign(device), ErrRule},
		{"an invitation by a stranger", c, change(invite, func(s *Statement) { s.Actor = "new1" }).Sign(device), ErrRule},
		{"an invitation of a member", c, change(invite, func(s *Statement) { s.Subject = "m1" }).Sign(device), ErrRule},
		{"an invitation of nobody", c, change(invite, func(s *Statement) { s.Subject = "" }).Sign(device), ErrMalformed},
		{"an invitation with a commitment", c, change(invite, func(s *Statement) { s.Commitment = Hash{1} }).Sign(device), ErrRule},
		{"an invitation to what has not begun", first, change(invite, func(s *Statement) { s.Seq, s.Prev = 0, Hash{} }).Sign(device), ErrRule},
		{"a new admin", c, promote.Sign(device), nil},
		{"a new admin by another than an admin", c, change(promote, func(s *Statement) { s.Actor = "m2" }).Sign(device), ErrRule},
		{"a stranger for an admin", c, change(promote, func(s *Statement) { s.Subject = "new1" }).Sign(device), ErrRule},
		{"an admin for an admin", c, change(promote, func(s *Statement) { s.Subject = "m0" }).Sign(device), ErrRule},
		{"a private beginning", first, change(create, func(s *Statement) { s.Settings = Settings{true, MaxHistory} }).Sign(device), nil},
		{"a beginning with too much history", first, change(create, func(s *Statement) { s.Settings.History = MaxHistory + 1 }).Sign(device), ErrMalformed},
		{"a join with settings", c, change(join, func(s *Statement) { s.Settings.Private = true }).Sign(device), ErrMalformed},
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
		{"a member too many", full, full.Next(JoinGroup, "new1", device.id(), now).Sign(device), ErrFull},
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

// play appends statements as long as the rules allow it.
type play struct {
	testing.TB
	Chain
}

func (p *play) add(op GroupOp, actor, subject Account) error {
	s := p.Next(op, actor, device.id(), now)
	s.Subject = subject
	if op == Rekey || op == CreateGroup {
		s.Commitment = Hash{9}
	}
	next, err := p.Append(s.Sign(device), anyone)
	if err == nil {
		p.Chain = next
	}
	return err
}

func (p *play) begin(settings Settings) {
	s := Statement{Group: GroupID{1}, Op: CreateGroup, Name: "friends", Settings: settings, Actor: "m0", Device: device.id(), Commitment: Hash{1}, At: now}
	var err error
	if p.Chain, err = (Chain{}).Append(s.Sign(device), anyone); err != nil {
		p.Fatal(err)
	}
}

// String shows a chain's people: members with a star at admins, then who is invited.
func (p *play) String() string {
	var out []string
	for _, m := range p.Members() {
		if p.Admin(m) {
			m += "*"
		}
		out = append(out, string(m))
	}
	for a, i := range p.Invitations() {
		out = append(out, fmt.Sprintf("%s?%s", a, i.By))
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

type step struct {
	op             GroupOp
	actor, subject Account
	want           error
	people         string
	lapsed         bool
}

func (p *play) run(steps []step) {
	for i, step := range steps {
		what := fmt.Sprintf("%d: %s does %d to %q", i, step.actor, step.op, step.subject)
		if err := p.add(step.op, step.actor, step.subject); !errors.Is(err, step.want) {
			p.Errorf("%s: %v, want %v", what, err, step.want)
		}
		if p.String() != step.people || p.Lapsed() != step.lapsed {
			p.Errorf("%s: %s, lapsed %t", what, p, p.Lapsed())
		}
		restored, err := RestoreChain(p.State())
		if err != nil || !bytes.Equal(restored.State(), p.State()) {
			p.Errorf("%s: the state comes back different, %v", what, err)
		}
	}
}

// In an open group who was removed stays out unless invited, who left may come back,
// and when the last admin leaves the one who has been there the longest is one.
func TestOpenGroup(t *testing.T) {
	p := &play{TB: t}
	p.Chain, _ = chainOf(t, 4)
	p.run([]step{
		{RemoveMember, "m0", "m3", nil, "[m0* m1 m2]", true},
		{JoinGroup, "m3", "", ErrRule, "[m0* m1 m2]", true},
		{Rekey, "m2", "", nil, "[m0* m1 m2]", false},
		{LeaveGroup, "m0", "", nil, "[m1* m2]", true},
		{RemoveMember, "m0", "m2", ErrRule, "[m1* m2]", true},
		{JoinGroup, "m0", "", nil, "[m0 m1* m2]", true},
		{RemoveMember, "m1", "m0", nil, "[m1* m2]", true},
		{Invite, "m1", "m0", nil, "[m0?m1 m1* m2]", true},
		{JoinGroup, "m0", "", nil, "[m0 m1* m2]", true},
		{LeaveGroup, "m0", "", nil, "[m1* m2]", true},
		{JoinGroup, "m0", "", nil, "[m0 m1* m2]", true}, // it was forgiven for good
		{MakeAdmin, "m1", "m2", nil, "[m0 m1* m2*]", true},
		{RemoveMember, "m2", "m1", nil, "[m0 m2*]", true}, // how admins are unmade
		{LeaveGroup, "m0", "", nil, "[m2*]", true},
		{LeaveGroup, "m2", "", nil, "[]", true},
		{Rekey, "m2", "", ErrRule, "[]", true},
		{JoinGroup, "m4", "", nil, "[m4*]", true},
		{Rekey, "m4", "", nil, "[m4*]", false},
	})
	if !p.Shows("stranger1") || p.Settings() != (Settings{}) {
		t.Error("it is not open")
	}
}

// Into a private group only who is invited may join, once for each invitation.
func TestPrivateGroup(t *testing.T) {
	p := &play{TB: t}
	p.begin(Settings{Private: true, History: 50})
	p.run([]step{
		{JoinGroup, "m1", "", ErrRule, "[m0*]", false},
		{Invite, "m0", "m1", nil, "[m0* m1?m0]", false},
		{Invite, "m0", "m1", ErrRule, "[m0* m1?m0]", false},
		{JoinGroup, "m2", "", ErrRule, "[m0* m1?m0]", false},
		{Rekey, "m1", "", ErrRule, "[m0* m1?m0]", false},
		{LeaveGroup, "m1", "", ErrRule, "[m0* m1?m0]", false},
		{MakeAdmin, "m0", "m1", ErrRule, "[m0* m1?m0]", false},
		{JoinGroup, "m1", "", nil, "[m0* m1]", false},
		{Invite, "m1", "m2", ErrRule, "[m0* m1]", false},
		{LeaveGroup, "m1", "", nil, "[m0*]", true},
		{JoinGroup, "m1", "", ErrRule, "[m0*]", true}, // the invitation is used up
		{Rekey, "m0", "", nil, "[m0*]", false},
		{Invite, "m0", "m2", nil, "[m0* m2?m0]", false},
		{RemoveMember, "m0", "m2", nil, "[m0*]", false}, // the invitation has lapsed, and the secret has not
		{JoinGroup, "m2", "", ErrRule, "[m0*]", false},
		{RemoveMember, "m0", "m2", ErrRule, "[m0*]", false},
		{Invite, "m0", "m3", nil, "[m0* m3?m0]", false},
		{LeaveGroup, "m0", "", nil, "[m3?m0]", true}, // and yet the invitation stands
		{JoinGroup, "m0", "", ErrRule, "[m3?m0]", true},
		{JoinGroup, "m3", "", nil, "[m3*]", true},
		{Invite, "m3", "m0", nil, "[m0?m3 m3*]", true},
	})
	for account, want := range map[Account]bool{"m3": true, "m0": true, "m1": false, "m2": false} {
		if p.Shows(account) != want {
			t.Errorf("it is shown to %s: %t", account, !want)
		}
	}
	if p.Settings() != (Settings{true, 50}) {
		t.Errorf("settings %+v", p.Settings())
	}
}

// busyChain is the chain of a private group with something in every field.
func busyChain(t testing.TB) Chain {
	p := &play{TB: t}
	p.begin(Settings{Private: true, History: 7})
	for _, step := range []step{
		{op: Invite, actor: "m0", subject: "m1"}, {op: JoinGroup, actor: "m1"}, {op: MakeAdmin, actor: "m0", subject: "m1"},
		{op: Invite, actor: "m1", subject: "m2"}, {op: JoinGroup, actor: "m2"}, {op: Invite, actor: "m1", subject: "m3"},
		{op: RemoveMember, actor: "m1", subject: "m2"}, {op: Invite, actor: "m0", subject: "m4"},
	} {
		if err := p.add(step.op, step.actor, step.subject); err != nil {
			t.Fatal(err)
		}
	}
	return p.Chain
}

// A chain ends, and before it does everybody in it can still go: who is a member
// leaves or is removed, and who is invited is not any more.
func TestChainIsBounded(t *testing.T) {
	p := &play{TB: t}
	p.begin(Settings{})
	must := func(op GroupOp, actor, subject Account) {
		t.Helper()
		if err := p.add(op, actor, subject); err != nil {
			t.Fatalf("%d by %s after %d statements: %v", op, actor, p.Len(), err)
		}
	}
	for i := range 100 {
		must(JoinGroup, member(i+1), "")
		must(Invite, "m0", Account(fmt.Sprintf("new%d", i)))
	}
	for !p.Full() {
		must(Rekey, "m0", "")
	}
	if got, want := p.Len(), uint64(MaxChain-201); got != want {
		t.Errorf("full at %d, want %d", got, want)
	}
	for op, actor := range map[GroupOp]Account{Rekey: "m0", JoinGroup: "other1", Invite: "m0", MakeAdmin: "m0"} {
		subject := Account("")
		if op.hasSubject() {
			subject = map[GroupOp]Account{Invite: "other1", MakeAdmin: "m1"}[op]
		}
		if err := p.add(op, actor, subject); !errors.Is(err, ErrTooLong) {
			t.Errorf("operation %d in a full chain: %v", op, err)
		}
	}
	for i := range 100 {
		must(RemoveMember, "m0", Account(fmt.Sprintf("new%d", i)))
		if i%2 == 0 {
			must(LeaveGroup, member(i+1), "")
		} else {
			must(RemoveMember, "m0", member(i+1))
		}
	}
	must(LeaveGroup, "m0", "")
	if err := p.add(JoinGroup, "m0", ""); !errors.Is(err, ErrTooLong) {
		t.Errorf("a join after the end: %v", err)
	}
	restored, err := RestoreChain(p.State())
	if err != nil || !bytes.Equal(restored.State(), p.State()) {
		t.Errorf("the state of the longest chain (%d bytes): %v", len(p.State()), err)
	}
}

// As many may be invited as may be in a group.
func TestInvitationsAreBounded(t *testing.T) {
	p := &play{TB: t}
	p.begin(Settings{Private: true})
	for i := range MaxInvited {
		if err := p.add(Invite, "m0", Account(fmt.Sprintf("new%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.add(Invite, "m0", "other1"); !errors.Is(err, ErrFull) {
		t.Errorf("an invitation too many: %v", err)
	}
	if err := p.add(JoinGroup, "new0", ""); err != nil {
		t.Fatal(err)
	}
	if err := p.add(Invite, "m0", "other1"); err != nil {
		t.Errorf("an invitation in the place of a used one: %v", err)
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
	chains := []Chain{busyChain(t)}
	for _, members := range []int{1, 2, 12, MaxMembers} {
		chain, _ := chainOf(t, members)
		chains = append(chains, chain)
	}
	for _, chain := range chains {
		restored, err := RestoreChain(chain.State())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(chain, restored, all); diff != "" {
			t.Errorf("chain (-want +got):\n%s", diff)
		}
	}
}
