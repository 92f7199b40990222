package node

import (
	"testing"
	"time"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// FuzzContent has a contact, who is a member of a group, say anything inside a
// session and inside a sender chain. Nothing of it panics or fails a transaction,
// which would have the sender come again for ever.
func FuzzContent(f *testing.F) {
	w := newWorld(f)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.founds("g1", bob)
	alice.says("bob7", "hello")
	s, _ := bob.roomState("g1")
	contact, _ := bob.device.people.contact("alice42")
	device := alice.identity().Device

	manifest := &pb.File{Id: make([]byte, 16), Name: "f", Size: 1, Sha256: make([]byte, 32), Root: make([]byte, 32), Key: make([]byte, key.Size)}
	for _, body := range []wire.Body{
		wire.Text("text"), wire.FileOffer{Manifest: manifest}, wire.FileReceived{Message: wire.NewMessageID()},
		wire.SenderKey{Group: s.ID(), Epoch: s.Epoch(), Distribution: []byte("chain")},
		wire.EpochRequest{Group: s.ID(), Epoch: s.Epoch()}, wire.EpochRequest{Group: record.NewGroupID(), Epoch: 1},
		wire.HistoryRequest{Group: s.ID()}, wire.HistoryRequest{Group: s.ID(), After: wire.Place{Iteration: 1}},
		wire.HistoryPart{Group: s.ID(), Messages: []wire.PastMessage{{Message: []byte("m"), Opening: []byte("o")}}, Last: true},
		wire.EpochSecret{Group: s.ID(), Epoch: s.Epoch() + 1, Secret: key.NewEpoch()},
	} {
		content, err := wire.Content{ID: wire.NewMessageID(), To: "bob7", SentAt: time.Now(), Body: body}.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	said, err := wire.GroupContent{ID: wire.NewMessageID(), ChainLength: 2, Body: wire.FileOffer{Manifest: manifest}}.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(said)

	in := &inbox{bob.device}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := bob.device.store.Update(func(tx *store.Tx) error {
			var fx effects // what it asks for is not done: no questions to servers, no fetches
			if content, err := wire.ParseContent(b); err == nil {
				a := arrival{contact, device, content}
				in.d.rooms.early(a)
				if err := in.act(tx, &fx, a); err != nil {
					return err
				}
			}
			now, _ := bob.device.rooms.state(s.ID())
			said := group.Delivered{From: group.Member{Account: "alice42", Device: device}, Content: b}
			return bob.device.rooms.keep(tx, &fx, now, []group.Delivered{said})
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := bob.device.people.contact("alice42"); !ok {
			t.Fatal("the contact is gone")
		}
	})
}
