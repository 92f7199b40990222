//go:build !amd64 || purego

package tdes

// fastest is the portable core where there is no other.
const fastest = generic

// batch is how many bytes xorBatch does.
func (core) batch() int { return lanes64 * BlockSize }

// xorBatch sets the first batch of dst to that of src XOR keystream.
func (core) xorBatch(dst, src []byte, p *planes, s *schedule) { xor64(dst, src, p, s) }
