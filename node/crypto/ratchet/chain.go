package ratchet

import (
	"cmp"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tryst-chat/tryst/node/key"
)

// secret is a root or header key, or a Diffie-Hellman output.
type secret = [key.Size]byte

const rootLabel = "tryst ratchet root v1"

// stepRoot is KDF_RK_HE: it mixes a Diffie-Hellman output into the root key.
func stepRoot(root, shared secret) (newRoot secret, chain key.Chain, header secret, err error) {
	okm, err := hkdf.Key(sha256.New, shared[:], root[:], rootLabel, 3*key.Size)
	if err != nil {
		return newRoot, chain, header, fmt.Errorf("ratchet: step root: %w", err)
	}
	newRoot = secret(okm)
	chain = key.ChainFrom(secret(okm[key.Size:]))
	header = secret(okm[2*key.Size:])
	return newRoot, chain, header, nil
}

// receivingChain is one chain of the peer's, and the keys of those of its
// messages that have been overtaken.
type receivingChain struct {
	header  secret       // HKr
	chain   key.Chain    // CKr; zero once the chain is retired
	next    uint32       // Nr: each message below has come, is skipped, or was given up
	skipped []skippedKey // ascending by n, all below next
}

// skippedKey is the message key of a message that has not come yet.
type skippedKey struct {
	n     uint32
	key   key.Message
	since int64 // Unix seconds
}

// takeSkipped removes and returns the key of a message below c.next.
func (c *receivingChain) takeSkipped(n uint32) (key.Message, error) {
	i, found := slices.BinarySearchFunc(c.skipped, n, func(s skippedKey, n uint32) int { return cmp.Compare(s.n, n) })
	if !found {
		return key.Message{}, ErrDuplicate
	}
	k := c.skipped[i].key
	c.skipped = slices.Delete(c.skipped, i, i+1)
	return k, nil
}

// advance steps to message n and returns its key, keeping those in between.
func (c *receivingChain) advance(n uint32, now time.Time) (key.Message, error) {
	if n == math.MaxUint32 {
		return key.Message{}, ErrTooFar // n+1 must stay a number
	}
	if err := c.skipTo(n, now); err != nil {
		return key.Message{}, err
	}
	k := c.chain.Message()
	c.chain = c.chain.Next()
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
			c.skipped = append(c.skipped, skippedKey{n: c.next, key: c.chain.Message(), since: now.Unix()})
		}
		c.chain = c.chain.Next()
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
	c.chain = key.Chain{}
	return nil
}

// dropOldest gives up at most n skipped keys, none if n is negative, and returns
// how many it gave up.
func (c *receivingChain) dropOldest(n int) int {
	n = max(0, min(n, len(c.skipped)))
	c.skipped = slices.Delete(c.skipped, 0, n)
	return n
}

// expire gives up the skipped keys from before deadline.
func (c *receivingChain) expire(deadline int64) {
	c.skipped = slices.DeleteFunc(c.skipped, func(s skippedKey) bool { return s.since < deadline })
}

func (c receivingChain) clone() receivingChain {
	c.skipped = slices.Clone(c.skipped)
	return c
}
