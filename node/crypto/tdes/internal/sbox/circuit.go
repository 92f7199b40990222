// Package sbox holds the S-boxes of DES: the tables of FIPS 46-3 and a Boolean
// circuit for each, as package search found it. The generator makes the code of
// node/crypto/tdes from the circuits and its tests check them against the
// tables; nothing runs a circuit from here.
package sbox

import (
	"errors"
	"fmt"
	"strings"
)

// Op is what a gate computes. Each gives zero for two zeroes: a gate that does
// not is complemented, and with it what reads it, until the complements stand
// at the outputs, where the round keys take them up.
type Op string

// The gates are those that AVX2 has as one instruction.
const (
	And    Op = "&"
	Or     Op = "|"
	Xor    Op = "^"
	AndNot Op = "&^"
)

// Gate is one gate of a circuit.
type Gate struct {
	Op   Op
	A, B int // its inputs: signals before it
}

// Circuit computes an S-box. Its signals are numbered: first the six inputs,
// most significant first, then the gates in their order.
type Circuit struct {
	Gates   []Gate
	Outputs [Out]int // signals, most significant output first
}

// Run returns what op gives.
func (op Op) Run(a, b uint64) uint64 {
	switch op {
	case And:
		return a & b
	case Or:
		return a | b
	case Xor:
		return a ^ b
	default:
		return a &^ b
	}
}

// Signals returns the truth table of every signal.
func (c Circuit) Signals() []uint64 {
	inputs := Inputs()
	values := inputs[:]
	for _, g := range c.Gates {
		values = append(values, g.Op.Run(values[g.A], values[g.B]))
	}
	return values
}

// Computes reports whether c computes an S-box, with those outputs
// complemented that Complemented names.
func (c Circuit) Computes(box int) bool {
	values := c.Signals()
	for j, want := range Outputs(box) {
		if values[c.Outputs[j]] != normal(want) {
			return false
		}
	}
	return true
}

// Name is how a signal is called in a circuit's text: x1 to x6 for the inputs
// of FIPS 46-3, t1 and so on for the gates.
func Name(signal int) string {
	if signal < In {
		return fmt.Sprintf("x%d", signal+1)
	}
	return fmt.Sprintf("t%d", signal-In+1)
}

// String is the text that Parse reads, a gate a line and then the outputs.
func (c Circuit) String() string {
	var b strings.Builder
	for i, g := range c.Gates {
		fmt.Fprintf(&b, "%s = %s %s %s\n", Name(In+i), Name(g.A), g.Op, Name(g.B))
	}
	for j, signal := range c.Outputs {
		fmt.Fprintf(&b, "y%d = %s\n", j+1, Name(signal))
	}
	return b.String()
}

var errText = errors.New("sbox: not a circuit")

// Parse reads what String wrote. It does not ask what the circuit computes.
func Parse(text string) (c Circuit, err error) {
	signals := make(map[string]int)
	for i := range In {
		signals[Name(i)] = i
	}
	outputs := 0
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		known := true
		for i := 2; i < len(f); i += 2 {
			_, ok := signals[f[i]]
			known = known && ok
		}
		switch {
		case known && len(f) == 5 && f[1] == "=" && strings.Contains(" & | ^ &^ ", " "+f[3]+" "):
			signals[f[0]] = In + len(c.Gates)
			c.Gates = append(c.Gates, Gate{Op(f[3]), signals[f[2]], signals[f[4]]})
		case known && len(f) == 3 && f[1] == "=" && outputs < Out:
			c.Outputs[outputs] = signals[f[2]]
			outputs++
		default:
			return Circuit{}, fmt.Errorf("%w: %q", errText, line)
		}
	}
	if outputs != Out {
		return Circuit{}, fmt.Errorf("%w: %d outputs", errText, outputs)
	}
	return c, nil
}
