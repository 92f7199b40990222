package tdes

import "crypto/subtle"

// core is a way to do the blocks. All give the same keystream.
type core int

const (
	generic core = iota // 64 lanes in words of 64 bits
	avx2                // 256 lanes in vectors
)

// maxBatch is the largest batch of a core in bytes.
const maxBatch = 256 * BlockSize

// xor is XORKeyStream for arguments that it has checked.
func (c core) xor(dst, src []byte, key *[KeySize]byte, counter uint64) {
	if len(src) == 0 {
		return
	}
	var (
		keys   schedule
		blocks planes
		buffer [maxBatch]byte
	)
	keys.expand(key)
	blocks.set(counter)
	for number := 0; len(src) > 0; {
		blocks.setNumber(number)
		keyStream := buffer[:c.keyStream(&buffer, &blocks, &keys)]
		n := subtle.XORBytes(dst, src, keyStream)
		dst, src = dst[n:], src[n:]
		number += len(keyStream) / BlockSize
	}
}
