package store

import (
	"encoding/binary"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Beside the last messages of a group's log may lie what opens each of them, for
// newcomers whom members pass them on to. It goes with the message, or sooner.

// Opened is a message of a group's log that can be opened.
type Opened struct {
	Order   uint64 // of the message in the log
	Opening []byte // what package group made
}

// KeepOpening keeps what opens a message of a group's log, if the message is there, and
// lets go of the oldest when there are more than most.
func (t *Tx) KeepOpening(id record.GroupID, m Logged, opening []byte, most int) {
	order, logged := t.LoggedAt(id, m.Chain, m.Iteration)
	if !logged {
		return
	}
	if _, kept := t.get(openingKey(id, order)); kept {
		return
	}
	t.put(openingKey(id, order), opening)
	size := t.openingSize(id)
	if size.count == 0 || order < size.oldest {
		size.oldest = order
	}
	size.count++
	for size.count > uint64(most) {
		rows := t.rowsFrom(openingPrefix(id), openingKey(id, size.oldest), 2)
		if len(rows) < 2 {
			break
		}
		t.remove(rows[0].key)
		size.oldest = t.number(rows[1].key[len(openingPrefix(id)):])
		size.count--
	}
	t.putOpeningSize(id, size)
}

// Openings returns what opens the last messages of a group, in the order of its log.
func (t *Tx) Openings(id record.GroupID) (all []Opened) {
	size := t.openingSize(id)
	if size.count == 0 {
		return nil
	}
	prefix := openingPrefix(id)
	for _, r := range t.rowsFrom(prefix, openingKey(id, size.oldest), 0) {
		all = append(all, Opened{Order: t.number(r.key[len(prefix):]), Opening: r.value})
	}
	return all
}

// RemoveOpenings forgets what opens the messages of a group.
func (t *Tx) RemoveOpenings(id record.GroupID) {
	for _, r := range t.keys(openingPrefix(id), 0) {
		t.remove(r.key)
	}
	t.remove(openingSizeKey(id))
}

// dropOpening forgets what opens a message that goes.
func (t *Tx) dropOpening(id record.GroupID, order uint64) {
	if _, kept := t.get(openingKey(id, order)); !kept {
		return
	}
	t.remove(openingKey(id, order))
	size := t.openingSize(id)
	size.count--
	t.putOpeningSize(id, size)
}

// openingSize is what is known of a group's openings without reading them. oldest
// passes over what has been removed.
type openingSize struct{ oldest, count uint64 }

func (t *Tx) openingSize(id record.GroupID) (size openingSize) {
	v, ok := t.get(openingSizeKey(id))
	if !ok {
		return size
	}
	if len(v) != 16 {
		t.damaged(errLength)
		return size
	}
	return openingSize{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])}
}

func (t *Tx) putOpeningSize(id record.GroupID, size openingSize) {
	v := binary.BigEndian.AppendUint64(nil, size.oldest)
	t.put(openingSizeKey(id), binary.BigEndian.AppendUint64(v, size.count))
}

func openingPrefix(id record.GroupID) []byte { return append([]byte{rowOpening}, id[:]...) }

func openingKey(id record.GroupID, order uint64) []byte {
	return binary.BigEndian.AppendUint64(openingPrefix(id), order)
}

func openingSizeKey(id record.GroupID) []byte { return append([]byte{rowOpeningSize}, id[:]...) }
