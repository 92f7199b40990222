package gen

import (
	"fmt"
	"math/rand/v2"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/sbox"
)

const (
	registers = 16
	// orders is how many orders of a circuit's gates are tried.
	orders = 400
)

// instructions of the gates. The operands are in Go's order, the second input
// of VPANDN being the one that is complemented.
var instructions = map[sbox.Op]string{sbox.And: "VPAND", sbox.Or: "VPOR", sbox.Xor: "VPXOR", sbox.AndNot: "VPANDN"}

// allocate writes an S-box with its key addition and the addition to the left
// half, and returns how many vectors it spills. Of some random orders of the
// gates it takes the one with the fewest instructions.
func allocate(a *assembler, box int, c sbox.Circuit) (slots int) {
	r := rand.New(rand.NewPCG(1, uint64(box)))
	var best *allocation
	for range orders {
		n := &allocation{box: box, circuit: c}
		n.run(n.order(r))
		if best == nil || n.lines < best.lines {
			best = n
		}
	}
	a.WriteString(best.code.String())
	return best.slots
}

// allocation assigns registers to the signals of a circuit. When it runs out
// of them it spills the signal whose next use is the furthest (Belady).
type allocation struct {
	box     int
	circuit sbox.Circuit
	code    assembler
	lines   int
	slots   int

	uses   [][]int        // of each signal: when it is still to be read
	holder [registers]int // the signal in each register, or free
	in     []int          // of each signal: its register, or nowhere
	slot   []int          // of each signal: its spilled copy, or nowhere
}

const free, nowhere = -1, -1

func (n *allocation) emit(format string, args ...any) {
	n.code.op(format, args...)
	n.lines++
}

// order returns the gates in a random order in which each stands after what it
// reads. Gates go first that read what nobody reads later and that need no new
// input.
func (n *allocation) order(r *rand.Rand) (order []int) {
	gates := n.circuit.Gates
	readers := make([]int, sbox.In+len(gates))
	for _, g := range gates {
		readers[g.A]++
		readers[g.B]++
	}
	ready := make([]bool, len(readers))
	loaded := make([]bool, len(readers))
	for i := range sbox.In {
		ready[i] = true
	}
	for range gates {
		best, bestScore := -1, 0.0
		for i, g := range gates {
			if ready[sbox.In+i] || !ready[g.A] || !ready[g.B] {
				continue
			}
			score := r.Float64() * 1.5
			for _, s := range []int{g.A, g.B} {
				if readers[s] == 1 {
					score++
				}
				if s < sbox.In && !loaded[s] {
					score--
				}
			}
			if best < 0 || score > bestScore {
				best, bestScore = i, score
			}
		}
		g := gates[best]
		ready[sbox.In+best] = true
		for _, s := range []int{g.A, g.B} {
			readers[s]--
			loaded[s] = true
		}
		order = append(order, best)
	}
	return order
}

// run writes the gates in the order given, each output as soon as it is there.
func (n *allocation) run(order []int) {
	signals := sbox.In + len(n.circuit.Gates)
	n.uses = make([][]int, signals)
	n.in, n.slot = make([]int, signals), make([]int, signals)
	for i := range signals {
		n.in[i], n.slot[i] = nowhere, nowhere
	}
	for i := range n.holder {
		n.holder[i] = free
	}
	for t, i := range order {
		g := n.circuit.Gates[i]
		n.uses[g.A] = append(n.uses[g.A], t)
		n.uses[g.B] = append(n.uses[g.B], t)
	}
	for _, i := range order {
		n.gate(sbox.In+i, n.circuit.Gates[i])
		for j, s := range n.circuit.Outputs {
			if s == sbox.In+i {
				n.write(s, j)
			}
		}
	}
}

// gate writes a gate, whose first input may come from memory.
func (n *allocation) gate(signal int, g sbox.Gate) {
	memory, register := g.A, g.B
	if g.Op != sbox.AndNot && n.in[memory] != nowhere {
		memory, register = register, memory
	}
	n.load(register, memory)
	if n.slot[memory] == nowhere || n.in[memory] != nowhere {
		n.load(memory, register)
	}
	operands := fmt.Sprintf("%s, Y%d", n.place(memory), n.in[register])
	n.used(memory)
	n.used(register)
	n.in[signal] = n.take(nowhere, nowhere)
	n.holder[n.in[signal]] = signal
	n.emit("%s %s, Y%d", instructions[g.Op], operands, n.in[signal])
}

// place is where a signal is read.
func (n *allocation) place(signal int) string {
	if n.in[signal] != nowhere {
		return fmt.Sprintf("Y%d", n.in[signal])
	}
	return fmt.Sprintf("%d(R8)", n.slot[signal]*vector)
}

// load brings a signal into a register, without driving out keep. An input is
// added to its key bit here.
func (n *allocation) load(signal, keep int) {
	if n.in[signal] != nowhere {
		return
	}
	y := n.take(signal, keep)
	n.in[signal], n.holder[y] = y, signal
	if n.slot[signal] != nowhere {
		n.emit("VMOVDQU %d(R8), Y%d", n.slot[signal]*vector, y)
		return
	}
	half, key := input(n.box, signal)
	n.emit("VPBROADCASTQ %d(CX), Y%d", key*8, y)
	n.emit("VPXOR %d(BX), Y%d, Y%d", half*vector, y, y)
}

// take frees a register, of neither signal given.
func (n *allocation) take(a, b int) int {
	victim := -1
	for y, s := range n.holder {
		switch {
		case s == free:
			return y
		case s == a || s == b:
		case victim < 0 || n.uses[s][0] > n.uses[n.holder[victim]][0]:
			victim = y
		}
	}
	s := n.holder[victim]
	if n.slot[s] == nowhere {
		n.slot[s] = n.slots
		n.slots++
		n.emit("VMOVDQU Y%d, %d(R8)", victim, n.slot[s]*vector)
	}
	n.in[s], n.holder[victim] = nowhere, free
	return victim
}

// used notes that a signal has been read, and frees its register if that was
// the last time.
func (n *allocation) used(signal int) {
	n.uses[signal] = n.uses[signal][1:]
	if y := n.in[signal]; len(n.uses[signal]) == 0 && y != nowhere {
		n.in[signal], n.holder[y] = nowhere, free
	}
}

// write adds output j of the S-box to the left half.
func (n *allocation) write(signal, j int) {
	at := output(n.box, j) * vector
	from, to := n.in[signal], n.in[signal]
	if len(n.uses[signal]) > 0 {
		to = n.take(signal, nowhere)
	} else {
		n.in[signal], n.holder[from] = nowhere, free
	}
	n.emit("VPXOR %d(AX), Y%d, Y%d", at, from, to)
	n.emit("VMOVDQU Y%d, %d(AX)", to, at)
}
