package session

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/crypto/ratchet"
	"github.com/tryst-chat/tryst/node/key"
)

const (
	recordVersion = 1

	// Flags of an encoded session.
	flagInitiator = 1 << 0 // we began it
	flagInitial   = 1 << 1 // the Initial still goes along
)

// What ErrRecord wraps when the encoding itself is wrong.
var (
	errHead    = errors.New("wrong version or peer key")
	errSession = errors.New("wrong session")
	errTail    = errors.New("wrong list of ended sessions")
)

// MarshalBinary returns the record for storage under seal. It holds secrets:
//
//	version 1 || peer's identity DH key[32] || u8 count || sessions, active first ||
//	u8 count || digests of ended Initials[32 each], oldest first
//	session: flags || Initial, or its digest[32] when flag 2 is off || u32(len(state)) || state
//
// Numbers are big-endian. One record has one encoding.
func (r Record) MarshalBinary() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(recordVersion)
	b.AddBytes(r.peer.Bytes())
	b.AddUint8(uint8(len(r.sessions)))
	for _, s := range r.sessions {
		if err := s.marshal(&b); err != nil {
			return nil, fmt.Errorf("encode sessions: %w", err)
		}
	}
	b.AddUint8(uint8(len(r.ended)))
	for _, d := range r.ended {
		b.AddBytes(d[:])
	}
	return b.Bytes()
}

func (s session) marshal(b *cryptobyte.Builder) error {
	state, err := s.state.MarshalBinary()
	if err != nil {
		return err
	}
	var flags uint8
	if s.initiator {
		flags |= flagInitiator
	}
	began := s.began[:]
	if s.initial != nil {
		flags |= flagInitial
		began = s.initial
	}
	b.AddUint8(flags)
	b.AddBytes(began)
	b.AddUint32(uint32(len(state)))
	b.AddBytes(state)
	return nil
}

// ParseRecord undoes MarshalBinary; what it accepts encodes to the same bytes.
// It returns ErrRecord, and costs one X25519 operation a session.
func ParseRecord(b []byte) (Record, error) {
	r, err := parseRecord(b)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return r, nil
}

func parseRecord(b []byte) (Record, error) {
	in := cryptobyte.String(b)
	var version, sessions, ended uint8
	var peer []byte
	if !in.ReadUint8(&version) || version != recordVersion || !in.ReadBytes(&peer, key.Size) ||
		!in.ReadUint8(&sessions) || sessions > MaxSessions {
		return Record{}, errHead
	}
	r := Record{}
	var err error
	if r.peer, err = key.ParseDHPublic(peer); err != nil {
		return Record{}, err
	}
	for range sessions {
		s, err := parseSession(&in)
		if err != nil {
			return Record{}, err
		}
		r.sessions = append(r.sessions, s)
	}
	if !in.ReadUint8(&ended) || ended > MaxEnded || len(in) != int(ended)*sha256.Size {
		return Record{}, errTail
	}
	for range ended {
		var d digest
		in.CopyBytes(d[:])
		r.ended = append(r.ended, d)
	}
	return r, nil
}

func parseSession(in *cryptobyte.String) (session, error) {
	var flags uint8
	if !in.ReadUint8(&flags) || flags&^(flagInitiator|flagInitial) != 0 || flags == flagInitial {
		return session{}, errSession
	}
	s := session{initiator: flags&flagInitiator != 0}
	if flags&flagInitial != 0 {
		if !in.ReadBytes(&s.initial, pqxdh.InitialSize) {
			return session{}, errSession
		}
		s.initial = bytes.Clone(s.initial)
		if _, err := pqxdh.ParseInitial(s.initial); err != nil {
			return session{}, err
		}
		s.began = sha256.Sum256(s.initial)
	} else if !in.CopyBytes(s.began[:]) {
		return session{}, errSession
	}
	var size uint32
	var state []byte
	if !in.ReadUint32(&size) || uint64(size) > uint64(len(*in)) || !in.ReadBytes(&state, int(size)) {
		return session{}, errSession
	}
	var err error
	s.state, err = ratchet.UnmarshalState(state)
	return s, err
}
