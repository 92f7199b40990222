package store

import (
	"encoding/binary"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store/pb"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Own is a message that was sent from this device: where it stands in its
// conversation, and how far it has got.
type Own struct {
	ID           wire.MessageID
	Conversation string
	Order        uint64
	State        outbox.State
	// In a group: the place in the sender chain, by which member devices say what
	// they have.
	Chain     [16]byte
	Iteration uint32
}

// Step is one thing that happened to a message that was sent from this device.
type Step struct {
	At      time.Time
	State   outbox.State   // what it came to
	Account record.Account // whose device
	Device  peer.ID        // empty where it concerns no single device
	Path    string         // how it went there; empty where it did not travel
}

// MaxSteps bounds the steps that are kept of one message: what a message to all
// devices of an account goes through, some of it more than once.
const MaxSteps = 64

// PutOwn keeps how far a message has got that was sent from here.
func (t *Tx) PutOwn(o Own) {
	m := &pb.Own{Conversation: o.Conversation, Order: o.Order, State: uint32(o.State)}
	if o.Chain != ([16]byte{}) {
		m.Chain, m.Iteration = o.Chain[:], o.Iteration
	}
	t.putMessage(ownKey(o.ID), m)
}

// Own returns how far a message has got that was sent from here.
func (t *Tx) Own(id wire.MessageID) (Own, bool) {
	var m pb.Own
	if !t.getMessage(ownKey(id), &m) {
		return Own{}, false
	}
	return ownFromRow(id, &m), true
}

func ownFromRow(id wire.MessageID, m *pb.Own) Own {
	o := Own{
		ID: id, Conversation: m.GetConversation(), Order: m.GetOrder(),
		State: outbox.State(m.GetState()), Iteration: m.GetIteration(),
	}
	copy(o.Chain[:], m.GetChain())
	return o
}

// OwnLike returns the messages sent from here whose IDs begin with some bytes, at
// most limit of them.
func (t *Tx) OwnLike(prefix []byte, limit int) (own []Own) {
	for _, r := range t.rows(append([]byte{rowOwn}, prefix...), limit) {
		id, ok := wire.ParseMessageID(r.key[1:])
		var m pb.Own
		if !ok || !t.decode(r.value, &m) {
			t.damaged(errLength)
			return nil
		}
		own = append(own, ownFromRow(id, &m))
	}
	return own
}

// AddStep keeps what happened to a message, unless MaxSteps things have.
func (t *Tx) AddStep(id wire.MessageID, s Step) {
	if len(t.keys(stepPrefix(id), MaxSteps)) == MaxSteps {
		return
	}
	t.putMessage(binary.BigEndian.AppendUint64(stepPrefix(id), t.nextOrder()), &pb.Step{
		At: millis(s.At), State: uint32(s.State), Account: string(s.Account), Device: []byte(s.Device), Path: s.Path,
	})
}

// Steps returns what happened to a message, in order.
func (t *Tx) Steps(id wire.MessageID) (steps []Step) {
	for _, r := range t.rows(stepPrefix(id), 0) {
		var m pb.Step
		if !t.decode(r.value, &m) {
			return nil
		}
		steps = append(steps, Step{
			At: fromMillis(m.GetAt()), State: outbox.State(m.GetState()),
			Account: record.Account(m.GetAccount()), Device: peer.ID(m.GetDevice()), Path: m.GetPath(),
		})
	}
	return steps
}

func ownKey(id wire.MessageID) []byte     { return append([]byte{rowOwn}, id[:]...) }
func stepPrefix(id wire.MessageID) []byte { return append([]byte{rowStep}, id[:]...) }
