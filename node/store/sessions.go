package store

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/session"
)

// Session returns the sessions with a device, the zero Record if there are none.
func (t *Tx) Session(device peer.ID) session.Record {
	raw, ok := t.get(deviceKey(rowSession, device))
	if !ok {
		return session.Record{}
	}
	if r, known := t.store.sessions.get(device, raw); known {
		return r
	}
	r, err := session.ParseRecord(raw)
	if t.damaged(err) {
		return session.Record{}
	}
	t.store.sessions.put(device, raw, r)
	return r
}

// PutSession stores the sessions with a device.
func (t *Tx) PutSession(device peer.ID, r session.Record) {
	raw, err := r.MarshalBinary()
	if err != nil {
		t.fail("encode", err)
		return
	}
	t.put(deviceKey(rowSession, device), raw)
	t.store.sessions.put(device, raw, r)
}

// RemoveSession forgets all sessions with a device.
func (t *Tx) RemoveSession(device peer.ID) { t.remove(deviceKey(rowSession, device)) }

// Sessions returns the devices that there are sessions with.
func (t *Tx) Sessions() []peer.ID {
	var devices []peer.ID
	for _, r := range t.keys([]byte{rowSession}, 0) {
		if len(r.key) < 2 || len(r.key) != 2+int(r.key[1]) {
			t.damaged(errLength)
			return nil
		}
		devices = append(devices, peer.ID(r.key[2:]))
	}
	return devices
}

// PrepareSession does ahead of time, in memory, what the next message to a
// device will need (see session.Record.Prepare). Call it when there is nothing
// else to do, after a message of the device's has been opened.
func (s *Store) PrepareSession(device peer.ID) error {
	return s.View(func(t *Tx) error {
		raw, ok := t.get(deviceKey(rowSession, device))
		if !ok {
			return nil
		}
		r, err := t.Session(device).Prepare()
		if err != nil {
			return err
		}
		s.sessions.put(device, raw, r)
		return nil
	})
}
