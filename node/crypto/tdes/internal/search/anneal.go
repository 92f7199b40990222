package search

import (
	"math/rand/v2"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/sbox"
)

const (
	// slack is how many gates more than the fewest so far annealing allows.
	slack = 2
	// growth is one in how many steps adds a gate where slack allows.
	growth = 2
	// attempts is how many gates such a step tries.
	attempts = 64
)

// anneal changes n by so many steps and returns the last of the smallest
// networks.
func anneal(n *network, r *rand.Rand, steps int) *network {
	best := n
	var w view
	for range steps {
		if n.size() == 0 {
			break
		}
		w.look(n, sbox.In+r.IntN(n.size()))
		found := false
		if n.size() < best.size()+slack && r.IntN(growth) == 0 {
			found = w.replaceByTwo(r)
		} else {
			found = w.replaceByNode() || w.replaceByGate(w.rest, r) ||
				len(w.rest) < len(w.others) && w.replaceByGate(w.others, r)
		}
		if !found {
			continue
		}
		if next, ok := w.tidy(); ok && next.size() <= best.size()+slack {
			n = next
			if n.size() <= best.size() {
				best = n
			}
		}
	}
	return best
}

// view is a copy of a network seen from one gate.
type view struct {
	network
	gate    int
	on, off uint64 // where the gate must be one and zero for the outputs to stay
	others  []int  // nodes that do not depend on the gate
	rest    []int  // those of them that something else than the gate reads

	above   []bool // scratch
	flipped []uint64
	readers []int
}

// look sets w to n as gate g sees it. Where no output would change with the
// gate, it may have any value.
func (w *view) look(n *network, g int) {
	w.network = network{append(w.nodes[:0], n.nodes...), n.outputs, append(w.values[:0], n.values...)}
	w.gate = g
	w.above = append(w.above[:0], make([]bool, len(n.nodes))...)
	w.readers = append(w.readers[:0], make([]int, len(n.nodes))...)
	w.flipped = append(w.flipped[:0], n.values...)
	w.above[g], w.flipped[g] = true, ^n.values[g]
	w.others, w.rest = w.others[:0], w.rest[:0]
	for i, v := range n.nodes {
		if i >= sbox.In {
			w.readers[v.a]++
			w.readers[v.b]++
		}
		if i > g && (w.above[v.a] || w.above[v.b]) {
			w.above[i] = true
			w.flipped[i] = run(v.f, w.flipped[v.a], w.flipped[v.b])
		}
	}
	var care uint64
	for _, o := range n.outputs {
		if o != none {
			w.readers[o]++
			care |= w.flipped[o] ^ n.values[o]
		}
	}
	w.on, w.off = n.values[g]&care, ^n.values[g]&care
	w.release(g)
	for i := range n.nodes {
		if w.above[i] {
			continue
		}
		w.others = append(w.others, i)
		if i < sbox.In || w.readers[i] > 0 {
			w.rest = append(w.rest, i)
		}
	}
}

// release takes away the readers that a gate is to others.
func (w *view) release(g int) {
	for _, i := range [2]int{w.nodes[g].a, w.nodes[g].b} {
		if w.readers[i]--; w.readers[i] == 0 && i >= sbox.In {
			w.release(i)
		}
	}
}

// replaceByNode replaces the gate by a node that serves as well.
func (w *view) replaceByNode() bool {
	for _, i := range w.others {
		switch v := w.values[i]; {
		case w.on&^v|w.off&v == 0:
			w.nodes[w.gate] = node{fSame, i, i}
			return true
		case w.on&v|w.off&^v == 0:
			w.nodes[w.gate] = node{fNot, i, i}
			return true
		}
	}
	return false
}

// replaceByGate replaces the gate by one of two of the nodes given, each
// possible pair being as likely.
func (w *view) replaceByGate(of []int, r *rand.Rand) bool {
	feasible, x, y := 0, 0, 0
	for i, a := range of {
		t := w.divide(w.values[a])
		for _, b := range of[:i] {
			if t.fits(w.values[b]) {
				if feasible++; r.IntN(feasible) == 0 {
					x, y = a, b
				}
			}
		}
	}
	if feasible == 0 {
		return false
	}
	w.place(x, y, r)
	return true
}

// replaceByTwo replaces the gate by one of a new gate and another node.
func (w *view) replaceByTwo(r *rand.Rand) bool {
	of := w.rest
	for range attempts {
		a, b := of[r.IntN(len(of))], of[r.IntN(len(of))]
		f := normalFunctions[r.IntN(len(normalFunctions))]
		t := w.divide(run(f, w.values[a], w.values[b]))
		first := r.IntN(len(of))
		for i := range of {
			if c := of[(first+i)%len(of)]; a != b && t.fits(w.values[c]) {
				w.place(w.add(f, a, b), c, r)
				return true
			}
		}
	}
	return false
}

// place makes the gate one of a and b.
func (w *view) place(a, b int, r *rand.Rand) {
	f, free, _ := fit(w.on, w.off, w.values[a], w.values[b])
	w.nodes[w.gate] = node{f | free&uint8(r.Uint32()), a, b}
}

// divided is on and off where one input of a gate is one and where it is zero.
type divided struct{ on1, off1, on0, off0 uint64 }

func (w *view) divide(v uint64) divided {
	return divided{w.on & v, w.off & v, w.on &^ v, w.off &^ v}
}

// fits tells whether there is a gate for v as the other input.
func (d *divided) fits(v uint64) bool {
	return (d.on1&v == 0 || d.off1&v == 0) && (d.on0&^v == 0 || d.off0&^v == 0) &&
		(d.on1&^v == 0 || d.off1&^v == 0) && (d.on0&v == 0 || d.off0&v == 0)
}
