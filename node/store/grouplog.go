package store

import (
	"encoding/binary"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Logged is a group's sealed message, sent or received, as it is kept for members
// who lack it.
type Logged struct {
	Chain     [16]byte // the sender's chain, and the message's place in it
	Iteration uint32
	Message   []byte
}

// loggedOverhead is what a row of the log holds before the message.
const loggedOverhead = 8 + 16 + 4

// LogGroup keeps a group's message; one that is kept already stays where it is. The
// oldest make room for it.
func (t *Tx) LogGroup(id record.GroupID, m Logged, now time.Time) {
	place := placeKey(id, m.Chain, m.Iteration)
	if _, kept := t.get(place); kept {
		return
	}
	order := t.nextOrder()
	v := make([]byte, 0, loggedOverhead+len(m.Message))
	v = binary.BigEndian.AppendUint64(v, uint64(now.UnixMilli()))
	v = append(v, m.Chain[:]...)
	v = binary.BigEndian.AppendUint32(v, m.Iteration)
	v = append(v, m.Message...)
	t.put(logKey(id, order), v)
	t.put(place, binary.BigEndian.AppendUint64(nil, order))

	log, kept := t.logSize(id)
	if !kept {
		log.oldest = order
	}
	log.bytes += uint64(len(v))
	for log.bytes > MaxLog {
		if !t.dropOldest(id, &log, func(Logged, time.Time) bool { return true }) {
			break
		}
	}
	t.putLogSize(id, log)
}

// LoggedFrom returns where messages of a chain lie in a group's log, from an
// iteration on, at most limit of them.
func (t *Tx) LoggedFrom(id record.GroupID, chain [16]byte, iteration uint32, limit int) (orders []uint64) {
	if limit <= 0 {
		return nil
	}
	first := placeKey(id, chain, iteration)
	for _, r := range t.rowsFrom(first[:len(first)-4], first, limit) {
		orders = append(orders, t.number(r.value))
	}
	return orders
}

// LoggedAt returns where one message of a chain lies in a group's log.
func (t *Tx) LoggedAt(id record.GroupID, chain [16]byte, iteration uint32) (order uint64, ok bool) {
	v, ok := t.get(placeKey(id, chain, iteration))
	if !ok {
		return 0, false
	}
	return t.number(v), true
}

// Logged returns a message of a group's log.
func (t *Tx) Logged(id record.GroupID, order uint64) (Logged, bool) {
	v, ok := t.get(logKey(id, order))
	if !ok {
		return Logged{}, false
	}
	m, _, ok := t.parseLogged(v)
	return m, ok
}

func (t *Tx) parseLogged(v []byte) (m Logged, at time.Time, ok bool) {
	if len(v) < loggedOverhead {
		t.damaged(errLength)
		return m, at, false
	}
	at = time.UnixMilli(int64(binary.BigEndian.Uint64(v)))
	copy(m.Chain[:], v[8:])
	m.Iteration = binary.BigEndian.Uint32(v[24:])
	m.Message = v[loggedOverhead:]
	return m, at, true
}

// PruneLogs forgets group messages that have been kept for LogLifetime before now.
// It tells whether there may be more to forget: then call it again in another
// transaction.
func (t *Tx) PruneLogs(now time.Time) (more bool) {
	deadline := now.Add(-LogLifetime)
	pruned := 0
	for _, r := range t.rows([]byte{rowLogSize}, 0) {
		if len(r.key) != 1+len(record.GroupID{}) {
			t.damaged(errLength)
			return false
		}
		id := record.GroupID(r.key[1:])
		log, _ := t.logSize(id)
		for t.dropOldest(id, &log, func(_ Logged, at time.Time) bool { return at.Before(deadline) }) {
			if pruned++; pruned == maxPrune {
				t.putLogSize(id, log)
				return true
			}
		}
		t.putLogSize(id, log)
	}
	return false
}

// dropOldest removes a log's first message if it may go. The log's size is the
// caller's to write down.
func (t *Tx) dropOldest(id record.GroupID, log *logSize, mayGo func(Logged, time.Time) bool) bool {
	rows := t.rowsFrom(logPrefix(id), logKey(id, log.oldest), 2)
	if len(rows) == 0 {
		return false
	}
	m, at, ok := t.parseLogged(rows[0].value)
	if !ok || !mayGo(m, at) {
		return false
	}
	t.remove(rows[0].key)
	t.remove(placeKey(id, m.Chain, m.Iteration))
	t.dropOpening(id, t.number(rows[0].key[len(logPrefix(id)):]))
	log.bytes -= uint64(len(rows[0].value))
	if len(rows) > 1 {
		log.oldest = t.number(rows[1].key[len(logPrefix(id)):])
	}
	return true
}

// logSize is what is known of a log without reading it. oldest passes over what has
// been removed.
type logSize struct{ oldest, bytes uint64 }

func (t *Tx) logSize(id record.GroupID) (log logSize, kept bool) {
	v, ok := t.get(logSizeKey(id))
	if !ok {
		return log, false
	}
	if len(v) != 16 {
		t.damaged(errLength)
		return log, false
	}
	return logSize{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])}, true
}

func (t *Tx) putLogSize(id record.GroupID, log logSize) {
	v := binary.BigEndian.AppendUint64(nil, log.oldest)
	t.put(logSizeKey(id), binary.BigEndian.AppendUint64(v, log.bytes))
}

func logPrefix(id record.GroupID) []byte { return append([]byte{rowLog}, id[:]...) }

func logKey(id record.GroupID, order uint64) []byte {
	return binary.BigEndian.AppendUint64(logPrefix(id), order)
}

func placeKey(id record.GroupID, chain [16]byte, iteration uint32) []byte {
	k := append([]byte{rowLogPlace}, id[:]...)
	return binary.BigEndian.AppendUint32(append(k, chain[:]...), iteration)
}

func logSizeKey(id record.GroupID) []byte { return append([]byte{rowLogSize}, id[:]...) }
