package store

import (
	"encoding/binary"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/session"
	"github.com/tryst-chat/tryst/node/store/pb"
)

// A transaction finds the private prekeys of a message that it opens.
var _ session.Prekeys = (*Tx)(nil)

// Keys returns the device's rotating prekeys, once they have been put.
func (t *Tx) Keys() (account.Keys, bool) {
	var m pb.Keys
	if !t.getMessage([]byte{rowKeys}, &m) {
		return account.Keys{}, false
	}
	k := account.Keys{NextID: m.GetNextId()}
	for _, g := range m.GetGenerations() {
		generation := account.Generation{
			SignedID: g.GetSignedId(), LastResortID: g.GetLastResortId(), Made: fromMillis(g.GetMade()),
		}
		var err error
		if generation.Signed, err = key.ParseDH(g.GetSigned()); t.damaged(err) {
			return account.Keys{}, false
		}
		if generation.LastResort, err = key.ParseKEM(g.GetLastResort()); t.damaged(err) {
			return account.Keys{}, false
		}
		k.Generations = append(k.Generations, generation)
	}
	return k, true
}

// PutKeys stores the device's rotating prekeys.
func (t *Tx) PutKeys(k account.Keys) {
	m := &pb.Keys{NextId: k.NextID}
	for _, g := range k.Generations {
		m.Generations = append(m.Generations, &pb.Generation{
			SignedId: g.SignedID, Signed: g.Signed.Bytes(),
			LastResortId: g.LastResortID, LastResort: g.LastResort.Bytes(), Made: millis(g.Made),
		})
	}
	t.putMessage([]byte{rowKeys}, m)
}

// SignedPrekey finds a signed prekey by ID, without parsing the others.
func (t *Tx) SignedPrekey(id uint32) (key.DH, bool) {
	var m pb.Keys
	t.getMessage([]byte{rowKeys}, &m)
	for _, g := range m.GetGenerations() {
		if g.GetSignedId() == id {
			k, err := key.ParseDH(g.GetSigned())
			return k, !t.damaged(err)
		}
	}
	return key.DH{}, false
}

// LastResort finds a last-resort prekey by ID, without parsing the others.
func (t *Tx) LastResort(id uint32) (key.KEM, bool) {
	var m pb.Keys
	t.getMessage([]byte{rowKeys}, &m)
	for _, g := range m.GetGenerations() {
		if g.GetLastResortId() == id {
			k, err := key.ParseKEM(g.GetLastResort())
			return k, !t.damaged(err)
		}
	}
	return key.KEM{}, false
}

// OneTime finds a one-time prekey by ID.
func (t *Tx) OneTime(id uint32) (key.DH, key.KEM, bool) {
	var m pb.OneTime
	if !t.getMessage(oneTimeKey(id), &m) {
		return key.DH{}, key.KEM{}, false
	}
	dh, err := key.ParseDH(m.GetDh())
	if t.damaged(err) {
		return key.DH{}, key.KEM{}, false
	}
	kem, err := key.ParseKEM(m.GetKem())
	if t.damaged(err) {
		return key.DH{}, key.KEM{}, false
	}
	return dh, kem, true
}

// AddOneTime stores one-time prekeys, and forgets the oldest beyond
// account.MaxOneTime.
func (t *Tx) AddOneTime(pairs ...account.OneTime) {
	for _, p := range pairs {
		t.putOneTime(p)
	}
	all := t.keys([]byte{rowOneTime}, 0)
	for i := range len(all) - account.MaxOneTime {
		t.remove(all[i].key)
	}
}

func (t *Tx) putOneTime(p account.OneTime) {
	t.putMessage(oneTimeKey(p.ID), &pb.OneTime{Dh: p.DH.Bytes(), Kem: p.KEM.Bytes()})
}

// UseOneTime deletes a one-time prekey, in the transaction that keeps what it
// opened. It does nothing for 0.
func (t *Tx) UseOneTime(id uint32) {
	if id != 0 {
		t.remove(oneTimeKey(id))
	}
}

// OneTimeIDs returns the IDs of the one-time prekeys that are left, oldest first.
func (t *Tx) OneTimeIDs() []uint32 {
	var ids []uint32
	for _, r := range t.keys([]byte{rowOneTime}, 0) {
		if len(r.key) != 1+4 {
			t.damaged(errLength)
			return nil
		}
		ids = append(ids, binary.BigEndian.Uint32(r.key[1:]))
	}
	return ids
}
