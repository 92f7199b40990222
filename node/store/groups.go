package store

import (
	"bytes"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Group returns what package group made of a group.
func (t *Tx) Group(id record.GroupID) ([]byte, bool) { return t.get(groupKey(id)) }

// PutGroup stores what package group made of a group.
func (t *Tx) PutGroup(id record.GroupID, state []byte) { t.put(groupKey(id), bytes.Clone(state)) }

// RemoveGroup forgets a group's state. Its messages stay, as its conversation does,
// until they are too old.
func (t *Tx) RemoveGroup(id record.GroupID) { t.remove(groupKey(id)) }

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

func groupKey(id record.GroupID) []byte { return append([]byte{rowGroup}, id[:]...) }
