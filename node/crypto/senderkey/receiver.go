package senderkey

import (
	"cmp"
	"crypto/ed25519"
	"math"
	"slices"

	"github.com/tryst-chat/tryst/node/key"
)

// Receiver is the receiving end of a chain. It is a value without a lock: one
// goroutine owns it.
type Receiver struct {
	key.Redacted
	scope
	signing  [ed25519.PublicKeySize]byte
	first    uint32 // iteration of the distribution
	next     uint32 // each iteration from first below has come, is skipped or was given up
	chainKey key.Chain
	skipped  []skippedKey // ascending, first <= iteration < next
}

// skippedKey is the message key of a message that has not come yet.
type skippedKey struct {
	iteration uint32
	key       key.Message
}

// NewReceiver reads what Sender.Distribution returned. It returns
// ErrDistribution for anything else. The caller has it from the device that
// sends, over their session, and checks GroupID, Epoch and SigningKey.
func NewReceiver(distributed []byte) (*Receiver, error) {
	d, err := parseDistribution(distributed)
	if err != nil {
		return nil, err
	}
	return &Receiver{
		scope: d.scope, signing: d.signing, first: d.iteration, next: d.iteration, chainKey: d.chainKey,
	}, nil
}

// GroupID returns the group that the chain belongs to.
func (r *Receiver) GroupID() [GroupIDSize]byte { return r.group }

// Epoch returns the epoch that the chain belongs to.
func (r *Receiver) Epoch() uint64 { return r.epoch }

// ChainID returns the chain's random ID, with which each message begins.
func (r *Receiver) ChainID() [ChainIDSize]byte { return r.chain }

// Next returns the number of the first message that is not reckoned with yet: those
// from the distribution on and below it have come, are Missing or were given up.
func (r *Receiver) Next() uint32 { return r.next }

// Missing returns the numbers below Next of the messages that have not come and can
// still be opened, at most MaxSkipped, ascending.
func (r *Receiver) Missing() []uint32 {
	missing := make([]uint32, len(r.skipped))
	for i, s := range r.skipped {
		missing[i] = s.iteration
	}
	return missing
}

// SigningKey returns a copy of the sender's 32-byte Ed25519 public key.
func (r *Receiver) SigningKey() []byte { return slices.Clone(r.signing[:]) }

// ChainOf returns the ID of the chain that a message claims to be of, by which
// a group finds the receiver. It returns ErrDecrypt for a message too short.
func ChainOf(message []byte) (id [ChainIDSize]byte, err error) {
	if len(message) < Overhead {
		return id, ErrDecrypt
	}
	return [ChainIDSize]byte(message), nil
}

// Decrypt verifies the signature and then opens a message, in whatever order
// messages come, and returns with what. The receiver must be stored together with
// the plaintext. On any error it is as it was; but for ErrDecrypt and ErrOtherChain
// errors are about messages that are the sender's.
func (r *Receiver) Decrypt(ad, message []byte) (plaintext []byte, with Opening, err error) {
	chain, err := ChainOf(message)
	if err != nil {
		return nil, Opening{}, err
	}
	if chain != r.chain {
		return nil, Opening{}, ErrOtherChain
	}
	bound := r.bind(ad)
	header, body, ok := verify(r.signing, bound, message)
	if !ok {
		return nil, Opening{}, ErrDecrypt
	}
	after := r.Clone()
	with = Opening{Iteration: iterationOf(header), Signing: r.signing}
	if with.Key, err = after.take(with.Iteration); err != nil {
		return nil, Opening{}, err
	}
	if plaintext, err = unseal(with.Key, bound, header, body); err != nil {
		return nil, Opening{}, err
	}
	*r = *after
	return plaintext, with, nil
}

// take returns the key of one message and steps over it.
func (r *Receiver) take(iteration uint32) (key.Message, error) {
	switch {
	case iteration < r.first:
		return key.Message{}, ErrBefore
	case iteration < r.next:
		return r.takeSkipped(iteration)
	case iteration-r.next > MaxForward, iteration == math.MaxUint32:
		return key.Message{}, ErrTooFar
	}
	for ; r.next < iteration; r.next++ {
		if iteration-r.next <= MaxSkipped {
			r.skipped = append(r.skipped, skippedKey{r.next, r.chainKey.Message()})
		}
		r.chainKey = r.chainKey.Next()
	}
	r.skipped = slices.Delete(r.skipped, 0, max(0, len(r.skipped)-MaxSkipped))
	k := r.chainKey.Message()
	r.chainKey = r.chainKey.Next()
	r.next++
	return k, nil
}

func (r *Receiver) takeSkipped(iteration uint32) (key.Message, error) {
	i, found := slices.BinarySearchFunc(r.skipped, iteration, func(s skippedKey, n uint32) int {
		return cmp.Compare(s.iteration, n)
	})
	if !found {
		return key.Message{}, ErrDuplicate
	}
	k := r.skipped[i].key
	r.skipped = slices.Delete(r.skipped, i, i+1)
	return k, nil
}

// Clone returns a copy that shares nothing with r that either may change.
func (r *Receiver) Clone() *Receiver {
	c := *r
	c.skipped = slices.Clone(r.skipped)
	return &c
}
