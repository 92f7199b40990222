package tdes

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
	_ = dst[len(src)-1] // panic before anything is written, not after
	var (
		keys   schedule
		blocks planes
		number int
	)
	keys.expand(key)
	blocks.set(counter)
	batch := c.batch()
	for ; len(src) >= batch; number += batch / BlockSize {
		blocks.setNumber(number)
		c.xorBatch(dst, src, &blocks, &keys)
		dst, src = dst[batch:], src[batch:]
	}
	if len(src) > 0 {
		var last [maxBatch]byte
		copy(last[:], src)
		blocks.setNumber(number)
		c.xorBatch(last[:], last[:], &blocks, &keys)
		copy(dst, last[:len(src)])
	}
}
