package rendezvous_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// open is what a stranger may ask. Everything else is for devices that are
// logged in, whatever will be added to the wire.
var open = map[protoreflect.Name]bool{
	"hello":              true,
	"start_registration": true,
	"sign_up":            true,
	"start_login":        true,
	"finish_login":       true,
	"append_device":      true,
}

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

func TestWhoMayAskWhat(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	server := w.servers[0].ID()
	stranger, member := w.nodeAt(0), w.member(0, "alice")
	for kind, req := range everyKind() {
		_, err := exchange(ctx, stranger.host, server, req)
		if refused := errors.Is(err, wire.ErrNotLoggedIn); refused == open[kind] {
			t.Errorf("%s by a stranger: %v", kind, err)
		}
		if _, err := exchange(ctx, member.host, server, req); errors.Is(err, wire.ErrNotLoggedIn) || errors.Is(err, wire.ErrInternal) {
			t.Errorf("%s by a member: %v", kind, err)
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

// Whatever is written to a protocol, the server goes on.
func TestGarbage(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	n := w.member(0, "alice")
	server := w.servers[0].ID()
	oversized := []byte{0xff, 0xff, 0xff, 0xff, 0x7f} // a length of 34 GB
	noise := make([]byte, 4<<10)
	random := rand.NewChaCha8([32]byte{1})
	for _, id := range []protocol.ID{wire.Rendezvous, wire.Beat, wire.Raft, wire.Forward, wire.Presence} {
		for _, junk := range [][]byte{nil, {0}, {5, 1, 2}, oversized, noise, bytes.Repeat([]byte{1, 0}, 100)} {
			random.Read(noise)
			s, err := n.host.NewStream(ctx, server, id)
			if err != nil {
				t.Fatalf("%s: %v", id, err)
			}
			s.Write(junk) // an error is as good: the server hung up
			s.CloseWrite()
			s.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			s.Read(make([]byte, 1))
			s.Reset()
		}
	}
	if _, err := n.LookUp(ctx, n.account); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
