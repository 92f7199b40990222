package ratchet

import (
	"encoding/binary"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// header is what a message says about its own key.
type header struct {
	ratchet  key.DHPublic // sender's ratchet key
	previous uint32       // PN: messages in the sender's previous chain
	n        uint32       // N: number in this chain, from 0
}

func (h header) seal(k secret) ([]byte, error) {
	b := make([]byte, 0, headerSize)
	b = append(b, h.ratchet.Bytes()...)
	b = binary.BigEndian.AppendUint32(b, h.previous)
	b = binary.BigEndian.AppendUint32(b, h.n)
	return seal.Seal(key.MessageFrom(k), seal.Header, nil, nil, b)
}

// openHeader tells whether sealed is a header under k, and which.
func openHeader(k secret, sealed []byte) (h header, ok bool) {
	b, err := seal.Open(key.MessageFrom(k), seal.Header, nil, nil, sealed)
	if err != nil || len(b) != headerSize {
		return h, false
	}
	if h.ratchet, err = key.ParseDHPublic(b[:key.Size]); err != nil {
		return h, false
	}
	h.previous = binary.BigEndian.Uint32(b[key.Size:])
	h.n = binary.BigEndian.Uint32(b[key.Size+4:])
	return h, true
}
