package rendezvous_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

func TestSignUpAndLogIn(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	alice := w.nodeAt(0)
	if err := alice.enrol(ctx, "alice", "1"); err != nil {
		t.Fatal(err)
	}

	t.Run("the name is taken", func(t *testing.T) {
		if err := w.node().enrol(ctx, "Alice", "1"); !errors.Is(err, wire.ErrNameTaken) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("on an empty machine", func(t *testing.T) {
		second := w.node()
		if err := second.login(ctx, alice.account); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(second.identity, alice.identity) {
			t.Error("the vault holds another identity")
		}
		found, err := second.LookUp(ctx, alice.account)
		if err != nil {
			t.Fatal(err)
		}
		if want := []peer.ID{alice.host.ID(), second.host.ID()}; !slices.Equal(found.Log.Active(), want) {
			t.Errorf("devices %v, want %v", found.Log.Active(), want)
		}
		if !bytes.Equal(found.Identity, ed25519.PrivateKey(alice.identity).Public().(ed25519.PublicKey)) {
			t.Error("another identity was looked up")
		}
	})
	t.Run("nobody learns who exists", func(t *testing.T) {
		guesser := w.node()
		_, wrong := guesser.Login(ctx, alice.account, []byte("a guess"))
		_, unknown := guesser.Login(ctx, "nobody1", []byte("a guess"))
		if !errors.Is(wrong, wire.ErrWrongPassword) || !errors.Is(unknown, wire.ErrWrongPassword) {
			t.Fatalf("wrong password: %v; unknown account: %v", wrong, unknown)
		}
		if wrong.Error() != unknown.Error() {
			t.Errorf("%q is not %q", wrong, unknown)
		}
	})
	t.Run("guessing is slowed down", func(t *testing.T) {
		guesser := w.nodeAt(0)
		_, ke1, err := auth.LoginStart([]byte("a guess"))
		if err != nil {
			t.Fatal(err)
		}
		// Each answer is worth a guess, whether or not the login is finished.
		req := &pb.Request{Kind: &pb.Request_StartLogin{StartLogin: &pb.StartLogin{Account: "somebody1", Ke1: ke1}}}
		for range 20 {
			_, err := exchange(ctx, guesser.host, w.servers[0].ID(), req)
			if errors.Is(err, wire.ErrTooMany) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Error("twenty guesses in a row")
	})
	t.Run("impossible names", func(t *testing.T) {
		if err := w.node().enrol(ctx, "al ice", "1"); !errors.Is(err, record.ErrName) {
			t.Errorf("got %v", err)
		}
		if _, err := alice.LookUp(ctx, "nobody1"); !errors.Is(err, wire.ErrNoAccount) {
			t.Errorf("got %v", err)
		}
	})
}

// Two people want one name at two servers at once.
func TestOneNameAtTwoServers(t *testing.T) {
	w := newWorld(t, 3)
	ctx := harness.Within(t)
	rivals := []*node{w.nodeAt(0), w.nodeAt(1)}
	errs := make([]error, len(rivals))
	var all sync.WaitGroup
	for i, n := range rivals {
		all.Go(func() { errs[i] = n.enrol(ctx, "highlander", "1") })
	}
	all.Wait()
	taken := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	if len(taken) != 1 || !errors.Is(taken[0], wire.ErrNameTaken) {
		t.Errorf("there can be only one: %v", errs)
	}
}
