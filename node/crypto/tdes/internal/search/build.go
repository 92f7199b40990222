package search

import (
	"math/rand/v2"
	"slices"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/sbox"
)

// extend returns n with output j of box added, or nil if that takes more than
// limit gates in all.
func (n *network) extend(box, j, limit int, r *rand.Rand) *network {
	b := builder{n.clone(), nil, sbox.In + limit, r}
	for i := range n.nodes {
		b.pool = append(b.pool, i)
	}
	target := sbox.Outputs(box)[j]
	if b.outputs[j] = b.build(target, ^target); b.outputs[j] == none {
		return nil
	}
	return b.finish(limit)
}

// builder is a network that grows.
type builder struct {
	network
	pool  []int // the nodes to build with
	limit int   // of nodes
	r     *rand.Rand
}

// finish returns the network that has been built, or nil if it has more than
// limit gates.
func (n *builder) finish(limit int) *network {
	if t, ok := n.tidy(); ok && t.size() <= limit {
		return t
	}
	return nil
}

// add appends a gate that may be built with.
func (n *builder) add(f uint8, a, b int) int {
	n.pool = append(n.pool, n.network.add(f, a, b))
	return len(n.nodes) - 1
}

// build returns a node that is one on on and zero on off, or none if the limit
// is too low: at most two gates of what is there, or else multiplexers, by one
// signal after another at random.
func (n *builder) build(on, off uint64) int {
	for _, i := range n.pool {
		switch v := n.values[i]; {
		case on&^v|off&v == 0:
			return i
		case on&v|off&^v == 0:
			return n.add(fNot, i, i)
		}
	}
	if len(n.nodes) >= n.limit {
		return none
	}
	n.r.Shuffle(len(n.pool), func(i, j int) { n.pool[i], n.pool[j] = n.pool[j], n.pool[i] })
	if i := n.oneGate(on, off); i != none {
		return i
	}
	if i := n.twoGates(on, off); i != none || len(n.nodes)+3 > n.limit {
		return i
	}

	x, f := n.r.IntN(sbox.In), uint8(fAnd)
	if n.r.IntN(8) == 0 {
		x = n.pool[n.r.IntN(len(n.pool))]
	}
	side := n.values[x]
	if n.r.IntN(2) == 0 {
		side, f = ^side, fNotAnd
	}
	if !slices.Contains(n.pool, x) || (on|off)&side == 0 || (on|off)&^side == 0 {
		return n.build(on, off) // another one
	}
	// first is right where side is zero, rest makes up for it elsewhere.
	n.limit -= 2
	first := n.build(on&^side, off&^side)
	if first == none {
		return none
	}
	v := n.values[first]
	rest := n.build(side&(on&^v|off&v), side&(off&^v|on&v))
	if rest == none {
		return none
	}
	n.limit += 2
	return n.add(fXor, first, n.add(f, x, rest))
}

// oneGate adds a gate that is one on on and zero on off, if there is one.
func (n *builder) oneGate(on, off uint64) int {
	for i, a := range n.pool {
		for _, b := range n.pool[:i] {
			if f, free, ok := fit(on, off, n.values[a], n.values[b]); ok {
				return n.add(f|free&uint8(n.r.Uint32()), a, b)
			}
		}
	}
	return none
}

// twoGates adds a gate of two nodes and a gate of that and a third.
func (n *builder) twoGates(on, off uint64) int {
	for i, a := range n.pool {
		va := n.values[a]
		for j, b := range n.pool[:i] {
			vb := n.values[b]
			// The third node must tell apart what a and b do not.
			var mixed [4][2]uint64
			cells := mixed[:0]
			for _, cell := range [4]uint64{^(va | vb), vb &^ va, va &^ vb, va & vb} {
				if on&cell != 0 && off&cell != 0 {
					cells = append(cells, [2]uint64{on & cell, off & cell})
				}
			}
		third:
			for _, c := range n.pool[:j] {
				vc := n.values[c]
				for _, cell := range cells {
					if cell[0]&vc != 0 && cell[1]&vc != 0 || cell[0]&^vc != 0 && cell[1]&^vc != 0 {
						continue third
					}
				}
				if g := n.chain(on, off, [3]int{a, b, c}); g != none {
					return g
				}
			}
		}
	}
	return none
}

// chain adds a gate of two of three nodes and a gate of that and the third.
func (n *builder) chain(on, off uint64, of [3]int) int {
	for _, last := range n.r.Perm(len(of)) {
		a, b, c := of[(last+1)%3], of[(last+2)%3], of[last]
		for _, k := range n.r.Perm(len(normalFunctions)) {
			h := run(normalFunctions[k], n.values[a], n.values[b])
			if f, free, ok := fit(on, off, h, n.values[c]); ok {
				return n.add(f|free&uint8(n.r.Uint32()), n.add(normalFunctions[k], a, b), c)
			}
		}
	}
	return none
}

// fit returns the function of a and b that is one on on and zero on off, if
// there is one; it may have any value in the positions of free, where it is
// zero in f.
func fit(on, off, a, b uint64) (f, free uint8, ok bool) {
	for i, cell := range [4]uint64{^(a | b), b &^ a, a &^ b, a & b} {
		one, zero := on&cell != 0, off&cell != 0
		switch {
		case one && zero:
			return 0, 0, false
		case one:
			f |= 1 << i
		case !zero:
			free |= 1 << i
		}
	}
	return f, free, true
}
