package tdes

import (
	"slices"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/fips46"
	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/sbox"
)

const (
	// rounds of the three DES together.
	rounds = 3 * fips46.Rounds
	// keyMasks is how many masks expand makes of a key: one per bit, parity
	// included, and one per complemented bit.
	keyMasks = 2 * 8 * KeySize
)

// schedule is the round keys in the order of use, bit for bit: all ones or all
// zeroes. 18 KiB stay in the first-level cache.
type schedule [rounds][fips46.SubkeyBits]uint64

// expand sets s to the round keys of key.
func (s *schedule) expand(key *[KeySize]byte) {
	// 512 rather than keyMasks, so that no index needs a check.
	var masks [512]uint64
	for i, b := range key {
		for j := range 8 {
			m := -(uint64(b) >> (7 - j) & 1)
			masks[8*i+j], masks[keyMasks/2+8*i+j] = m, ^m
		}
	}
	for r := range s {
		from, to := &wiring[r], &s[r]
		for i := 0; i < len(to); i += 4 { // one by one takes a third longer
			to[i] = masks[from[i]%512]
			to[i+1] = masks[from[i+1]%512]
			to[i+2] = masks[from[i+2]%512]
			to[i+3] = masks[from[i+3]%512]
		}
	}
}

// wiring names the mask of each round key bit. It is the same for every key.
var wiring = newWiring()

// newWiring follows FIPS 46-3 for each key; the second DES decrypts, with its
// round keys in reverse. The S-box circuits give some outputs complemented,
// always the same ones. So a bit of half a block stands complemented in the
// state after an odd number of rounds, and the key bits that meet it are
// complemented too. A DES adds to each half eight times: at its end nothing is.
func newWiring() (w [rounds][fips46.SubkeyBits]uint16) {
	var l, r [fips46.Half]bool // which bits stand complemented
	added := complementedBits()
	for n := range w {
		des, round := n/fips46.Rounds, n%fips46.Rounds
		if des == 1 {
			round = fips46.Rounds - 1 - round
		}
		rotation := 0
		for _, shift := range fips46.Shifts[:round+1] {
			rotation += shift
		}
		for i, bit := range fips46.PC2 {
			mask := des*64 + fips46.PC1[rotated(bit-1, rotation)] - 1
			if r[fips46.E[i]-1] {
				mask += keyMasks / 2
			}
			w[n][i] = uint16(mask)
		}
		for i := range l {
			l[i] = l[i] != added[i]
		}
		l, r = r, l
		if n%fips46.Rounds == fips46.Rounds-1 {
			l, r = r, l // there is no exchange after the last round
		}
	}
	if slices.Contains(l[:], true) || slices.Contains(r[:], true) {
		panic("tdes: complements are left over")
	}
	return w
}

// rotated returns which bit stands at bit of the registers C and D together
// once both have rotated left.
func rotated(bit, left int) int {
	const size = 28
	return bit/size*size + (bit%size+left)%size
}

// complementedBits tells which bits of half a block get a complemented S-box
// output added.
func complementedBits() (bits [fips46.Half]bool) {
	for i, p := range fips46.P {
		box, output := (p-1)/sbox.Out, (p-1)%sbox.Out
		bits[i] = sbox.Complemented(box)[output]
	}
	return bits
}
