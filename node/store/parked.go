package store

import (
	"encoding/binary"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/store/pb"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Parked is mail that this device has taken from the servers and cannot open yet:
// it is of a moment in a group's life that it has still to hear of.
type Parked struct {
	Order    uint64 // assigned by the store
	From     record.Account
	Device   peer.ID
	ID       wire.MessageID
	Envelope []byte
	Since    time.Time
}

const (
	// MaxParked bounds what is parked: the keys of several full groups that were
	// joined while this device was away. Its senders keep what has to make room.
	MaxParked = 1024
	// parkedOrder is the length of a parked row's key without its kind.
	parkedOrder = 8
)

// Park keeps mail for later. The oldest makes room for it.
func (t *Tx) Park(p Parked) {
	if rows := t.keys([]byte{rowParked}, MaxParked); len(rows) == MaxParked {
		t.remove(rows[0].key)
	}
	t.putMessage(parkedKey(t.nextOrder()), &pb.Parked{
		From: string(p.From), Device: []byte(p.Device), Id: p.ID[:], Envelope: p.Envelope, Since: millis(p.Since),
	})
}

// Parked returns what is parked behind a number, in order, at most limit of it.
func (t *Tx) Parked(after uint64, limit int) (parked []Parked) {
	for _, r := range t.rowsFrom([]byte{rowParked}, parkedKey(after+1), limit) {
		var m pb.Parked
		id, ok := wire.ParseMessageID(nil)
		if t.decode(r.value, &m) {
			id, ok = wire.ParseMessageID(m.GetId())
		}
		if !ok || len(r.key) != 1+parkedOrder {
			t.damaged(errLength)
			return nil
		}
		parked = append(parked, Parked{
			Order: t.number(r.key[1:]), From: record.Account(m.GetFrom()), Device: peer.ID(m.GetDevice()),
			ID: id, Envelope: m.GetEnvelope(), Since: fromMillis(m.GetSince()),
		})
	}
	return parked
}

// Unpark removes what has been dealt with.
func (t *Tx) Unpark(order uint64) { t.remove(parkedKey(order)) }

func parkedKey(order uint64) []byte { return binary.BigEndian.AppendUint64([]byte{rowParked}, order) }
