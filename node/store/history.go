package store

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/store/pb"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Message is a line of a conversation.
type Message struct {
	ID           wire.MessageID
	Conversation string         // the other account ("alice42"), or a group ("#g1")
	From         record.Account // one's own for what one has sent
	Text         string
	File         *File     // set: it is a file
	Device       peer.ID   // that sent it
	Missing      int       // set, instead of a text: so many messages of From have not come
	SentAt       time.Time // by the sender's clock
	ReceivedAt   time.Time // by ours
	Order        uint64    // in which messages came to this device; the store assigns it
}

// File is what a conversation shows of a file.
type File struct {
	ID     TransferID
	Name   string // safe to show
	Size   uint64 // bytes
	SHA256 [32]byte
	Path   string // where it lies now
}

// Append adds a message at the end of its conversation and returns it with its
// Order.
func (t *Tx) Append(m Message) Message {
	m.Order = t.nextOrder()
	t.putMessage(binary.BigEndian.AppendUint64(conversationKey(m.Conversation), m.Order), messageToRow(m))
	return m
}

// History returns the last n messages of a conversation (0: all), oldest first.
func (t *Tx) History(conversation string, n int) []Message {
	var messages []Message
	prefix := conversationKey(conversation)
	for _, r := range t.lastRows(prefix, n) {
		m, ok := t.messageFromRow(r.value)
		if !ok {
			return nil
		}
		m.Conversation, m.Order = conversation, t.number(r.key[len(prefix):])
		messages = append(messages, m)
	}
	slices.Reverse(messages)
	return messages
}

// HistoryFrom returns up to limit messages of a conversation from an order on.
func (t *Tx) HistoryFrom(conversation string, first uint64, limit int) (messages []Message) {
	prefix := conversationKey(conversation)
	for _, r := range t.rowsFrom(prefix, binary.BigEndian.AppendUint64(bytes.Clone(prefix), first), limit) {
		m, ok := t.messageFromRow(r.value)
		if !ok {
			return nil
		}
		m.Conversation, m.Order = conversation, t.number(r.key[len(prefix):])
		messages = append(messages, m)
	}
	return messages
}

// MessageAt returns one message of a conversation.
func (t *Tx) MessageAt(conversation string, order uint64) (Message, bool) {
	at := t.HistoryFrom(conversation, order, 1)
	if len(at) == 0 || at[0].Order != order {
		return Message{}, false
	}
	return at[0], true
}

// Conversations returns the names of all conversations, sorted by length and name.
func (t *Tx) Conversations() (names []string) {
	first := []byte{rowHistory}
	for {
		rows := t.rowsFrom([]byte{rowHistory}, first, 1)
		if len(rows) == 0 {
			return names
		}
		k := rows[0].key
		if len(k) < 2 || len(k) < 2+int(k[1]) {
			t.damaged(errLength)
			return nil
		}
		name := string(k[2 : 2+k[1]])
		names = append(names, name)
		first = append(conversationKey(name), afterPrefix)
	}
}

func messageToRow(m Message) *pb.Message {
	out := &pb.Message{
		Id: m.ID[:], From: string(m.From), Text: m.Text, SentAt: millis(m.SentAt), ReceivedAt: millis(m.ReceivedAt),
		Device: []byte(m.Device), Missing: uint32(m.Missing),
	}
	if f := m.File; f != nil {
		out.File = &pb.File{Id: f.ID[:], Name: f.Name, Size: f.Size, Sha256: f.SHA256[:], Path: f.Path}
	}
	return out
}

func (t *Tx) messageFromRow(v []byte) (Message, bool) {
	var in pb.Message
	if !t.decode(v, &in) {
		return Message{}, false
	}
	m := Message{
		From: record.Account(in.GetFrom()), Text: in.GetText(),
		SentAt: fromMillis(in.GetSentAt()), ReceivedAt: fromMillis(in.GetReceivedAt()),
		Device: peer.ID(in.GetDevice()), Missing: int(in.GetMissing()),
	}
	ok := len(in.GetId()) == copy(m.ID[:], in.GetId())
	if f := in.GetFile(); f != nil {
		m.File = &File{Name: f.GetName(), Size: f.GetSize(), Path: f.GetPath()}
		ok = ok && len(f.GetId()) == copy(m.File.ID[:], f.GetId()) &&
			len(f.GetSha256()) == copy(m.File.SHA256[:], f.GetSha256())
	}
	if !ok {
		t.damaged(errLength)
	}
	return m, ok
}

// Seen tells whether a device's message has been received before.
func (t *Tx) Seen(device peer.ID, id wire.MessageID) bool {
	_, seen := t.get(messageKey(rowSeen, id, device))
	return seen
}

// MarkSeen remembers a message, in the transaction that keeps it.
func (t *Tx) MarkSeen(device peer.ID, id wire.MessageID, now time.Time) {
	t.put(messageKey(rowSeen, id, device), binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli())))
}

// PruneSeen forgets messages that were seen SeenLifetime before now. It tells
// whether there may be more to forget: then call it again in another
// transaction. It reads all that are remembered: once a day is enough.
func (t *Tx) PruneSeen(now time.Time) (more bool) {
	deadline := now.Add(-SeenLifetime).UnixMilli()
	pruned := 0
	for _, r := range t.rows([]byte{rowSeen}, 0) {
		if int64(t.number(r.value)) > deadline {
			continue
		}
		if pruned == maxPrune {
			return true
		}
		t.remove(r.key)
		pruned++
	}
	return false
}
