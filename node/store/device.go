package store

import (
	"bytes"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/store/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Device is this device itself.
type Device struct {
	Key      key.Device
	DH       key.DH // its identity key in sessions
	Account  record.Account
	Enrolled bool // its entry is in the account's device log
}

// Device returns this device, once it has been put.
func (t *Tx) Device() (Device, bool) {
	raw, ok := t.get([]byte{rowDevice})
	if !ok {
		return Device{}, false
	}
	if d, known := t.store.devices.get(struct{}{}, raw); known {
		return d, true
	}
	var m pb.Device
	if !t.decode(raw, &m) {
		return Device{}, false
	}
	d := Device{Account: record.Account(m.GetAccount()), Enrolled: m.GetEnrolled()}
	var err error
	if d.Key, err = key.ParseDevice(m.GetKey()); t.damaged(err) {
		return Device{}, false
	}
	if d.DH, err = key.ParseDH(m.GetDh()); t.damaged(err) {
		return Device{}, false
	}
	t.store.devices.put(struct{}{}, raw, d)
	return d, true
}

// PutDevice stores this device.
func (t *Tx) PutDevice(d Device) {
	t.putMessage([]byte{rowDevice}, &pb.Device{
		Key: d.Key.Bytes(), Dh: d.DH.Bytes(), Account: string(d.Account), Enrolled: d.Enrolled,
	})
}

// Meta returns a value by name.
func (t *Tx) Meta(name string) ([]byte, bool) { return t.get(metaKey(name)) }

// PutMeta stores a value by name; nil removes it.
func (t *Tx) PutMeta(name string, value []byte) {
	if value == nil {
		t.remove(metaKey(name))
		return
	}
	t.put(metaKey(name), bytes.Clone(value))
}

func metaKey(name string) []byte { return append([]byte{rowMeta}, name...) }
