package senderkey

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"math"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// Sender is the sending end of a chain. It is a value without a lock: one
// goroutine owns it.
type Sender struct {
	key.Redacted
	scope
	iteration uint32 // of the next message
	chainKey  key.Chain
	signing   ed25519.PrivateKey // never changed; clones share it
}

// NewSender returns a fresh chain and signing key for an epoch of a group.
func NewSender(groupID [GroupIDSize]byte, epoch uint64) (*Sender, error) {
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("senderkey: generate: %w", err)
	}
	s := &Sender{scope: scope{group: groupID, epoch: epoch}, chainKey: key.NewChain(), signing: signing}
	rand.Read(s.chain[:]) // never fails: crypto/rand ends the program instead
	return s, nil
}

// GroupID returns the group that the chain belongs to.
func (s *Sender) GroupID() [GroupIDSize]byte { return s.group }

// Epoch returns the epoch that the chain belongs to.
func (s *Sender) Epoch() uint64 { return s.epoch }

// ChainID returns the chain's random ID, with which each message begins.
func (s *Sender) ChainID() [ChainIDSize]byte { return s.chain }

// Next returns the number of the next message.
func (s *Sender) Next() uint32 { return s.iteration }

// SigningKey returns a copy of the 32-byte Ed25519 public key, for the device
// key to certify.
func (s *Sender) SigningKey() []byte { return bytes.Clone(s.signing.Public().(ed25519.PublicKey)) }

// Distribution returns what a member needs to read from the next message on.
// It is a secret of DistributionSize bytes, for the pairwise sessions only.
func (s *Sender) Distribution() []byte {
	d := distribution{scope: s.scope, iteration: s.iteration, chainKey: s.chainKey}
	copy(d.signing[:], s.SigningKey())
	return d.marshal()
}

// Encrypt pads, seals and signs plaintext, at most MaxPlaintext bytes, bound to
// group, epoch and ad, and returns the message and what opens it. The sender must be
// stored before the message leaves the device.
func (s *Sender) Encrypt(ad, plaintext []byte) (message []byte, with Opening, err error) {
	switch {
	case len(plaintext) > MaxPlaintext:
		return nil, Opening{}, fmt.Errorf("senderkey: %w", seal.ErrTooLong)
	case s.iteration == math.MaxUint32:
		return nil, Opening{}, ErrExhausted
	}
	with = Opening{Iteration: s.iteration, Signing: [ed25519.PublicKeySize]byte(s.SigningKey()), Key: s.chainKey.Message()}
	bound, header := s.bind(ad), s.header(s.iteration)
	body, err := seal.Seal(with.Key, seal.SenderKey, bound, header, seal.Pad(plaintext))
	if err != nil {
		return nil, Opening{}, fmt.Errorf("senderkey: %w", err)
	}
	message = append(header, body...)
	message = append(message, ed25519.Sign(s.signing, signed(bound, message))...)

	s.iteration++
	s.chainKey = s.chainKey.Next()
	return message, with, nil
}

// Clone returns a copy. Only one of the two may go on to encrypt.
func (s *Sender) Clone() *Sender {
	c := *s
	return &c
}
