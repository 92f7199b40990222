// Package tdes is three-key triple DES (EDE) in counter mode: TDEA of NIST SP
// 800-67 rev. 2 under CTR of SP 800-38A. It is the only package that knows DES;
// node/crypto/seal calls it, nothing else does.
//
// It is not a seal: it neither authenticates nor derives keys, and alone it is
// not strong enough for a new design. What a 64-bit block and this key allow:
//
//   - 112 bits of strength, not 168 (meet in the middle); NIST disallowed TDEA
//     for encryption after 2023.
//   - Counter blocks never repeat under a key, while random bits do: after q
//     blocks the keystream differs from random with probability about q²/2^65.
//     Sweet32 works near q = 2^32; SP 800-67 allowed 2^20. MaxBlocks is 12,288:
//     2^-37.8.
//   - The counter is one 64-bit word. Its low 20 bits must start at zero, so
//     that within MaxBlocks it neither wraps nor carries into its secret bits.
//
// The work is bitsliced (Biham, "A Fast New DES Implementation in Software",
// 1997): a word holds one bit of many blocks, so that permutations are a matter
// of which word is read, and S-boxes are Boolean circuits. No table is indexed
// by secret data and no branch taken on it, so that time tells nothing; a test
// behind a flag measures that. crypto/des is the oracle of the tests.
//
// There are two cores: in Go, 64 blocks at once in words of 64 bits, and for
// amd64 with AVX2, 256 blocks at once. A batch of either takes about the same
// time, 2.5 to 3 microseconds at 3 GHz, and so do fewer blocks; a key takes
// about one. So AVX2 is used at every size where there is AVX2. The build tag
// purego leaves it out.
//
// What follows from the circuits is generated: see internal/gen for the code,
// internal/sbox for the circuits and internal/search for where they come from.
package tdes

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

const (
	// KeySize is three DES keys of 8 bytes, parity bits included and ignored.
	KeySize = 3 * desKeySize
	// BlockSize is the block and counter size in bytes.
	BlockSize = 8
	// MaxBlocks is how many blocks one key may encrypt: 96 KiB, the longest
	// sealed message, far below what a 64-bit block endures.
	MaxBlocks = 12288
	// MaxLen is MaxBlocks in bytes.
	MaxLen = MaxBlocks * BlockSize
	// CounterZeroBits is how many low bits of an initial counter must be zero:
	// the 2^20 blocks that SP 800-67 rev. 2 once allowed, so that MaxBlocks fit.
	CounterZeroBits = 20

	desKeySize = 8
	// keyBits masks the parity bit, the lowest of each byte, off a DES key.
	keyBits = 0xfefefefefefefefe
)

var (
	// ErrKey means that two of the three DES keys agree, which would make the
	// cipher weaker: with K1 = K2 or K2 = K3 it is single DES.
	ErrKey = errors.New("tdes: DES keys are not distinct")
	// ErrCounter means that the low 20 bits of the initial counter are not zero.
	ErrCounter = errors.New("tdes: low bits of the counter are not zero")
	// ErrTooLong means more than MaxLen bytes for one key.
	ErrTooLong = errors.New("tdes: more than 96 KiB under one key")
)

// XORKeyStream sets dst to src XOR the keystream of key from the big-endian
// counter on. Encryption and decryption are the same. dst must be at least as
// long as src and may be src itself, but must not overlap it otherwise; it is
// left alone when an error is returned.
func XORKeyStream(dst, src []byte, key *[KeySize]byte, counter [BlockSize]byte) error {
	switch {
	case !Distinct(key):
		return ErrKey
	case binary.BigEndian.Uint64(counter[:])&(1<<CounterZeroBits-1) != 0:
		return ErrCounter
	case len(src) > MaxLen:
		return ErrTooLong
	}
	fastest.xor(dst, src, key, binary.BigEndian.Uint64(counter[:]))
	return nil
}

// Distinct tells whether the three DES keys differ in pairs, parity bits
// aside, as SP 800-67 rev. 2 demands (section 3.1). It takes constant time. The
// 64 (semi-)weak DES keys are not looked for: a derived key is one of them with
// probability 2^-50, and then the other two still stand.
func Distinct(key *[KeySize]byte) bool {
	var k [3]uint64
	for i := range k {
		k[i] = binary.BigEndian.Uint64(key[i*desKeySize:]) & keyBits
	}
	same := equal(k[0], k[1]) | equal(k[1], k[2]) | equal(k[0], k[2])
	return same == 0
}

// equal returns 1 if a == b, else 0, in constant time.
func equal(a, b uint64) int {
	d := a ^ b
	return subtle.ConstantTimeEq(int32(uint32(d>>32)|uint32(d)), 0)
}
