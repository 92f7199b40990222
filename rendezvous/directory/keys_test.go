package directory_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

func TestKeys(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	key := alice.Devices[0]
	bundle, prekeys := alice.Bundle(key, 1), alice.Prekeys(key, wire.PrekeyLow+1)
	if got := b.ok(directory.TakeKeys("alice1", []peer.ID{key.ID()})); len(got.Value) != 0 || got.Events != nil {
		t.Errorf("taken before anything was published: %+v", got)
	}
	if r := b.ok(directory.PublishKeys("alice1", key.ID(), bundle, prekeys...)); len(r.Events) != 1 {
		t.Errorf("events of a new bundle: %v", r.Events)
	}
	if r := b.ok(directory.PublishKeys("alice1", key.ID(), bundle)); r.Events != nil {
		t.Errorf("events of the same bundle: %v", r.Events)
	}
	got := b.take(alice, key.ID())
	if !bytes.Equal(got.Bundle, bundle) || !bytes.Equal(got.OneTime, prekeys[0]) || got.Left != wire.PrekeyLow || got.Device != key.ID() {
		t.Errorf("taken: %d left", got.Left)
	}
	r := b.ok(directory.TakeKeys("alice1", []peer.ID{key.ID()}))
	want := directory.KeysLow{Account: "alice1", Device: key.ID(), Left: wire.PrekeyLow - 1}
	if len(r.Events) != 1 || r.Events[0] != want {
		t.Errorf("events %v, want %v", r.Events, want)
	}
	// A publication whose answer was lost comes again: what was taken stays so.
	b.ok(directory.PublishKeys("alice1", key.ID(), bundle, prekeys...))
	for i := 2; i <= wire.PrekeyLow; i++ {
		if got := b.take(alice, key.ID()); !bytes.Equal(got.OneTime, prekeys[i]) {
			t.Errorf("prekey %d is not the oldest left", i)
		}
	}
	if got := b.take(alice, key.ID()); got.OneTime != nil || got.Left != 0 || !bytes.Equal(got.Bundle, bundle) {
		t.Errorf("taken from an empty stock: %+v", got)
	}
	if left, err := b.PrekeysLeft("alice1", key.ID()); err != nil || left != 0 {
		t.Errorf("PrekeysLeft: %d, %v", left, err)
	}
}

// A publication comes again, from a server that was frozen, after the device has
// published a newer bundle.
func TestOldPublicationComesAgain(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	key, id := alice.Devices[0], alice.Devices[0].ID()
	first := directory.PublishKeys("alice1", id, alice.Bundle(key, 1), alice.Prekeys(key, 1)...)
	b.ok(first)
	renewed := record.Bundle{
		Account: "alice1", Device: id, Suite: 1, SignedPrekeyID: 2, LastResortID: 2, At: directorytest.Now.Add(-time.Hour),
	}
	b.ok(directory.PublishKeys("alice1", id, renewed.Sign(key))) // whatever the device's clock says
	if r := b.ok(first); r.Events != nil {
		t.Errorf("events of an old publication: %v", r.Events)
	}
	if got := b.take(alice, id); !bytes.Equal(got.Bundle, renewed.Sign(key)) {
		t.Error("the old bundle is back")
	}
	again := renewed
	again.At = directorytest.Now
	b.ok(directory.PublishKeys("alice1", id, again.Sign(key)))
	b.ok(directory.PublishKeys("alice1", id, renewed.Sign(key)))
	if got := b.take(alice, id); !bytes.Equal(got.Bundle, again.Sign(key)) {
		t.Error("of two bundles with the same prekey the older one counts")
	}
}

func TestPublishKeysRefuses(t *testing.T) {
	b := newBench(t)
	alice, bob := b.signUp("alice1"), b.signUp("bob1")
	key, id := alice.Devices[0], alice.Devices[0].ID()
	full := alice.Prekeys(key, record.MaxPrekeys)
	more := alice.Prekeys(key, 1)
	zero := record.OneTimePrekey{Device: id, ID: 0}.Sign(key)
	for _, c := range []struct {
		what    string
		want    error
		command []byte
	}{
		{"no account", wire.ErrNoAccount, directory.PublishKeys("carol1", id, nil)},
		{"another's device", wire.ErrRefused, directory.PublishKeys("bob1", id, nil)},
		{"no device", wire.ErrBadRequest, directory.PublishKeys("alice1", "", nil)},
		{"another's bundle", wire.ErrConflict, directory.PublishKeys("alice1", id, bob.Bundle(bob.Devices[0], 1))},
		{"bundle signed by another", wire.ErrBadRequest, directory.PublishKeys("alice1", id, record.Bundle{Account: "alice1", Device: id}.Sign(bob.Devices[0]))},
		{"another's prekey", wire.ErrConflict, directory.PublishKeys("alice1", id, nil, bob.Prekeys(bob.Devices[0], 1)...)},
		{"prekey zero", wire.ErrBadRequest, directory.PublishKeys("alice1", id, nil, zero)},
		{"same prekey twice", wire.ErrBadRequest, directory.PublishKeys("alice1", id, nil, full[0], full[0])},
		{"falling IDs", wire.ErrBadRequest, directory.PublishKeys("alice1", id, nil, full[1], full[0])},
		{"too many at once", wire.ErrFull, directory.PublishKeys("alice1", id, nil, append(slices.Clone(full), more...)...)},
	} {
		b.refused(c.want, c.what, c.command)
	}
	b.ok(directory.PublishKeys("alice1", id, nil, full...))
	b.refused(wire.ErrFull, "above a full stock", directory.PublishKeys("alice1", id, nil, more...))
	b.refused(wire.ErrNoAccount, "keys of nobody", directory.TakeKeys("carol1", []peer.ID{id}))
	b.refused(wire.ErrBadRequest, "keys of no device", directory.TakeKeys("alice1", nil))
	b.refused(wire.ErrBadRequest, "keys of one device twice", directory.TakeKeys("alice1", []peer.ID{id, id}))
	b.refused(wire.ErrBadRequest, "keys of too many", directory.TakeKeys("alice1", make([]peer.ID, record.MaxDevices+1)))
}

func TestRevocationDropsKeys(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	key := alice.Devices[0]
	b.ok(directory.PublishKeys("alice1", key.ID(), alice.Bundle(key, 1), alice.Prekeys(key, 5)...))
	b.ok(directory.BeginGeneration("alice1", key.ID(), 0, make([]byte, wire.TokenSize), false))
	logout := alice.Log.Next(record.RevokeDevice, key.ID(), "", directorytest.Now).Sign(key)
	b.ok(directory.AppendDevice("alice1", logout))
	for _, p := range storetest.Dump(t, b.store) {
		for _, field := range []string{"b", "o", "s", "r"} {
			if bytes.Contains(p.Key, []byte("alice1\x00"+field)) {
				t.Errorf("left behind: %q", p.Key)
			}
		}
	}
	b.refused(wire.ErrRefused, "publish from a revoked device", directory.PublishKeys("alice1", key.ID(), alice.Bundle(key, 2)))
	if r := b.ok(directory.TakeKeys("alice1", []peer.ID{key.ID()})); len(r.Value) != 0 {
		t.Error("a revoked device's keys were handed out")
	}
}
