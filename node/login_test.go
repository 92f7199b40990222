package node

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/store"
)

// Whoever signs up somewhere logs in there too, and nowhere else.
func TestSignUpPinsTheCluster(t *testing.T) {
	p := newWorld(t).open("")
	if _, err := p.SignUp(t.Context(), "alice", "42", []byte(password)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(p.home, clusterFile)); err != nil {
		t.Error(err)
	}
	p.sees("the fingerprint", func(e Event) bool { return e.Kind == EventNotice })
}

func TestLogoutForgetsKeys(t *testing.T) {
	alice := newWorld(t).newPerson("alice", "42")
	alice.says("alice42", "something to keep")
	var before account.Keys
	published := func() (ok bool) {
		err := alice.device.store.View(func(tx *store.Tx) error {
			before, ok = tx.Keys()
			return nil
		})
		return err == nil && ok
	}
	await(t, "prekeys", published)
	if err := alice.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(accountDir(&alice.cfg, "alice42"), []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.View(func(tx *store.Tx) error {
		if after, _ := tx.Keys(); reflect.DeepEqual(after.Generations, before.Generations) {
			t.Error("the prekeys are still there")
		}
		if left := tx.OneTimeIDs(); len(left) > 0 {
			t.Errorf("%d one-time prekeys are still there", len(left))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
