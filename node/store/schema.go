package store

import (
	"encoding/binary"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Rows. A key is one byte for its kind and then the fields named here. Fields of
// variable length that something follows are preceded by their length in one
// byte; numbers take four or eight bytes, big-endian, so that rows lie in their
// order. Values are messages of store.proto unless another form is named.
//
// Kinds are never used again for something else; a new form of a value gets a
// new kind and the old rows are moved.
const (
	rowOrder       = 'n' // u64: the last number that nextOrder has drawn
	rowDevice      = 'd' // Device
	rowKeys        = 'k' // Keys
	rowOneTime     = '1' // u32 ID -> OneTime
	rowContact     = 'c' // account -> Contact
	rowOwner       = 'i' // device -> account that it acts or has acted for
	rowSession     = 's' // device -> session.Record
	rowEntry       = 'q' // device, u64 seq -> Entry
	rowStatus      = 'r' // device, u64 seq -> Status
	rowEnvelope    = 'e' // device, u64 seq -> sealed envelope
	rowLoad        = 'l' // device -> Load
	rowProgress    = 'm' // message ID, device -> Status, until the message is settled
	rowSeen        = 'v' // message ID, device -> i64 Unix milliseconds
	rowHistory     = 'h' // conversation, u64 order -> Message
	rowGroup       = 'g' // group ID -> what package group made
	rowLog         = 'w' // group ID, u64 order -> i64 Unix milliseconds, chain ID, u32 iteration, sealed message
	rowLogPlace    = 'p' // group ID, chain ID, u32 iteration -> u64 order
	rowLogSize     = 'z' // group ID -> u64 order of the oldest, u64 bytes of all
	rowEntryAt     = 'b' // device, message ID -> u64 seq of its entry
	rowOwn         = 'u' // message ID -> Own: what was sent from here
	rowStep        = 't' // message ID, u64 order -> Step
	rowParked      = 'a' // u64 order -> Parked
	rowEarly       = 'y' // group ID, chain ID, u32 iteration -> content that waits for its turn
	rowOpening     = 'K' // group ID, u64 order -> what package group made, of a message of the log
	rowOpeningSize = 'j' // group ID -> u64 order of the oldest opening, u64 how many there are
	rowTransfer    = 'f' // transfer ID -> what package transfer made
	rowMeta        = 'x' // name -> bytes
	rowRoster      = 'o' // Roster
	rowHeld        = 'O' // account, u64 order -> Held
)

// afterPrefix is greater than any byte that follows a complete field in a key of
// the rows that are read backwards: those end with a number, far below 2^56.
const afterPrefix = 0xff

func deviceKey(kind byte, device peer.ID) []byte {
	return append([]byte{kind, byte(len(device))}, device...)
}

func seqKey(kind byte, device peer.ID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(deviceKey(kind, device), seq)
}

// seqOf undoes seqKey. ok is false for a key that is none.
func seqOf(k []byte) (device peer.ID, seq uint64, ok bool) {
	if len(k) < 2+8 || len(k) != 2+int(k[1])+8 {
		return "", 0, false
	}
	return peer.ID(k[2 : len(k)-8]), binary.BigEndian.Uint64(k[len(k)-8:]), true
}

func messageKey(kind byte, id wire.MessageID, device peer.ID) []byte {
	return append(append([]byte{kind}, id[:]...), device...)
}

// messageKeyOf is the key of a row of a device's message.
func messageKeyOf(kind byte, device peer.ID, id wire.MessageID) []byte {
	return append(deviceKey(kind, device), id[:]...)
}

func oneTimeKey(id uint32) []byte { return binary.BigEndian.AppendUint32([]byte{rowOneTime}, id) }

func contactKey(a record.Account) []byte { return append([]byte{rowContact}, a...) }

func conversationKey(conversation string) []byte {
	return append([]byte{rowHistory, byte(len(conversation))}, conversation...)
}
