package node

import (
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
)

// fill makes as much wait for a device as may.
func (p *person) fill(device peer.ID) {
	p.Helper()
	content := make([]byte, store.MaxUpdate/4)
	for full := false; !full; {
		err := p.device.store.Update(func(tx *store.Tx) error {
			left := outbox.MaxQueuedBytes - tx.Load(device).Bytes
			full = left == 0
			if full {
				return nil
			}
			_, err := tx.AddEntry(outbox.New(wire.NewMessageID(), "bob7", device, content[:min(left, len(content))], time.Now()))
			return err
		})
		if err != nil {
			p.Fatal(err)
		}
	}
}

// A device that is away for good holds up neither its account's other devices nor
// the groups that it is in.
func TestDeviceThatNoMoreMayWaitFor(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	if _, err := alice.CreateGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bob.JoinGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	alice.says("bob7", "one device")
	lost := w.open("")
	lost.login("bob7")
	_, device, _ := lost.Account()
	alice.seesNotices("bob7", 1)
	lost.end()
	id, err := peer.Decode(device)
	if err != nil {
		t.Fatal(err)
	}
	alice.fill(id)

	alice.says("bob7", "for the device that is left")
	if _, err := alice.SendGroup(t.Context(), "g1", "for all who are left"); err != nil {
		t.Fatal(err)
	}
	bob.sees("what was said to the group", text("for all who are left"))
}

// What a transaction did to a group is undone when the transaction fails.
func TestGroupAfterFailedTransaction(t *testing.T) {
	w := newWorld(t)
	alice := w.newPerson("alice", "42")
	if _, err := alice.CreateGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	rooms := alice.device.rooms
	before, _ := rooms.named("g1")
	broken := errors.New("broken")
	err := alice.device.commit(func(tx *store.Tx, fx *effects) error {
		s, _, err := before.Send(rooms.self(), []byte("spends a key"), nil)
		if err != nil {
			return err
		}
		if err := rooms.put(tx, fx, s); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	after, _ := rooms.named("g1")
	want, err := before.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := after.MarshalBinary(); err != nil || string(got) != string(want) {
		t.Errorf("the group has changed (%v)", err)
	}
}
