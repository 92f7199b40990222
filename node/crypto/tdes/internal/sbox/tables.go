package sbox

import "github.com/tryst-chat/tryst/node/crypto/tdes/internal/fips46"

// In and Out are the input and output bits of an S-box.
const In, Out = 6, 4

// A truth table has one bit per input of an S-box: bit i is the value at input
// i.

// Inputs are the truth tables of an S-box's input bits, most significant
// (number 1 of FIPS 46-3) first.
func Inputs() (inputs [In]uint64) {
	for i := range 1 << In {
		for j := range inputs {
			inputs[j] |= uint64(i>>(In-1-j)&1) << i
		}
	}
	return inputs
}

// Outputs are the truth tables of the output bits of an S-box, most
// significant first.
func Outputs(box int) (outputs [Out]uint64) {
	for i := range 1 << In {
		for j := range outputs {
			outputs[j] |= fips46.S(box, i) >> (Out - 1 - j) & 1 << i
		}
	}
	return outputs
}

// Complemented tells which outputs a circuit gives complemented: those that
// are one at input zero. Every gate maps zeroes to zero, so that a circuit
// cannot give them as they are.
func Complemented(box int) (outputs [Out]bool) {
	for j, table := range Outputs(box) {
		outputs[j] = table&1 != 0
	}
	return outputs
}

// normal returns the one of table and its complement that is zero at input
// zero.
func normal(table uint64) uint64 {
	return table ^ -(table & 1)
}
