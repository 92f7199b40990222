//go:build !amd64 || purego

package tdes

// fastest is the portable core where there is no other.
const fastest = generic

// keyStream writes a batch of keystream and returns its length in bytes.
func (core) keyStream(out *[maxBatch]byte, p *planes, s *schedule) int {
	keyStream64(out[:], p, s)
	return lanes64 * BlockSize
}
