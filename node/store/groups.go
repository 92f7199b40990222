package store

import (
	"bytes"
	"encoding/binary"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Group returns what package group made of a group.
func (t *Tx) Group(id record.GroupID) ([]byte, bool) { return t.get(groupKey(id)) }

// PutGroup stores what package group made of a group.
func (t *Tx) PutGroup(id record.GroupID, state []byte) { t.put(groupKey(id), bytes.Clone(state)) }

// RemoveGroup forgets a group and what is buffered for it.
func (t *Tx) RemoveGroup(id record.GroupID) {
	t.remove(groupKey(id))
	for _, r := range t.keys(bufferedKey(id), 0) {
		t.remove(r.key)
	}
}

// Groups returns all groups.
func (t *Tx) Groups() map[record.GroupID][]byte {
	groups := make(map[record.GroupID][]byte)
	for _, r := range t.rows([]byte{rowGroup}, 0) {
		if len(r.key) != 1+len(record.GroupID{}) {
			t.damaged(errLength)
			return nil
		}
		groups[record.GroupID(r.key[1:])] = r.value
	}
	return groups
}

// Buffered is a group message that cannot be opened yet.
type Buffered struct {
	Order   uint64
	Message []byte
}

// Buffer keeps a group message until it can be opened. Beyond MaxBuffered it
// drops the oldest and tells how many.
func (t *Tx) Buffer(id record.GroupID, message []byte) (dropped int) {
	t.put(binary.BigEndian.AppendUint64(bufferedKey(id), t.nextOrder()), bytes.Clone(message))
	all := t.keys(bufferedKey(id), 0)
	for _, r := range all[:max(0, len(all)-MaxBuffered)] {
		t.remove(r.key)
		dropped++
	}
	return dropped
}

// Buffered returns what is kept for a group, oldest first.
func (t *Tx) Buffered(id record.GroupID) []Buffered {
	var buffered []Buffered
	prefix := bufferedKey(id)
	for _, r := range t.rows(prefix, 0) {
		buffered = append(buffered, Buffered{Order: t.number(r.key[len(prefix):]), Message: r.value})
	}
	return buffered
}

// Unbuffer removes a message that was opened, or given up.
func (t *Tx) Unbuffer(id record.GroupID, order uint64) {
	t.remove(binary.BigEndian.AppendUint64(bufferedKey(id), order))
}

func groupKey(id record.GroupID) []byte    { return append([]byte{rowGroup}, id[:]...) }
func bufferedKey(id record.GroupID) []byte { return append([]byte{rowBuffered}, id[:]...) }
