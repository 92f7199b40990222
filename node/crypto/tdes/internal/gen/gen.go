// Package gen writes the code of node/crypto/tdes that follows from the S-box
// circuits: a DES round in Go and the AVX2 core in assembly. It returns text
// and writes no file; a test of node/crypto/tdes compares that with what is
// committed, or writes it anew.
package gen

import (
	"fmt"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/fips46"
	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/sbox"
)

// Files are what is generated, by name.
func Files() (map[string]string, error) {
	circuits, err := sbox.Circuits()
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	round, err := goRound(circuits)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	return map[string]string{
		"round_generic.go": round,
		"core_amd64.s":     assembly(circuits),
	}, nil
}

// input returns which bit of half a block, from 0 on, is input i of a box, and
// which bit of the round key is added to it.
func input(box, i int) (half, key int) {
	key = sbox.In*box + i
	return fips46.E[key] - 1, key
}

// output returns which bit of the other half output j of a box is added to.
func output(box, j int) int {
	for i, p := range fips46.P {
		if p-1 == sbox.Out*box+j {
			return i
		}
	}
	panic("gen: P is not a permutation")
}
