package rendezvous_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// everyKind returns an empty request of each kind that the wire has.
func everyKind() map[protoreflect.Name]*pb.Request {
	kinds := make(map[protoreflect.Name]*pb.Request)
	fields := new(pb.Request).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	for i := range fields.Len() {
		req := new(pb.Request)
		req.ProtoReflect().Set(fields.Get(i), req.ProtoReflect().NewField(fields.Get(i)))
		kinds[fields.Get(i).Name()] = req
	}
	return kinds
}

// exchange asks a server without a client in between.
func exchange(ctx context.Context, h host.Host, server peer.ID, req *pb.Request) (*pb.Response, error) {
	s, err := h.NewStream(ctx, server, wire.Rendezvous)
	if err != nil {
		return nil, err
	}
	defer s.Reset()
	if err := wire.WriteFrame(s, req); err != nil {
		return nil, err
	}
	resp := new(pb.Response)
	if err := wire.NewReader(s, wire.MaxResponse).Read(resp); err != nil {
		return nil, err
	}
	return resp, wire.FromWire(resp.GetError())
}

// A request that asks for nothing is nobody's failure but the asker's.
func TestEmptyRequests(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	server := w.servers[0].ID()
	stranger, member := w.nodeAt(0), w.member(0, "alice")
	for kind, req := range everyKind() {
		for _, n := range []*node{stranger, member} {
			if _, err := exchange(ctx, n.host, server, req); errors.Is(err, wire.ErrInternal) {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
	if _, err := exchange(ctx, member.host, server, new(pb.Request)); !errors.Is(err, wire.ErrBadRequest) {
		t.Errorf("a request of no kind: %v", err)
	}
}

// A revoked device is a stranger at once, and is told so.
func TestRevokedDevice(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	alice := w.member(0, "alice")
	thief := w.node()
	if err := alice.add(ctx, thief); err != nil {
		t.Fatal(err)
	}
	thief.Attend(true)
	next[client.Resync](thief)

	found, err := alice.LookUp(ctx, alice.account)
	if err != nil {
		t.Fatal(err)
	}
	revocation := found.Log.Next(record.RevokeDevice, thief.host.ID(), "", time.Now()).Sign(alice.identity)
	if err := alice.AppendDevice(ctx, alice.account, revocation); err != nil {
		t.Fatal(err)
	}
	if notice := next[client.Dismissed](thief); !errors.Is(notice.Err, wire.ErrNotLoggedIn) {
		t.Errorf("dismissed with %v", notice.Err)
	}
	if _, err := thief.ListGroups(ctx, false); !errors.Is(err, wire.ErrNotLoggedIn) {
		t.Errorf("a revoked device asks: %v", err)
	}
	if !thief.Linked() {
		t.Error("a dismissal is no reason to leave the server: one can log in again")
	}
}

// A server vouches for who asks, and for an hour.
func TestPermit(t *testing.T) {
	w := newWorld(t, 1)
	alice := w.member(0, "alice")
	permit, err := alice.Permit(harness.Within(t)) // which verifies it
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(permit.Until); left > record.PermitLifetime || left < record.PermitLifetime-time.Minute {
		t.Errorf("it stands for %v", left)
	}
}

// Nobody does in another's name what only the other may do.
func TestImpostors(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	alice, mallory := w.member(0, "alice"), w.member(0, "mallory")

	if err := mallory.Announce(ctx, alice.whereabouts(1)); !errors.Is(err, wire.ErrBadRequest) {
		t.Errorf("announced somebody else's device: %v", err)
	}
	if err := mallory.AppendGroup(ctx, alice.newGroup("hers", record.NewGroupID())); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("published somebody else's statement: %v", err)
	}
	bundle := record.Bundle{Account: alice.account, Device: alice.host.ID(), At: time.Now()}.Sign(mallory.key)
	if err := mallory.PublishKeys(ctx, bundle, nil); err == nil {
		t.Error("published keys for somebody else's device")
	}
	// An entry that mallory's identity key signs, for alice's log.
	found, err := mallory.LookUp(ctx, alice.account)
	if err != nil {
		t.Fatal(err)
	}
	entry := found.Log.Next(record.AddDevice, mallory.host.ID(), "mine now", time.Now()).Sign(mallory.identity)
	if err := mallory.AppendDevice(ctx, alice.account, entry); !errors.Is(err, wire.ErrBadRequest) {
		t.Errorf("added a device to somebody else's account: %v", err)
	}
}

// Whoever is not the one that mail is for gets none of it, and takes none away;
// and whoever is no member puts none into a group.
func TestStrangersToMail(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	alice, bob := w.member(0, "alice"), w.member(0, "bob")
	id := record.NewGroupID()
	if err := alice.AppendGroup(ctx, alice.newGroup("chess", id)); err != nil {
		t.Fatal(err)
	}
	join := func(n *node) {
		t.Helper()
		if err := n.AppendGroup(ctx, n.chain("chess").Next(record.JoinGroup, n.account, n.host.ID(), time.Now()).Sign(n.key)); err != nil {
			t.Fatal(err)
		}
	}
	join(bob)
	revoke := func(n *node) {
		t.Helper()
		found, err := bob.LookUp(ctx, n.account)
		if err != nil {
			t.Fatal(err)
		}
		if err := bob.AppendDevice(ctx, n.account, found.Log.Next(record.RevokeDevice, n.host.ID(), "", time.Now()).Sign(n.identity)); err != nil {
			t.Fatal(err)
		}
	}
	second := func() *node {
		n := w.nodeAt(0)
		if err := bob.add(ctx, n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	nobody, other, left, removed, sibling, revoked := w.nodeAt(0), w.member(0, "mallory"), w.member(0, "lea"), w.member(0, "rex"), second(), second()
	join(left)
	join(removed)
	letters := []client.GroupLetter{{ID: [16]byte{1}, Message: []byte("x"), For: []peer.ID{bob.host.ID(), left.host.ID(), removed.host.ID(), revoked.host.ID()}}}
	if errs, err := alice.PutGroupMail(ctx, id, letters); err != nil || errs[0] != nil {
		t.Fatal(errs, err)
	}
	alice.put(ctx, bob, letterTo(bob, 1, "for the laptop"), letterTo(revoked, 1, "for one that is revoked"))
	if err := left.AppendGroup(ctx, left.chain("chess").Next(record.LeaveGroup, left.account, left.host.ID(), time.Now()).Sign(left.key)); err != nil {
		t.Fatal(err)
	}
	removal := alice.chain("chess").Next(record.RemoveMember, alice.account, alice.host.ID(), time.Now())
	removal.Subject = removed.account
	if err := alice.AppendGroup(ctx, removal.Sign(alice.key)); err != nil {
		t.Fatal(err)
	}
	revoke(revoked)

	for name, c := range map[string]struct {
		who         *node
		mail, group error // of fetching; putting into the group is refused alike, but to members
		member      bool
	}{
		"a device of nobody":        {nobody, wire.ErrNotLoggedIn, wire.ErrNotLoggedIn, false},
		"a revoked device":          {revoked, wire.ErrNotLoggedIn, wire.ErrNotLoggedIn, false},
		"another account":           {other, nil, wire.ErrRefused, false},
		"one who left":              {left, nil, wire.ErrRefused, false},
		"one who was removed":       {removed, nil, wire.ErrRefused, false},
		"the recipient's other one": {sibling, nil, nil, true},
		"the sender":                {alice, nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			if mail, _, err := c.who.FetchMail(ctx, 99, 0); !errors.Is(err, c.mail) || len(mail) > 0 {
				t.Errorf("fetches %v, %v", mail, err)
			}
			if mail, _, err := c.who.FetchGroupMail(ctx, id, 99, 0); !errors.Is(err, c.group) || len(mail) > 0 {
				t.Errorf("fetches in the group %v, %v", mail, err)
			}
			if _, err := c.who.PutGroupMail(ctx, id, letters); (err == nil) != c.member || !errors.Is(err, c.group) {
				t.Errorf("puts into the group: %v", err)
			}
		})
	}
	if got := bob.fetch(ctx, 0, 0); got != "1 alice1 1 for the laptop|" {
		t.Errorf("bob fetches %q", got)
	}
	if mail, _, err := bob.FetchGroupMail(ctx, id, 0, 0); err != nil || len(mail) == 0 || string(mail[0].Envelope) != "x" {
		t.Errorf("bob fetches in the group %v, %v", mail, err)
	}
}
