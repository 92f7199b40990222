package ratchet

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tryst-chat/tryst/node/key"
)

// stateVersion is the first byte of an encoded State.
const stateVersion = 1

// Flags of an encoded State.
const (
	flagPending   = 1 << iota // the sending half of a step is still to be done
	flagOwn                   // there is an own ratchet key
	flagReceiving             // there is a receiving chain
	flagsKnown    = flagPending | flagOwn | flagReceiving
)

// MarshalBinary returns the state for storage under seal. It holds secrets:
//
//	version 1 || flags || RK || [DHs] || DHr or zeros ||
//	HKs || CKs || u32 Ns || u32 PN || NHKs || NHKr ||
//	[receiving chain] || u16 count || retired chains, oldest first
//	chain: HKr || CKr || u32 Nr || u16 count || (u32 N || message key || u64 Unix seconds)...
//
// Keys are 32 bytes, numbers big-endian. One state has one encoding.
func (s *State) MarshalBinary() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(stateVersion)
	b.AddUint8(s.flags())
	b.AddBytes(s.root[:])
	b.AddBytes(s.own.Bytes())
	b.AddBytes(s.peer.Bytes())
	b.AddBytes(s.sending.header[:])
	b.AddBytes(s.sending.chain.Bytes())
	b.AddUint32(s.sending.n)
	b.AddUint32(s.previous)
	b.AddBytes(s.nextSendHeader[:])
	b.AddBytes(s.nextReceiveHeader[:])
	if s.receiving != nil {
		s.receiving.marshal(&b)
	}
	b.AddUint16(uint16(len(s.retired)))
	for i := range s.retired {
		s.retired[i].marshal(&b)
	}
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("ratchet: encode state: %w", err)
	}
	return out, nil
}

func (s *State) flags() (flags uint8) {
	if s.pending {
		flags |= flagPending
	}
	if !s.own.IsZero() {
		flags |= flagOwn
	}
	if s.receiving != nil {
		flags |= flagReceiving
	}
	return flags
}

func (c *receivingChain) marshal(b *cryptobyte.Builder) {
	b.AddBytes(c.header[:])
	b.AddBytes(c.chain.Bytes())
	b.AddUint32(c.next)
	b.AddUint16(uint16(len(c.skipped)))
	for _, s := range c.skipped {
		b.AddUint32(s.n)
		b.AddBytes(s.key.Bytes())
		b.AddUint64(uint64(s.since))
	}
}

// UnmarshalState undoes MarshalBinary. What it accepts encodes to the same
// bytes. It costs one X25519 operation for the own ratchet key.
func UnmarshalState(b []byte) (*State, error) {
	r := cryptobyte.String(b)
	var version, flags uint8
	if !r.ReadUint8(&version) || version != stateVersion || !r.ReadUint8(&flags) || flags&^flagsKnown != 0 {
		return nil, ErrState
	}
	s := &State{pending: flags&flagPending != 0}
	var own, peer, sendingChain secret
	ok := r.CopyBytes(s.root[:]) &&
		(flags&flagOwn == 0 || r.CopyBytes(own[:])) &&
		r.CopyBytes(peer[:]) &&
		r.CopyBytes(s.sending.header[:]) &&
		r.CopyBytes(sendingChain[:]) &&
		r.ReadUint32(&s.sending.n) &&
		r.ReadUint32(&s.previous) &&
		r.CopyBytes(s.nextSendHeader[:]) &&
		r.CopyBytes(s.nextReceiveHeader[:])
	if !ok || !s.unmarshalChains(&r, flags&flagReceiving != 0) || !r.Empty() {
		return nil, ErrState
	}
	s.sending.chain = key.ChainFrom(sendingChain)
	var err error
	if flags&flagOwn != 0 {
		if s.own, err = key.ParseDH(own[:]); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrState, err)
		}
	}
	if s.peer, err = key.ParseDHPublic(peer[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	return s, nil
}

func (s *State) unmarshalChains(r *cryptobyte.String, receiving bool) bool {
	if receiving {
		s.receiving = new(receivingChain)
		if !s.receiving.unmarshal(r) {
			return false
		}
	}
	var count uint16
	if !r.ReadUint16(&count) {
		return false
	}
	for range count {
		var c receivingChain
		if !c.unmarshal(r) {
			return false
		}
		s.retired = append(s.retired, c)
	}
	return true
}

func (c *receivingChain) unmarshal(r *cryptobyte.String) bool {
	var chain secret
	var count uint16
	if !r.CopyBytes(c.header[:]) || !r.CopyBytes(chain[:]) || !r.ReadUint32(&c.next) || !r.ReadUint16(&count) {
		return false
	}
	if count > MaxSkippedChain {
		return false
	}
	c.chain = key.ChainFrom(chain)
	for i := range count {
		var k skippedKey
		var message secret
		var since uint64
		if !r.ReadUint32(&k.n) || !r.CopyBytes(message[:]) || !r.ReadUint64(&since) {
			return false
		}
		k.key, k.since = key.MessageFrom(message), int64(since)
		if k.n >= c.next || i > 0 && k.n <= c.skipped[i-1].n {
			return false
		}
		c.skipped = append(c.skipped, k)
	}
	return true
}
