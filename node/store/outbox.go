package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store/pb"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// AddEntry queues an entry, sealed or not, behind all others for its device and
// returns it with its Seq. It returns outbox.ErrFull.
func (t *Tx) AddEntry(e outbox.Entry) (outbox.Entry, error) {
	load := t.load(e.Device)
	if err := load.Admit(len(e.Content)); err != nil {
		return e, err
	}
	e.Seq = t.nextOrder()
	t.putMessage(seqKey(rowEntry, e.Device, e.Seq), &pb.Entry{
		Id: e.ID[:], To: string(e.To), Made: millis(e.Made), Content: e.Content, Copy: e.Copy, NoReceipt: e.NoReceipt,
	})
	t.put(messageKeyOf(rowEntryAt, e.Device, e.ID), binary.BigEndian.AppendUint64(nil, e.Seq))
	t.putEnvelope(e)
	if load.Entries == 0 {
		load.first = e.Seq
	}
	load.Entries, load.Bytes = load.Entries+1, load.Bytes+len(e.Content)
	t.putLoad(e.Device, load)
	t.putEntryState(e)
	return e, nil
}

// Entries returns the first entries (up to limit, 0: all) that wait for a
// device, in order.
func (t *Tx) Entries(device peer.ID, limit int) []outbox.Entry {
	return t.EntriesAfter(device, 0, limit)
}

// EntriesAfter returns the first entries (up to limit, 0: all) that wait for a
// device and have a number above after, in order.
func (t *Tx) EntriesAfter(device peer.ID, after uint64, limit int) []outbox.Entry {
	var entries []outbox.Entry
	first := max(after+1, t.load(device).first)
	for _, r := range t.rowsFrom(deviceKey(rowEntry, device), seqKey(rowEntry, device, first), limit) {
		e, ok := t.parseEntry(r)
		if !ok {
			return nil
		}
		entries = append(entries, e)
	}
	return entries
}

// Entry returns an entry that still waits.
func (t *Tx) Entry(device peer.ID, seq uint64) (outbox.Entry, bool) {
	k := seqKey(rowEntry, device, seq)
	v, ok := t.get(k)
	if !ok {
		return outbox.Entry{}, false
	}
	return t.parseEntry(row{key: k, value: v})
}

// EntryOf returns the entry by which a message waits for a device.
func (t *Tx) EntryOf(device peer.ID, id wire.MessageID) (outbox.Entry, bool) {
	v, ok := t.get(messageKeyOf(rowEntryAt, device, id))
	if !ok {
		return outbox.Entry{}, false
	}
	return t.Entry(device, t.number(v))
}

func (t *Tx) parseEntry(r row) (outbox.Entry, bool) {
	device, seq, ok := seqOf(r.key)
	var m pb.Entry
	var status pb.Status
	if !ok || !t.decode(r.value, &m) || !t.getMessage(seqKey(rowStatus, device, seq), &status) {
		t.damaged(errEntry)
		return outbox.Entry{}, false
	}
	id, ok := wire.ParseMessageID(m.GetId())
	if !ok {
		t.damaged(errEntry)
		return outbox.Entry{}, false
	}
	envelope, sealed := t.get(seqKey(rowEnvelope, device, seq))
	if !sealed {
		envelope = nil
	}
	return outbox.Entry{
		ID: id, To: record.Account(m.GetTo()), Device: device, Seq: seq, Copy: m.GetCopy(), NoReceipt: m.GetNoReceipt(),
		Made: fromMillis(m.GetMade()), Content: m.GetContent(), Envelope: envelope, Status: statusOf(&status),
	}, true
}

var errEntry = fmt.Errorf("outbox entry: %w", errLength)

// PutEntry stores what has become of an entry, its envelope included; a finished
// one is removed. It returns where the message as a whole has got to, which is
// told once when it is settled: delivered or expired. An entry that is not there
// any more stays so.
func (t *Tx) PutEntry(e outbox.Entry) outbox.Summary {
	old, ok := t.get(seqKey(rowEntry, e.Device, e.Seq))
	if ok {
		if e.Done() {
			t.removeEntry(e, old)
		} else {
			t.putEnvelope(e)
		}
		t.putEntryState(e)
	}
	return t.settle(e.ID)
}

// putEnvelope writes the envelope if it is another than the one stored.
func (t *Tx) putEnvelope(e outbox.Entry) {
	k := seqKey(rowEnvelope, e.Device, e.Seq)
	stored, sealed := t.get(k)
	switch {
	case e.Envelope == nil && sealed:
		t.remove(k)
	case e.Envelope != nil && !bytes.Equal(stored, e.Envelope):
		t.put(k, e.Envelope)
	}
}

