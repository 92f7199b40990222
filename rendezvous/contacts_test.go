package rendezvous_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// finds reports whether a device is told where one of an account's is.
func (n *node) finds(account record.Account) bool {
	n.Helper()
	found, err := n.FindPeers(harness.Within(n), []record.Account{account})
	if err != nil {
		n.Fatal(err)
	}
	return len(found) > 0
}

// Whom somebody lets in is enforced by every server, and known to all of the
// account's devices and to nobody else.
func TestContactsAtThreeServers(t *testing.T) {
	w := newWorld(t, 3)
	ctx := harness.Within(t)
	alice, bob, eve := w.member(0, "alice"), w.member(1, "bob"), w.member(2, "eve")
	phone := w.node()
	if err := alice.add(ctx, phone); err != nil {
		t.Fatal(err)
	}
	phone.Attend(true)
	next[client.Resync](phone)
	for i, n := range []*node{alice, phone} {
		if err := n.Announce(ctx, n.whereabouts(uint64(i+1))); err != nil {
			t.Fatal(err)
		}
	}
	harness.Await(t, "alice's presence everywhere", func() bool { return bob.finds("alice1") && eve.finds("alice1") })

	change := client.ContactChange{Policy: client.PolicyAsk, Accepted: []record.Account{"bob1"}}
	if err := alice.SetContacts(ctx, change); err != nil {
		t.Fatal(err)
	}
	if changed, told := hear[client.ContactsChanged](phone); told && changed.Version != 1 {
		t.Errorf("version %d, want 1", changed.Version)
	}
	harness.Await(t, "alice hidden from eve", func() bool { return !eve.finds("alice1") })
	if !bob.finds("alice1") || !phone.finds("alice1") {
		t.Error("alice is hidden from bob, whom she has accepted, or from her own phone")
	}
	if err := phone.SetContacts(ctx, change); !errors.Is(err, wire.ErrConflict) {
		t.Errorf("a change of a state that is over: %v", err)
	}
	if err := phone.SetContacts(ctx, client.ContactChange{Version: 1, Blocked: []record.Account{"bob1"}}); err != nil {
		t.Fatal(err)
	}
	got, err := phone.Contacts(ctx)
	if err != nil || got.Version != 2 || got.Policy != client.PolicyAsk || len(got.Accepted) != 0 || !slices.Equal(got.Blocked, []record.Account{"bob1"}) {
		t.Errorf("the phone has %+v, %v", got, err)
	}
	if got, err := eve.Contacts(ctx); err != nil || got.Version != 0 || len(got.Accepted)+len(got.Blocked) != 0 {
		t.Errorf("eve is told %+v, %v", got, err)
	}
	harness.Await(t, "alice hidden from bob", func() bool { return !bob.finds("alice1") })

	// Of those who watch her, only the one who may hears that she is up.
	for _, n := range []*node{bob, eve} {
		n.Attend(true)
		n.Watch([]record.Account{"alice1", n.account})
		next[client.Resync](n)
	}
	if err := alice.SetContacts(ctx, client.ContactChange{Version: 2, Accepted: []record.Account{"eve1"}}); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "alice shown to eve", func() bool { return eve.finds("alice1") })
	if err := alice.Announce(ctx, alice.whereabouts(7)); err != nil {
		t.Fatal(err)
	}
	for next[client.PeerUp](eve).Presence.Seq != 7 {
	}
	// Bob would have heard of her by the time that he hears of himself.
	second := w.node()
	if err := bob.add(ctx, second); err != nil {
		t.Fatal(err)
	}
	if err := second.Announce(ctx, second.whereabouts(1)); err != nil {
		t.Fatal(err)
	}
	if up := next[client.PeerUp](bob).Presence; up.Account != "bob1" {
		t.Errorf("bob, who is blocked, hears of %s", up.Account)
	}
}

// Those who share a group see each other, whatever they think of each other.
func TestGroupsShowTheirMembers(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	alice, eve := w.member(0, "alice"), w.member(0, "eve")
	if err := alice.Announce(ctx, alice.whereabouts(1)); err != nil {
		t.Fatal(err)
	}
	if err := alice.SetContacts(ctx, client.ContactChange{Policy: client.PolicyAsk, Blocked: []record.Account{"eve1"}}); err != nil {
		t.Fatal(err)
	}
	if eve.finds("alice1") {
		t.Error("alice is shown to eve")
	}
	if err := alice.AppendGroup(ctx, alice.newGroup("chess", record.NewGroupID())); err != nil {
		t.Fatal(err)
	}
	join := eve.chain("chess").Next(record.JoinGroup, eve.account, eve.host.ID(), time.Now())
	if err := eve.AppendGroup(ctx, join.Sign(eve.key)); err != nil {
		t.Fatal(err)
	}
	if !eve.finds("alice1") {
		t.Error("a member does not find another")
	}
}

// A stranger learns nothing by asking, and sets nothing in another's name.
func TestContactsAreTheAccountsOwn(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	server := w.servers[0].ID()
	alice, stranger := w.member(0, "alice"), w.nodeAt(0)
	requests := map[string]*pb.Request{
		"get": {Kind: &pb.Request_GetContacts{GetContacts: &pb.GetContacts{}}},
		"set": {Kind: &pb.Request_SetContacts{SetContacts: &pb.SetContacts{Token: make([]byte, wire.TokenSize), Policy: pb.ContactPolicy_CONTACT_POLICY_ASK}}},
	}
	for what, req := range requests {
		if _, err := exchange(ctx, stranger.host, server, req); !errors.Is(err, wire.ErrNotLoggedIn) {
			t.Errorf("%s by a stranger: %v", what, err)
		}
	}
	many := make([]string, wire.MaxContactChanges+1)
	for i := range many {
		many[i] = "eve1"
	}
	for what, bad := range map[string]struct {
		set  *pb.SetContacts
		want error
	}{
		"no token":       {&pb.SetContacts{}, wire.ErrBadRequest},
		"a long token":   {&pb.SetContacts{Token: make([]byte, wire.TokenSize+1)}, wire.ErrBadRequest},
		"another policy": {&pb.SetContacts{Policy: 3}, wire.ErrBadRequest},
		"no name":        {&pb.SetContacts{Accepted: []string{"no name"}}, wire.ErrBadRequest},
		"herself":        {&pb.SetContacts{Blocked: []string{"alice1"}}, wire.ErrBadRequest},
		"too many":       {&pb.SetContacts{Forgotten: many}, wire.ErrTooLarge},
	} {
		set := proto.Clone(bad.set).(*pb.SetContacts)
		if set.Token == nil && what != "no token" {
			set.Token = make([]byte, wire.TokenSize)
		}
		_, err := exchange(ctx, alice.host, server, &pb.Request{Kind: &pb.Request_SetContacts{SetContacts: set}})
		if !errors.Is(err, bad.want) {
			t.Errorf("%s: %v, want %v", what, err, bad.want)
		}
	}
	if got, err := alice.Contacts(ctx); err != nil || got.Version != 0 {
		t.Errorf("afterwards: %+v, %v", got, err)
	}
}
