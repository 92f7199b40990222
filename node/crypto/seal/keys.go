package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/node/crypto/tdes"
	"github.com/tryst-chat/tryst/node/key"
)

// Role says what is sealed. It separates the key derivations, so that what was
// sealed in one role does not open in another under the same key. Values are
// part of the format: append only.
type Role byte

const (
	Message   Role = 1 + iota // body of a message in a pairwise session
	Header                    // ratchet header
	SenderKey                 // group message
	FileChunk                 // chunk of a file; sealed by Stream only
	Vault                     // account's vault in the directory
	Store                     // local store, or the key that wraps it
	Sync                      // blob that follows an account to a new device
)

const (
	// label separates the seal from every other use of HKDF.
	label = "tryst seal"

	aesKeySize = 32
	macKeySize = sha256.Size
	okmSize    = tdes.KeySize + tdes.BlockSize + aesKeySize + aes.BlockSize + macKeySize
	// maxRetries ends the search for distinct DES keys. One retry happens with
	// probability 2^-54; eight do not.
	maxRetries = 8
)

// errKeys means that the derivation never gave three distinct DES keys.
var errKeys = errors.New("no distinct DES keys")

// keys are the secrets of one sealing.
type keys struct {
	key.Redacted
	des        [tdes.KeySize]byte
	desCounter [tdes.BlockSize]byte
	aes        [aesKeySize]byte
	aesCounter [aes.BlockSize]byte
	mac        [macKeySize]byte
}

// derive expands secret for one sealing. secret must be 32 uniformly random
// bytes; salt must never repeat for the same secret and role.
func derive(secret []byte, role Role, salt [SaltSize]byte) (*keys, error) {
	return firstUsable(expander(secret, role, salt))
}

// expander returns the derivation that firstUsable retries.
func expander(secret []byte, role Role, salt [SaltSize]byte) func(retry byte) ([]byte, error) {
	return func(retry byte) ([]byte, error) {
		return expandFor(secret, info(role, retry, salt), okmSize)
	}
}

// expandFor is HKDF-SHA-256's Expand (RFC 5869, section 2.3). A secret that is
// uniformly random needs no Extract (section 3.3).
func expandFor(secret []byte, info string, size int) ([]byte, error) {
	return hkdf.Expand(sha256.New, secret, info, size)
}

// info is what a derivation is for.
func info(role Role, retry byte, salt [SaltSize]byte) string {
	b := make([]byte, 0, len(label)+3+SaltSize)
	b = append(b, label...)
	b = append(b, Suite, byte(role), retry)
	return string(append(b, salt[:]...))
}

// firstUsable returns the keys of the first retry whose DES keys are distinct.
// expand returns okmSize bytes.
func firstUsable(expand func(retry byte) ([]byte, error)) (*keys, error) {
	for retry := byte(0); retry < maxRetries; retry++ {
		okm, err := expand(retry)
		if err != nil {
			return nil, fmt.Errorf("expand: %w", err)
		}
		if k := split(okm); tdes.Distinct(&k.des) {
			return k, nil
		}
	}
	return nil, errKeys
}

// split cuts okmSize bytes into keys.
func split(okm []byte) *keys {
	k := new(keys)
	for _, part := range [][]byte{k.des[:], k.desCounter[:], k.aes[:], k.aesCounter[:], k.mac[:]} {
		okm = okm[copy(part, okm):]
	}
	clearLowBits(&k.desCounter, tdes.CounterZeroBits)
	return k
}

// clearLowBits zeroes the n low bits of a big-endian counter.
func clearLowBits(counter *[tdes.BlockSize]byte, n int) {
	for i := len(counter) - 1; n > 0; i, n = i-1, n-8 {
		counter[i] &= byte(0xff << min(n, 8))
	}
}

// xor applies both ciphers. dst and src may be the same slice.
func (k *keys) xor(dst, src []byte) error {
	if err := tdes.XORKeyStream(dst, src, &k.des, k.desCounter); err != nil {
		return err
	}
	block, err := aes.NewCipher(k.aes[:])
	if err != nil {
		return err
	}
	cipher.NewCTR(block, k.aesCounter[:]).XORKeyStream(dst, dst)
	return nil
}
