package rendezvous_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// newGroup is the statement that creates a group.
func (n *node) newGroup(name record.GroupName, id record.GroupID) []byte {
	s := record.Chain{}.Next(record.CreateGroup, n.account, n.host.ID(), time.Now())
	s.Group, s.Name, s.Commitment = id, name, record.Hash{1}
	return s.Sign(n.key)
}

// chain fetches a group's chain and verifies it, believing that devices act for
// whom they say.
func (n *node) chain(name record.GroupName) record.Chain {
	n.Helper()
	found, err := n.GroupByName(harness.Within(n), name, 0)
	if err != nil {
		n.Fatal(err)
	}
	chain, err := record.VerifyChain(found.Statements, func(record.Account, peer.ID) bool { return true })
	if err != nil {
		n.Fatal(err)
	}
	return chain
}

// Everything that one server was told, the others know.
func TestThreeServersAreOne(t *testing.T) {
	w := newWorld(t, 3)
	ctx := harness.Within(t)
	alice, bob, carol := w.member(0, "alice"), w.member(1, "bob"), w.member(2, "carol")
	alice.Attend(true)
	alice.Watch([]record.Account{bob.account})
	next[client.Resync](alice)

	t.Run("groups", func(t *testing.T) {
		id := record.NewGroupID()
		if err := alice.AppendGroup(ctx, alice.newGroup("chess", id)); err != nil {
			t.Fatal(err)
		}
		join := bob.chain("chess").Next(record.JoinGroup, bob.account, bob.host.ID(), time.Now())
		if err := bob.AppendGroup(ctx, join.Sign(bob.key)); err != nil {
			t.Fatal(err)
		}
		for told := true; told; {
			var changed client.GroupChanged
			changed, told = hear[client.GroupChanged](alice)
			if told && changed.Group != id {
				t.Errorf("another group changed: %v", changed.Group)
			}
			if changed.Length == 2 {
				break
			}
		}
		// Carol has heard of nothing, so that her server may still lag behind.
		harness.Await(t, "both members at carol's server", func() bool {
			return slices.Equal(carol.chain("chess").Members(), []record.Account{alice.account, bob.account})
		})
		want := client.GroupSummary{ID: id, Name: "chess", Members: 2, Length: 2}
		if list, err := carol.ListGroups(ctx, false); err != nil || !slices.Equal(list, []client.GroupSummary{want}) {
			t.Errorf("carol's list: %v, %v", list, err)
		}
		want.Mine = true
		if list, err := bob.ListGroups(ctx, true); err != nil || !slices.Equal(list, []client.GroupSummary{want}) {
			t.Errorf("bob's own: %v, %v", list, err)
		}
		if list, err := carol.ListGroups(ctx, true); err != nil || len(list) != 0 {
			t.Errorf("carol's own: %v, %v", list, err)
		}
		if err := carol.AppendGroup(ctx, carol.newGroup("chess", record.NewGroupID())); !errors.Is(err, wire.ErrGroupTaken) {
			t.Errorf("a second group of that name: %v", err)
		}
		if _, err := carol.GroupByName(ctx, "poker", 0); !errors.Is(err, wire.ErrNoGroup) {
			t.Errorf("a group that is not there: %v", err)
		}
		if rest, err := carol.GroupByID(ctx, id, 1); err != nil || rest.From != 1 || len(rest.Statements) != 1 || rest.Length != 2 {
			t.Errorf("the chain from 1: %v, %v", rest, err)
		}
	})
	t.Run("presence", func(t *testing.T) {
		if err := bob.Announce(ctx, bob.whereabouts(1)); err != nil {
			t.Fatal(err)
		}
		if up := next[client.PeerUp](alice).Presence; up.Account != bob.account || up.Info.ID != bob.host.ID() || up.Seq != 1 {
			t.Errorf("%+v is up", up)
		}
		harness.Await(t, "bob at carol's server", func() bool {
			found, err := carol.FindPeers(ctx, []record.Account{bob.account, alice.account})
			return err == nil && len(found) == 1 && found[0].Info.ID == bob.host.ID()
		})
		// Who begins to watch hears how things stand.
		carol.Attend(true)
		carol.Watch([]record.Account{bob.account})
		if up := next[client.PeerUp](carol).Presence; up.Info.ID != bob.host.ID() {
			t.Errorf("%+v is up", up)
		}
		if err := bob.Withdraw(ctx); err != nil {
			t.Fatal(err)
		}
		harness.Await(t, "the end of bob's presence", func() bool {
			found, err := carol.FindPeers(ctx, []record.Account{bob.account})
			return err == nil && len(found) == 0
		})
	})
	t.Run("keys", func(t *testing.T) {
		bob.Attend(true)
		next[client.KeysLow](bob) // it has none
		bundle := record.Bundle{Account: bob.account, Device: bob.host.ID(), Suite: 1, At: time.Now()}
		prekey := record.OneTimePrekey{Device: bob.host.ID(), ID: 1}
		if err := bob.PublishKeys(ctx, bundle.Sign(bob.key), [][]byte{prekey.Sign(bob.key)}); err != nil {
			t.Fatal(err)
		}
		if changed, told := hear[client.AccountChanged](alice); told && changed.Account != bob.account {
			t.Errorf("%s changed", changed.Account)
		}
		for _, left := range []bool{true, false} {
			keys, err := carol.TakeKeys(ctx, bob.account, []peer.ID{bob.host.ID()})
			if err != nil || len(keys) != 1 {
				t.Fatalf("%v, %v", keys, err)
			}
			if (keys[0].OneTime != nil) != left || keys[0].Bundle.Suite != 1 || keys[0].Left != 0 {
				t.Errorf("a one-time prekey: %v, want %t", keys[0].OneTime != nil, left)
			}
		}
		next[client.KeysLow](bob)
	})
	t.Run("generation", func(t *testing.T) {
		prekey := record.OneTimePrekey{Device: bob.host.ID(), ID: 7}
		if err := bob.PublishKeys(ctx, nil, [][]byte{prekey.Sign(bob.key)}); err != nil {
			t.Fatal(err)
		}
		begin := func(last uint64, token client.Token, renew bool, want client.Generation) {
			t.Helper()
			want.HighestPrekey = 7
			if got, err := bob.BeginGeneration(ctx, last, token, renew); err != nil || got != want {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		}
		begin(0, client.Token{1}, false, client.Generation{Number: 1, Stepped: true})
		begin(0, client.Token{1}, false, client.Generation{Number: 1, Stepped: true})
		begin(0, client.Token{2}, true, client.Generation{Number: 1})
		begin(1, client.Token{2}, true, client.Generation{Number: 2, Stepped: true})
		if keys, err := carol.TakeKeys(ctx, bob.account, []peer.ID{bob.host.ID()}); err != nil || len(keys) != 1 || keys[0].OneTime != nil {
			t.Errorf("after a renewal carol takes %+v, %v", keys, err)
		}
	})
	t.Run("private groups", func(t *testing.T) {
		id := record.NewGroupID()
		create := record.Chain{}.Next(record.CreateGroup, alice.account, alice.host.ID(), time.Now())
		create.Group, create.Name, create.Settings, create.Commitment = id, "whist", record.Settings{Private: true}, record.Hash{1}
		if err := alice.AppendGroup(ctx, create.Sign(alice.key)); err != nil {
			t.Fatal(err)
		}
		hidden := func(n *node) {
			t.Helper()
			_, byName := n.GroupByName(ctx, "whist", 0)
			_, byID := n.GroupByID(ctx, id, 0)
			list, err := n.ListGroups(ctx, false)
			if !errors.Is(byName, wire.ErrNoGroup) || !errors.Is(byID, wire.ErrNoGroup) || err != nil ||
				slices.ContainsFunc(list, func(g client.GroupSummary) bool { return g.ID == id }) {
				t.Errorf("by name %v, by ID %v, listed %v, %v", byName, byID, list, err)
			}
		}
		hidden(bob)
		invite := alice.chain("whist").Next(record.Invite, alice.account, alice.host.ID(), time.Now())
		invite.Subject = bob.account
		if err := alice.AppendGroup(ctx, invite.Sign(alice.key)); err != nil {
			t.Fatal(err)
		}
		if changed := next[client.GroupChanged](bob); changed.Group != id || changed.Length != 2 {
			t.Errorf("bob hears of %+v", changed)
		}
		want := client.GroupSummary{ID: id, Name: "whist", Members: 1, Length: 2, Invited: true, Private: true}
		if list, err := bob.ListGroups(ctx, true); err != nil || !slices.Contains(list, want) {
			t.Errorf("bob's own: %v, %v", list, err)
		}
		join := bob.chain("whist").Next(record.JoinGroup, bob.account, bob.host.ID(), time.Now())
		if err := bob.AppendGroup(ctx, join.Sign(bob.key)); err != nil {
			t.Fatal(err)
		}
		hidden(carol)
	})
}
