package senderkey

import (
	"encoding/binary"
	"errors"
)

var (
	// ErrDecrypt means that a message is not this sender's, or was changed.
	ErrDecrypt = errors.New("senderkey: message does not decrypt")
	// ErrOtherChain means that a message is of another chain than the receiver's.
	ErrOtherChain = errors.New("senderkey: message of another chain")
	// ErrDuplicate means that a signed message's key was used before, or was
	// given up (see MaxSkipped).
	ErrDuplicate = errors.New("senderkey: message key already used")
	// ErrBefore means that a signed message is older than the distribution, which
	// gives no access to it.
	ErrBefore = errors.New("senderkey: message from before the distribution")
	// ErrTooFar means that a signed message is more than MaxForward ahead.
	ErrTooFar = errors.New("senderkey: too many messages missing")
	// ErrExhausted means that a chain's 2^32 - 1 messages are used up.
	ErrExhausted = errors.New("senderkey: chain exhausted")
	// ErrDistribution means bytes that are not a distribution.
	ErrDistribution = errors.New("senderkey: malformed distribution")
	// ErrState means bytes that are not an encoded Sender or Receiver.
	ErrState = errors.New("senderkey: malformed state")
)

// scope is what a chain belongs to.
type scope struct {
	group [GroupIDSize]byte
	epoch uint64
	chain [ChainIDSize]byte
}

// bind returns ad', the associated data with group and epoch before it.
func (s *scope) bind(ad []byte) []byte {
	out := make([]byte, 0, GroupIDSize+8+len(ad))
	out = append(out, s.group[:]...)
	out = binary.BigEndian.AppendUint64(out, s.epoch)
	return append(out, ad...)
}

// header returns the open part of a message.
func (s *scope) header(iteration uint32) []byte {
	out := make([]byte, 0, headerSize)
	out = append(out, s.chain[:]...)
	return binary.BigEndian.AppendUint32(out, iteration)
}

const signatureLabel = "tryst sender key v1"

// signed returns what the signature of a message covers. message is the
// message without the signature; bound is what bind returned.
func signed(bound, message []byte) []byte {
	out := make([]byte, 0, len(signatureLabel)+8+len(bound)+len(message))
	out = append(out, signatureLabel...)
	out = binary.BigEndian.AppendUint64(out, uint64(len(bound)))
	out = append(out, bound...)
	return append(out, message...)
}
