// Package search finds small Boolean circuits for the S-boxes of DES. Its test
// runs it, and nothing else calls it. The circuits that package sbox holds come
// from many runs, each from the best so far, with other seeds and with other
// settings of the constants below; one short run from nothing ends well
// above them.
//
// A circuit begins as multiplexers. Then, over and over, a part is taken out
// and built anew from what is left, in many random ways: one or two outputs, or
// a gate with all that only it reads. Annealing follows: gates are replaced at
// random by others that no output can tell apart from them. A gate matters only
// at the inputs where an output would change with it, so that many gates fit;
// most replacements cost nothing and lead on, and some leave another gate
// unread, which is how the circuit shrinks.
package search

import (
	"math/rand/v2"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/sbox"
)

const (
	// loosening is how many gates more than the fewest so far a circuit may
	// have, at most; the search draws a number up to it.
	loosening = 3
	// tries is how often an output is built, to keep the smallest.
	tries = 100
	// steps is how long annealing takes after a change.
	steps = 1000
)

// Find returns a circuit of an S-box after so many rounds, and tells report of
// each that is smaller than those before. What it returns depends on the
// arguments alone.
func Find(box int, seed uint64, rounds int, report func(sbox.Circuit)) sbox.Circuit {
	r := rand.New(rand.NewPCG(seed, uint64(box)))
	n := newNetwork()
	for _, j := range r.Perm(sbox.Out) {
		n = anneal(n.withOutput(box, j, anySize, r), r, steps)
	}
	return improve(n, box, rounds, r, report)
}

// anySize is a limit that no circuit of this search reaches.
const anySize = 1000

// Improve is Find from a circuit of the S-box that is known.
func Improve(c sbox.Circuit, box int, seed uint64, rounds int, report func(sbox.Circuit)) sbox.Circuit {
	r := rand.New(rand.NewPCG(seed, uint64(box)))
	return improve(fromCircuit(c), box, rounds, r, report)
}

func improve(n *network, box, rounds int, r *rand.Rand, report func(sbox.Circuit)) sbox.Circuit {
	best := n
	for range rounds {
		limit := best.size() + r.IntN(loosening+1)
		next := n.renew(box, limit, r)
		if next == nil {
			n = anneal(n, r, steps/10)
			continue
		}
		if n = anneal(next, r, steps); n.size() < best.size() {
			report(n.circuit())
		}
		if n.size() <= best.size() {
			best = n
		}
	}
	return best.circuit()
}

// renew returns n with a part built anew, or nil if that takes more than limit
// gates.
func (n *network) renew(box, limit int, r *rand.Rand) *network {
	if r.IntN(2) == 0 {
		return n.renewGate(limit, r)
	}
	m := n.clone()
	m.outputs[r.IntN(sbox.Out)] = none
	if r.IntN(4) == 0 {
		m.outputs[r.IntN(sbox.Out)] = none
	}
	k, _ := m.tidy()
	k = anneal(k, r, steps/10)
	for _, j := range r.Perm(sbox.Out) {
		if k != nil && k.outputs[j] == none {
			k = k.withOutput(box, j, limit, r)
		}
	}
	return k
}

// withOutput returns the smallest of some networks that are n with output j,
// or nil if all have more than limit gates.
func (n *network) withOutput(box, j, limit int, r *rand.Rand) (best *network) {
	for range tries {
		if e := n.extend(box, j, limit, r); e != nil {
			best, limit = e, e.size()
		}
	}
	return best
}

// renewGate builds a gate anew without what only it reads.
func (n *network) renewGate(limit int, r *rand.Rand) (best *network) {
	var w view
	w.look(n, sbox.In+r.IntN(n.size()))
	for range len(w.others) - len(w.rest) {
		b := builder{w.clone(), append([]int(nil), w.rest...), len(w.nodes) + limit - n.size() + len(w.others) - len(w.rest) + 1, r}
		g := b.build(w.on, w.off)
		if g == none || g == w.gate {
			continue
		}
		b.nodes[w.gate] = node{fSame, g, g}
		if e := b.finish(limit); e != nil {
			best, limit = e, e.size()
		}
	}
	return best
}
