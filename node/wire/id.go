package wire

import (
	"crypto/rand"
	"encoding/hex"
)

// MessageID names a message on every device that has it: 16 random bytes,
// drawn by the sender. It makes retries idempotent.
type MessageID [16]byte

// NewMessageID draws a fresh ID.
func NewMessageID() MessageID {
	var id MessageID
	rand.Read(id[:]) // never fails: crypto/rand aborts the program instead
	return id
}

// ParseMessageID reads the 16 bytes of an ID from the wire.
func ParseMessageID(b []byte) (MessageID, bool) {
	if len(b) != len(MessageID{}) {
		return MessageID{}, false
	}
	return MessageID(b), true
}

// String returns the ID in hexadecimal, 32 characters.
func (id MessageID) String() string { return hex.EncodeToString(id[:]) }
