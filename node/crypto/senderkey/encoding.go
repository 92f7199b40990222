package senderkey

import (
	"crypto/ed25519"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tryst-chat/tryst/node/key"
)

// version is the first byte of a distribution and of the stored states.
const version = 1

// distribution is what one device tells another about its chain.
type distribution struct {
	scope
	iteration uint32
	chainKey  key.Chain
	signing   [ed25519.PublicKeySize]byte
}

func (d *distribution) marshal() []byte {
	var b cryptobyte.Builder
	b.AddUint8(version)
	d.scope.marshal(&b)
	b.AddUint32(d.iteration)
	b.AddBytes(d.chainKey.Bytes())
	b.AddBytes(d.signing[:])
	return b.BytesOrPanic() // nothing here has a length that could overflow
}

func parseDistribution(b []byte) (*distribution, error) {
	var d distribution
	r := cryptobyte.String(b)
	if !readVersion(&r) || !d.scope.unmarshal(&r) || !r.ReadUint32(&d.iteration) ||
		!readChain(&r, &d.chainKey) || !r.CopyBytes(d.signing[:]) || !r.Empty() {
		return nil, ErrDistribution
	}
	return &d, nil
}

// MarshalBinary returns the sender for storage under seal. It holds secrets:
//
//	version 1 || group ID[16] || u64 epoch || chain ID[16] || u32 iteration || chain key[32] || Ed25519 seed[32]
func (s *Sender) MarshalBinary() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(version)
	s.scope.marshal(&b)
	b.AddUint32(s.iteration)
	b.AddBytes(s.chainKey.Bytes())
	b.AddBytes(s.signing.Seed())
	return b.Bytes()
}

// ParseSender undoes Sender.MarshalBinary. What it accepts encodes to the same
// bytes.
func ParseSender(b []byte) (*Sender, error) {
	var s Sender
	var seed [ed25519.SeedSize]byte
	r := cryptobyte.String(b)
	if !readVersion(&r) || !s.scope.unmarshal(&r) || !r.ReadUint32(&s.iteration) ||
		!readChain(&r, &s.chainKey) || !r.CopyBytes(seed[:]) || !r.Empty() {
		return nil, fmt.Errorf("%w: sender", ErrState)
	}
	s.signing = ed25519.NewKeyFromSeed(seed[:])
	return &s, nil
}

// MarshalBinary returns the receiver for storage under seal. It holds secrets:
//
//	version 1 || group ID[16] || u64 epoch || chain ID[16] || signing key[32] ||
//	u32 first || u32 next || chain key[32] || u16 count || (u32 iteration || message key[32])...
func (r *Receiver) MarshalBinary() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(version)
	r.scope.marshal(&b)
	b.AddBytes(r.signing[:])
	b.AddUint32(r.first)
	b.AddUint32(r.next)
	b.AddBytes(r.chainKey.Bytes())
	b.AddUint16(uint16(len(r.skipped)))
	for _, s := range r.skipped {
		b.AddUint32(s.iteration)
		b.AddBytes(s.key.Bytes())
	}
	return b.Bytes()
}

// ParseReceiver undoes Receiver.MarshalBinary. What it accepts encodes to the
// same bytes.
func ParseReceiver(b []byte) (*Receiver, error) {
	var r Receiver
	in := cryptobyte.String(b)
	ok := readVersion(&in) && r.scope.unmarshal(&in) && in.CopyBytes(r.signing[:]) &&
		in.ReadUint32(&r.first) && in.ReadUint32(&r.next) && r.first <= r.next &&
		readChain(&in, &r.chainKey) && r.unmarshalSkipped(&in) && in.Empty()
	if !ok {
		return nil, fmt.Errorf("%w: receiver", ErrState)
	}
	return &r, nil
}

func (r *Receiver) unmarshalSkipped(in *cryptobyte.String) bool {
	var count uint16
	if !in.ReadUint16(&count) || count > MaxSkipped {
		return false
	}
	lowest := uint64(r.first)
	for range count {
		var s skippedKey
		var message [key.Size]byte
		if !in.ReadUint32(&s.iteration) || !in.CopyBytes(message[:]) {
			return false
		}
		s.key = key.MessageFrom(message)
		if uint64(s.iteration) < lowest || s.iteration >= r.next {
			return false
		}
		lowest = uint64(s.iteration) + 1
		r.skipped = append(r.skipped, s)
	}
	return true
}

func (s *scope) marshal(b *cryptobyte.Builder) {
	b.AddBytes(s.group[:])
	b.AddUint64(s.epoch)
	b.AddBytes(s.chain[:])
}

func (s *scope) unmarshal(r *cryptobyte.String) bool {
	return r.CopyBytes(s.group[:]) && r.ReadUint64(&s.epoch) && r.CopyBytes(s.chain[:])
}

func readChain(r *cryptobyte.String, k *key.Chain) bool {
	var b [key.Size]byte
	ok := r.CopyBytes(b[:])
	*k = key.ChainFrom(b)
	return ok
}

func readVersion(r *cryptobyte.String) bool {
	var v uint8
	return r.ReadUint8(&v) && v == version
}
