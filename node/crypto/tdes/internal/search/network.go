package search

import (
	"slices"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/sbox"
)

// node is a gate of any two-input function. Bit 2a+b of f is its value at
// inputs a and b.
type node struct {
	f    uint8
	a, b int
}

// network is a circuit while it is being changed: inputs first, then gates,
// each after what it reads, none unread.
type network struct {
	nodes   []node
	outputs [sbox.Out]int // none for an output that is not there yet
	values  []uint64      // truth tables of the nodes
}

// none is no node.
const none = -1

// Functions of two inputs by the name of node.f.
const (
	fXor    = 0b0110
	fAnd    = 0b1000
	fAndNot = 0b0100 // a and not b
	fNotAnd = 0b0010 // b and not a
	fOr     = 0b1110
	fSame   = 0b1100 // a
	fNot    = 0b0011 // not a
)

// normalFunctions are those that need a gate and give zero for two zeroes.
var normalFunctions = [...]uint8{fAnd, fAndNot, fNotAnd, fXor, fOr}

// run returns f of two truth tables.
func run(f uint8, a, b uint64) uint64 {
	m := func(bit int) uint64 { return -uint64(f >> bit & 1) }
	return m(3)&a&b | m(2)&a&^b | m(1)&b&^a | m(0)&^(a|b)
}

// size is the number of gates.
func (n *network) size() int { return len(n.nodes) - sbox.In }

// newNetwork returns one without gates and outputs.
func newNetwork() *network {
	inputs := sbox.Inputs()
	return &network{make([]node, sbox.In), [sbox.Out]int{none, none, none, none}, inputs[:]}
}

// clone returns a copy that shares nothing with n.
func (n *network) clone() network {
	return network{slices.Clone(n.nodes), n.outputs, slices.Clone(n.values)}
}

// add appends a gate and returns its number.
func (n *network) add(f uint8, a, b int) int {
	n.nodes = append(n.nodes, node{f, a, b})
	n.values = append(n.values, run(f, n.values[a], n.values[b]))
	return len(n.nodes) - 1
}

// literal is a node of a new network, perhaps complemented.
type literal struct {
	node    int
	negated uint8 // 0 or 1
}

// tidy returns n with gates in order, unread and one-input gates gone, and
// every gate normal: complements have moved to the outputs, where they are
// dropped. n may have gates before what they read, but no cycle. It reports
// false if a gate is constant.
func (n *network) tidy() (*network, bool) {
	t := newNetwork()
	done := make([]literal, len(n.nodes))
	for i := range done {
		done[i].node = none
	}
	ok := true
	var visit func(i int) literal
	visit = func(i int) literal {
		if done[i].node != none {
			return done[i]
		}
		a, b := visit(n.nodes[i].a), visit(n.nodes[i].b)
		done[i] = t.place(n.nodes[i].f, a, b, &ok)
		return done[i]
	}
	for i := range sbox.In {
		done[i].node = i
	}
	for j, o := range n.outputs {
		if o != none {
			t.outputs[j] = visit(o).node
		}
	}
	return t, ok
}

// place adds the gate f of two literals, normalised, or finds that it is one
// of them.
func (n *network) place(f uint8, a, b literal, ok *bool) literal {
	var g uint8 // f with the complements of its inputs taken in
	for i := range uint8(4) {
		g |= f >> (i ^ (2*a.negated + b.negated)) & 1 << i
	}
	if a.node == b.node {
		g = g&1*0b0011 | g>>3*0b1100
	}
	negated := g & 1
	switch g ^ -negated&15 {
	case 0:
		*ok = false
		return literal{a.node, 0}
	case 0b1100:
		return literal{a.node, negated}
	case 0b1010:
		return literal{b.node, negated}
	default:
		return literal{n.add(g^-negated&15, a.node, b.node), negated}
	}
}

// circuit is n, which must be tidy, in the form that is kept.
func (n *network) circuit() sbox.Circuit {
	c := sbox.Circuit{Outputs: n.outputs}
	for _, g := range n.nodes[sbox.In:] {
		gate := sbox.Gate{A: g.a, B: g.b}
		switch g.f {
		case fXor:
			gate.Op = sbox.Xor
		case fAnd:
			gate.Op = sbox.And
		case fOr:
			gate.Op = sbox.Or
		case fNotAnd:
			gate = sbox.Gate{A: g.b, B: g.a}
			fallthrough
		default:
			gate.Op = sbox.AndNot
		}
		c.Gates = append(c.Gates, gate)
	}
	return c
}

// fromCircuit undoes circuit.
func fromCircuit(c sbox.Circuit) *network {
	n := newNetwork()
	of := map[sbox.Op]uint8{sbox.Xor: fXor, sbox.And: fAnd, sbox.Or: fOr, sbox.AndNot: fAndNot}
	for _, g := range c.Gates {
		n.add(of[g.Op], g.A, g.B)
	}
	n.outputs = c.Outputs
	return n
}
