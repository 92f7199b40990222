package pqxdh

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/node/key"
)

// InitialSize is the length in bytes of an encoded Initial.
const InitialSize = 1 + 2*key.Size + 3*4 + key.KEMCiphertextSize

// version is the first byte of an encoded Initial.
const version = 1

// ErrInitial means bytes that are not an encoded Initial.
var ErrInitial = errors.New("pqxdh: malformed initial message")

// Initial is what the initiator sends along with every message until it has an
// answer: all that the responder needs to agree on the same Secret.
type Initial struct {
	IdentityDH     key.DHPublic // IK_A
	Ephemeral      key.DHPublic // EK_A
	SignedPrekeyID uint32       // which SPK_B
	OneTimeID      uint32       // which one-time pair; 0: none, the last resort was used
	LastResortID   uint32       // which last-resort KEM key; 0 when OneTimeID is not
	Ciphertext     [key.KEMCiphertextSize]byte
}

// MarshalBinary returns the InitialSize bytes
//
//	version 1 || IK_A[32] || EK_A[32] || u32 SPK ID || u32 one-time ID || u32 last-resort ID || CT[1088]
//
// with big-endian numbers. It returns ErrInitial if both a one-time and a
// last-resort ID are set.
func (in Initial) MarshalBinary() ([]byte, error) {
	if in.OneTimeID != 0 && in.LastResortID != 0 {
		return nil, ErrInitial
	}
	b := make([]byte, 0, InitialSize)
	b = append(b, version)
	b = append(b, in.IdentityDH.Bytes()...)
	b = append(b, in.Ephemeral.Bytes()...)
	b = binary.BigEndian.AppendUint32(b, in.SignedPrekeyID)
	b = binary.BigEndian.AppendUint32(b, in.OneTimeID)
	b = binary.BigEndian.AppendUint32(b, in.LastResortID)
	return append(b, in.Ciphertext[:]...), nil
}

// ParseInitial undoes MarshalBinary. What it accepts encodes to the same bytes.
func ParseInitial(b []byte) (in Initial, err error) {
	if len(b) != InitialSize || b[0] != version {
		return in, ErrInitial
	}
	b = b[1:]
	for _, k := range []*key.DHPublic{&in.IdentityDH, &in.Ephemeral} {
		if *k, err = key.ParseDHPublic(b[:key.Size]); err != nil {
			return Initial{}, fmt.Errorf("%w: %w", ErrInitial, err)
		}
		b = b[key.Size:]
	}
	for _, id := range []*uint32{&in.SignedPrekeyID, &in.OneTimeID, &in.LastResortID} {
		*id = binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	if in.OneTimeID != 0 && in.LastResortID != 0 {
		return Initial{}, ErrInitial
	}
	copy(in.Ciphertext[:], b)
	return in, nil
}
