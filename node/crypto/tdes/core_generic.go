package tdes

import (
	"encoding/binary"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/fips46"
)

// lanes64 is how many blocks the portable core does at once.
const lanes64 = 64

// lanePatterns are the low bits of the counter in the portable core, from the
// lowest on: bit j of a word belongs to block j of the batch.
var lanePatterns = [6]uint64{
	0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0,
	0xff00ff00ff00ff00, 0xffff0000ffff0000, 0xffffffff00000000,
}

// xor64 sets 64 blocks of dst to those of src XOR keystream.
func xor64(dst, src []byte, p *planes, s *schedule) {
	counter := *p
	for n, pattern := range lanePatterns {
		counter[counterPlanes[n]%len(counter)] = pattern
	}
	left, right := [fips46.Half]uint64(counter[:fips46.Half]), [fips46.Half]uint64(counter[fips46.Half:])
	l, r := &left, &right
	for i := 0; i < rounds; i += fips46.Rounds {
		for j := 0; j < fips46.Rounds; j += 2 {
			round(l, r, &s[i+j])
			round(r, l, &s[i+j+1])
		}
		l, r = r, l // the last round has no exchange, or the next DES undoes it
	}

	// The final permutation, and the first byte of a block lowest.
	var blocks [lanes64]uint64
	for i := range fips46.Half {
		blocks[(fips46.IP[i]-1^7)%lanes64] = l[i]
		blocks[(fips46.IP[fips46.Half+i]-1^7)%lanes64] = r[i]
	}
	transpose(&blocks)
	for j, b := range blocks {
		d, s := dst[BlockSize*j:], src[BlockSize*j:]
		binary.LittleEndian.PutUint64(d, binary.LittleEndian.Uint64(s)^b)
	}
}

// transpose exchanges bit i of word j with bit j of word i: in turn the two
// halves, quarters and so on of the matrix off the diagonal.
func transpose(m *[lanes64]uint64) {
	mask := uint64(1<<32 - 1)
	for width := 32; width > 0; width, mask = width/2, mask^mask<<(width/2) {
		for i := 0; i < len(m); i = (i + width + 1) &^ width {
			a, b := &m[i], &m[(i+width)%len(m)]
			t := (*a>>width ^ *b) & mask
			*a, *b = *a^t<<width, *b^t
		}
	}
}
