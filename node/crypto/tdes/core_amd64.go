//go:build !purego

package tdes

import "golang.org/x/sys/cpu"

// fastest is the core for this processor: one batch of the AVX2 core takes less
// time than one of the portable core, so that it is the fastest at every size.
var fastest = func() core {
	if cpu.X86.HasAVX2 {
		return avx2
	}
	return generic
}()

// batch is how many bytes xorBatch does.
func (c core) batch() int {
	if c == avx2 {
		return maxBatch
	}
	return lanes64 * BlockSize
}

// xorBatch sets the first batch of dst to that of src XOR keystream.
func (c core) xorBatch(dst, src []byte, p *planes, s *schedule) {
	if c == avx2 {
		_, _ = dst[maxBatch-1], src[maxBatch-1] // assembly checks nothing
		xor256(&dst[0], &src[0], p, s)
		return
	}
	xor64(dst, src, p, s)
}

// xor256 sets 256 blocks at dst to those at src XOR keystream.
//
//go:noescape
func xor256(dst, src *byte, p *planes, s *schedule)
