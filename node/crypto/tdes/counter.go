package tdes

import "github.com/tryst-chat/tryst/node/crypto/tdes/internal/fips46"

// planes are the bits of a batch of counter blocks after the initial
// permutation, left half first, each as a mask: what the bit is in every lane.
// Masks of the lowest bits, which count within the batch and so differ from
// lane to lane, are not used: each core has constants for them.
type planes [2 * fips46.Half]uint64

// numberBits is how many bits it takes to count MaxBlocks.
const numberBits = 14

// set sets p to an initial counter, whose low bits are zero.
func (p *planes) set(counter uint64) {
	for i, bit := range fips46.IP {
		p[i] = -(counter >> (2*fips46.Half - bit) & 1)
	}
}

// setNumber sets p to the batch that begins number blocks, below 2^numberBits,
// after the initial counter. The other bits of the counter stay.
func (p *planes) setNumber(number int) {
	for n, plane := range counterPlanes {
		p[plane%len(p)] = -(uint64(number) >> n & 1)
	}
}

// counterPlanes are the planes of the counter's low bits, from the lowest on.
var counterPlanes = func() (low [numberBits]int) {
	for i, bit := range fips46.IP {
		if n := 2*fips46.Half - bit; n < numberBits {
			low[n] = i
		}
	}
	return low
}()
