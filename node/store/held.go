package store

import (
	"encoding/binary"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/store/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Held is what a group message says, until it is its turn to be shown.
type Held struct {
	From    record.Account
	Device  peer.ID
	Content []byte
}

// Hold keeps what the message at a place in its sender's chain says.
func (t *Tx) Hold(id record.GroupID, chain [16]byte, iteration uint32, h Held) {
	t.putMessage(heldKey(id, chain, iteration), &pb.Held{From: string(h.From), Device: []byte(h.Device), Content: h.Content})
}

// Release returns what Hold kept, and forgets it.
func (t *Tx) Release(id record.GroupID, chain [16]byte, iteration uint32) (Held, bool) {
	var m pb.Held
	k := heldKey(id, chain, iteration)
	if !t.getMessage(k, &m) {
		return Held{}, false
	}
	t.remove(k)
	return Held{From: record.Account(m.GetFrom()), Device: peer.ID(m.GetDevice()), Content: m.GetContent()}, true
}

// DropHeld forgets everything that is kept for a group.
func (t *Tx) DropHeld(id record.GroupID) {
	for _, r := range t.keys(append([]byte{rowHeld}, id[:]...), 0) {
		t.remove(r.key)
	}
}

func heldKey(id record.GroupID, chain [16]byte, iteration uint32) []byte {
	k := append(append([]byte{rowHeld}, id[:]...), chain[:]...)
	return binary.BigEndian.AppendUint32(k, iteration)
}
