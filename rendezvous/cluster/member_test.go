package cluster

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/testnet/harness"
)

func TestServerAddress(t *testing.T) {
	id := directorytest.NewKey().ID()
	for _, want := range []Server{
		{ID: id},
		{ID: id, Name: "s1", Addresses: []ma.Multiaddr{ma.StringCast("/ip4/192.0.2.1/tcp/4001")}},
		{ID: id, Name: "s2", Addresses: []ma.Multiaddr{ma.StringCast("/dns4/s2.example/tcp/4001"), ma.StringCast("/ip6/::1/udp/4001/quic-v1")}},
	} {
		got, err := parseAddress(want.address())
		if err != nil || got.ID != want.ID || got.Name != want.Name || !cmp.Equal(got.Addresses, want.Addresses, cmp.Comparer(ma.Multiaddr.Equal)) {
			t.Errorf("%s is read as %v, %v", want.address(), got, err)
		}
	}
	other := directorytest.NewKey().ID().String()
	for _, text := range []string{
		"", "s1", "s1=", "s1=/ip4/192.0.2.1/tcp/4001", "s1=/p2p/" + id.String(), "s1=nonsense",
		"s1=/ip4/192.0.2.1/tcp/1/p2p/" + id.String() + ",/ip4/192.0.2.1/tcp/2/p2p/" + other,
	} {
		if s, err := parseAddress(raft.ServerAddress(text)); err == nil {
			t.Errorf("%q is read as %v", text, s)
		}
	}
}

// Who is let in, under which name and where; and who is not, or not any more.
func TestAdmitAndRemove(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leader := c.leader()
	harness.Await(t, "the leader's first entry", func() bool { return leader.Ready() })
	one := Server{ID: directorytest.NewKey().ID(), Name: "s4", Addresses: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/1")}}
	find := func() (Member, bool) {
		for _, m := range leader.Members() {
			if m.ID == one.ID {
				return m, true
			}
		}
		return Member{}, false
	}
	for _, name := range []string{"", "a=b", "a,b"} {
		if err := leader.Admit(t.Context(), Server{ID: one.ID, Name: name, Addresses: one.Addresses}, 0); !errors.Is(err, ErrName) {
			t.Errorf("under the name %q: %v", name, err)
		}
	}
	if err := c.others(leader)[0].Admit(t.Context(), one, 0); !errors.Is(err, ErrNotLeader) {
		t.Errorf("by a follower: %v", err)
	}
	// It lags by more than what a server may lack, so that it does not vote yet.
	person := directorytest.NewPerson("p1")
	leader.propose(t, person.SignUp())
	for range caughtUp {
		leader.propose(t, person.SignUp()) // again, to no effect
	}
	for range 2 { // again changes nothing
		if err := leader.Admit(t.Context(), one, 0); err != nil {
			t.Fatal(err)
		}
		if m, ok := find(); !ok || m.Voter || m.Name != "s4" {
			t.Errorf("it is %v, %t", m, ok)
		}
	}
	moved := one
	moved.Addresses = []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/2")}
	if err := leader.Admit(t.Context(), moved, 0); err != nil {
		t.Fatal(err)
	}
	if m, _ := find(); m.Voter || m.address() != moved.address() {
		t.Errorf("it has moved, and is %v", m)
	}
	thief := Server{ID: directorytest.NewKey().ID(), Name: "s4", Addresses: one.Addresses}
	if err := leader.Admit(t.Context(), thief, 0); !errors.Is(err, ErrName) {
		t.Errorf("another one of that name: %v", err)
	}
	if err := leader.Admit(t.Context(), moved, leader.Status().LastIndex); err != nil {
		t.Fatal(err)
	}
	if m, _ := find(); !m.Voter {
		t.Error("it has caught up, and does not vote")
	}
	if err := leader.Remove(t.Context(), one.ID); err != nil {
		t.Fatal(err)
	}
	if m, ok := find(); ok {
		t.Errorf("it was taken out, and is %v", m)
	}
	if err := leader.Remove(t.Context(), one.ID); !errors.Is(err, ErrNoMember) {
		t.Errorf("again: %v", err)
	}
	if err := leader.Admit(t.Context(), one, leader.Status().LastIndex); !errors.Is(err, ErrRetired) {
		t.Errorf("it is back: %v", err)
	}
	// A leader hands over instead of taking itself out.
	if err := leader.Remove(t.Context(), leader.peer); !errors.Is(err, ErrNotLeader) {
		t.Errorf("the leader itself: %v", err)
	}
	harness.Await(t, "another leader", func() bool {
		next, ok := leader.Leader()
		return ok && next != leader.peer
	})
}
