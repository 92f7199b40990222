package ratchet

import (
	"cmp"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tryst-chat/tryst/node/key"
)

// secret is a root, chain or header key.
type secret = [key.Size]byte

const rootLabel = "tryst ratchet root v1"

// stepRoot is KDF_RK_HE: it mixes a Diffie-Hellman output into the root key.
func stepRoot(root, shared secret) (newRoot, chain, header secret, err error) {
	okm, err := hkdf.Key(sha256.New, shared[:], root[:], rootLabel, 3*key.Size)
	if err != nil {
		return newRoot, chain, header, fmt.Errorf("ratchet: step root: %w", err)
	}
	for _, part := range [][]byte{newRoot[:], chain[:], header[:]} {
		okm = okm[copy(part, okm):]
	}
	return newRoot, chain, header, nil
}

// The constants of KDF_CK.
const (
	messageKeyInput = 0x01
	chainKeyInput   = 0x02
)

func chainHMAC(chain secret, input byte) (out secret) {
	mac := hmac.New(sha256.New, chain[:])
	mac.Write([]byte{input})
	mac.Sum(out[:0])
	return out
}

func messageKey(chain secret) secret   { return chainHMAC(chain, messageKeyInput) }
func nextChainKey(chain secret) secret { return chainHMAC(chain, chainKeyInput) }

// receivingChain is one chain of the peer's, and the keys of those of its
// messages that have been overtaken.
type receivingChain struct {
	header  secret       // HKr
	chain   secret       // CKr; zero once the chain is retired
	next    uint32       // Nr: each message below has come, is skipped, or was given up
	skipped []skippedKey // ascending by n, all below next
}

// skippedKey is the message key of a message that has not come yet.
type skippedKey struct {
	n     uint32
	key   secret
	since int64 // Unix seconds
}

// takeSkipped removes and returns the key of a message below c.next.
func (c *receivingChain) takeSkipped(n uint32) (secret, error) {
	i, found := slices.BinarySearchFunc(c.skipped, n, func(s skippedKey, n uint32) int { return cmp.Compare(s.n, n) })
	if !found {
		return secret{}, ErrDuplicate
	}
	k := c.skipped[i].key
	c.skipped = slices.Delete(c.skipped, i, i+1)
	return k, nil
}

// advance steps to message n and returns its key, keeping those in between.
func (c *receivingChain) advance(n uint32, now time.Time) (secret, error) {
	if n == math.MaxUint32 {
		return secret{}, ErrTooFar // n+1 must stay a number
	}
	if err := c.skipTo(n, now); err != nil {
		return secret{}, err
	}
	k := messageKey(c.chain)
	c.chain = nextChainKey(c.chain)
	c.next = n + 1
	return k, nil
}

// skipTo steps to message n, which is not below c.next, keeping the last
// MaxSkippedChain of the keys in between.
func (c *receivingChain) skipTo(n uint32, now time.Time) error {
	if n-c.next > MaxForward {
		return ErrTooFar
	}
	for ; c.next < n; c.next++ {
		if n-c.next <= MaxSkippedChain {
			c.skipped = append(c.skipped, skippedKey{n: c.next, key: messageKey(c.chain), since: now.Unix()})
		}
		c.chain = nextChainKey(c.chain)
	}
	c.dropOldest(len(c.skipped) - MaxSkippedChain)
	return nil
}

// retire ends the chain, which had length messages in all. A peer that claims
// fewer than it sent only loses its own.
func (c *receivingChain) retire(length uint32, now time.Time) error {
	if length > c.next {
		if err := c.skipTo(length, now); err != nil {
			return err
		}
	}
	c.chain = secret{}
	return nil
}

// dropOldest gives up n skipped keys, or none if n is negative.
func (c *receivingChain) dropOldest(n int) {
	if n > 0 {
		c.skipped = slices.Delete(c.skipped, 0, min(n, len(c.skipped)))
	}
}

// expire gives up the skipped keys from before deadline.
func (c *receivingChain) expire(deadline int64) {
	c.skipped = slices.DeleteFunc(c.skipped, func(s skippedKey) bool { return s.since < deadline })
}

func (c receivingChain) clone() receivingChain {
	c.skipped = slices.Clone(c.skipped)
	return c
}
