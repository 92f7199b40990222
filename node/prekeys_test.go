package node

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/store"
)

// The weekly bundle is published also while the directory has one-time prekeys
// enough, so that it takes no more of them.
func TestRotationWithAFullStock(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	bob.says("alice42", "hello") // her keys are published
	var old account.Keys
	err := alice.device.store.Update(func(tx *store.Tx) error {
		old, _ = tx.Keys()
		aged := old
		aged.Generations = append([]account.Generation(nil), old.Generations...)
		aged.Generations[0].Made = time.Now().Add(-account.RotateAfter - time.Hour)
		tx.PutKeys(aged)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	alice.device.publishKeys(t.Context(), false)
	taken, err := bob.device.link.client.TakeKeys(t.Context(), "alice42", []peer.ID{alice.identity().Device})
	if err != nil || len(taken) != 1 {
		t.Fatalf("%d keys, %v", len(taken), err)
	}
	if taken[0].Bundle.SignedPrekeyID <= old.Generations[0].SignedID {
		t.Errorf("the directory still has signed prekey %d", taken[0].Bundle.SignedPrekeyID)
	}
	if taken[0].OneTime == nil {
		t.Error("the one-time prekeys are gone")
	}
}
