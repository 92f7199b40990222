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

// keyStream writes a batch of keystream and returns its length in bytes.
func (c core) keyStream(out *[maxBatch]byte, p *planes, s *schedule) int {
	if c == avx2 {
		keyStream256(out, p, s)
		return maxBatch
	}
	keyStream64(out[:], p, s)
	return lanes64 * BlockSize
}

// keyStream256 sets out to 256 blocks of keystream.
//
//go:noescape
func keyStream256(out *[maxBatch]byte, p *planes, s *schedule)
