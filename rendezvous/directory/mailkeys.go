package directory

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// The keys of mail. A peer ID says itself how long it is, so that one may be
// followed by another.

func numbered(key []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(key, n) }

// numberOf reads the number that a key or a value ends with.
func numberOf(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b[len(b)-8:])
}

func numberValue(n uint64) []byte { return numbered(nil, n) }

func keyQueue(a record.Account, d peer.ID) []byte   { return accountKey(a, 'q', []byte(d)...) }
func keyLetters(a record.Account, d peer.ID) []byte { return accountKey(a, 'm', []byte(d)...) }
func keyLetter(a record.Account, d peer.ID, n uint64) []byte {
	return numbered(keyLetters(a, d), n)
}
func keyEnvelope(a record.Account, d peer.ID, n uint64) []byte {
	return numbered(accountKey(a, 'v', []byte(d)...), n)
}
func keyLetterID(a record.Account, d peer.ID, sender, id []byte) []byte {
	return append(append(accountKey(a, 'i', []byte(d)...), sender...), id...)
}
func keyShare(a record.Account, d peer.ID, sender string) []byte {
	return append(accountKey(a, 'f', []byte(d)...), sender...)
}

func keyGroupQueue(g record.GroupID) []byte             { return groupKey(g, 'q') }
func keyGroupLetter(g record.GroupID, n uint64) []byte  { return numbered(groupKey(g, 'm'), n) }
func keyGroupMessage(g record.GroupID, n uint64) []byte { return numbered(groupKey(g, 'v'), n) }
func keyGroupLetterID(g record.GroupID, sender, id []byte) []byte {
	return append(append(groupKey(g, 'i'), sender...), id...)
}
func keyGroupShare(g record.GroupID, sender string) []byte {
	return append(groupKey(g, 'f'), sender...)
}

// keyWaitingOf begins the keys of what waits for all of an account's devices,
// keyWaitingFor those of one device.
func keyWaitingOf(g record.GroupID, a record.Account) []byte {
	return append(append(groupKey(g, 'r'), a...), 0)
}
func keyWaitingFor(g record.GroupID, a record.Account, d peer.ID) []byte {
	return append(keyWaitingOf(g, a), d...)
}
func keyWaiting(g record.GroupID, a record.Account, d peer.ID, r uint64) []byte {
	return numbered(keyWaitingFor(g, a, d), r)
}

// keyLacking begins the keys of all devices that lack a letter.
func keyLacking(g record.GroupID, n uint64) []byte { return numbered(groupKey(g, 'w'), n) }
func keyLacks(g record.GroupID, n uint64, a record.Account, d peer.ID) []byte {
	return append(append(append(keyLacking(g, n), a...), 0), d...)
}

// memberOf reads <account> 0 <device>.
func memberOf(raw []byte) (record.Account, peer.ID, error) {
	account, device, ok := bytes.Cut(raw, []byte{0})
	if !ok {
		return "", "", fmt.Errorf("directory: stored key ends with %q", raw)
	}
	return record.Account(account), peer.ID(device), nil
}

func keyLeft(g record.GroupID, a record.Account) []byte {
	return append(append([]byte("x"), g[:]...), a...)
}

// keyExpiry begins the keys of all that expires at a time.
func keyExpiry(at uint64) []byte { return numbered([]byte("e"), at) }
func keyMailExpiry(at uint64, a record.Account, d peer.ID, n uint64) []byte {
	key := append(append(keyExpiry(at), 'a'), a...)
	return numbered(append(append(key, 0), d...), n)
}
func keyGroupMailExpiry(at uint64, g record.GroupID, n uint64) []byte {
	return numbered(append(append(keyExpiry(at), 'g'), g[:]...), n)
}