// putEntryState writes the entry's status, for the device's queue while it waits
// and for the message.
func (t *Tx) putEntryState(e outbox.Entry) {
	m := &pb.Status{
		State: uint32(e.State), Reason: uint32(e.Reason),
		Attempts: e.Attempts, Renewals: e.Renewals, Next: millis(e.Next), Again: millis(e.Again),
	}
	if !e.Done() {
		t.putMessage(seqKey(rowStatus, e.Device, e.Seq), m)
	}
	if !e.Copy {
		t.putMessage(messageKey(rowProgress, e.ID, e.Device), m)
	}
}

// removeEntry removes a finished entry, of which old is the stored form.
func (t *Tx) removeEntry(e outbox.Entry, old []byte) {
	var m pb.Entry
	if !t.decode(old, &m) {
		return
	}
	load := t.load(e.Device)
	if load.first == e.Seq {
		load.first++
	}
	load.Entries, load.Bytes = load.Entries-1, load.Bytes-len(m.GetContent())
	t.putLoad(e.Device, load)
	t.remove(messageKeyOf(rowEntryAt, e.Device, e.ID))
	t.remove(seqKey(rowEntry, e.Device, e.Seq))
	t.remove(seqKey(rowStatus, e.Device, e.Seq))
	t.remove(seqKey(rowEnvelope, e.Device, e.Seq))
}

// FanOut replaces an entry that had no device by one for each of the devices.
func (t *Tx) FanOut(e outbox.Entry, devices []peer.ID) ([]outbox.Entry, error) {
	old, ok := t.get(seqKey(rowEntry, e.Device, e.Seq))
	if !ok {
		return nil, nil
	}
	t.removeEntry(e, old)
	t.remove(messageKey(rowProgress, e.ID, e.Device))
	fanned := outbox.Fan(e, devices)
	for i := range fanned {
		var err error
		if fanned[i], err = t.AddEntry(fanned[i]); err != nil {
			return nil, err
		}
	}
	return fanned, nil
}

// Progress returns where a message has got to that is not settled yet.
func (t *Tx) Progress(id wire.MessageID) outbox.Summary {
	statuses, _ := t.progress(id)
	return outbox.Summarise(statuses)
}

// Addressed returns the devices that a message has been queued for, until it is
// settled.
func (t *Tx) Addressed(id wire.MessageID) (devices []peer.ID) {
	prefix := messageKey(rowProgress, id, "")
	for _, r := range t.keys(prefix, 0) {
		devices = append(devices, peer.ID(r.key[len(prefix):]))
	}
	return devices
}

func (t *Tx) progress(id wire.MessageID) (statuses []outbox.Status, rows []row) {
	rows = t.rows(messageKey(rowProgress, id, ""), 0)
	for _, r := range rows {
		var m pb.Status
		if !t.decode(r.value, &m) {
			return nil, nil
		}
		statuses = append(statuses, statusOf(&m))
	}
	return statuses, rows
}

// settle returns where a message has got to, and forgets it once that is final.
func (t *Tx) settle(id wire.MessageID) outbox.Summary {
	statuses, rows := t.progress(id)
	summary := outbox.Summarise(statuses)
	if summary.Settled() {
		for _, r := range rows {
			t.remove(r.key)
		}
	}
	return summary
}

// Load returns how much waits for a device.
func (t *Tx) Load(device peer.ID) outbox.Load { return t.load(device).Load }

// load is how much waits for a device, and from where on.
type load struct {
	outbox.Load
	first uint64 // no entry that waits has a lower number
}

func (t *Tx) load(device peer.ID) load {
	var m pb.Load
	t.getMessage(deviceKey(rowLoad, device), &m)
	return load{outbox.Load{Entries: int(m.GetEntries()), Bytes: int(m.GetBytes())}, m.GetFirst()}
}

func (t *Tx) putLoad(device peer.ID, load load) {
	k := deviceKey(rowLoad, device)
	if load.Entries <= 0 {
		t.remove(k)
		return
	}
	t.putMessage(k, &pb.Load{
		Entries: uint64(load.Entries), Bytes: uint64(max(0, load.Bytes)), First: load.first,
	})
}

// Waiting returns the devices that something waits for; the empty one stands
// for accounts whose devices are not known yet.
func (t *Tx) Waiting() []peer.ID {
	var devices []peer.ID
	for _, r := range t.keys([]byte{rowLoad}, 0) {
		devices = append(devices, peer.ID(r.key[2:]))
	}
	return devices
}

func statusOf(m *pb.Status) outbox.Status {
	return outbox.Status{
		State: outbox.State(m.GetState()), Reason: outbox.Reason(m.GetReason()),
		Attempts: m.GetAttempts(), Renewals: m.GetRenewals(), Next: fromMillis(m.GetNext()),
		Again: fromMillis(m.GetAgain()),
	}
}
