package check

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// chain is a group's chain: with its head, all of it is fixed.
type chain struct {
	length uint64
	head   string
}

// groups judges a group. Appending is compare-and-append; that there is no group is
// promised to be true now, and what a read finds to be part of the chain, and no less
// than its reader knew.
func groups(ops []Op, final []string) (porcupine.Model, []porcupine.Operation, []string) {
	var ordered []porcupine.Operation
	var wrong []string
	stands := func(seq uint64, hash string) bool { return seq < uint64(len(final)) && final[seq] == hash }
	for _, op := range ops {
		switch w := op.What.(type) {
		case Append:
			switch {
			case op.Outcome == Unknown && !stands(w.Seq, w.Hash):
				continue // it never had an effect
			case op.Outcome == Done && !stands(w.Seq, w.Hash):
				wrong = append(wrong, fmt.Sprintf("statement %d of client %d was acknowledged and is not there", w.Seq, op.Client))
			}
		case Read:
			if op.Outcome == Unknown || w.Length > 0 {
				continue
			}
		}
		ordered = append(ordered, operation(op))
	}
	return model(stepGroup), ordered, append(wrong, readGroups(ops, final)...)
}

func stepGroup(c chain, op Op) (chain, bool) {
	switch w := op.What.(type) {
	case Append:
		fits := w.Seq == c.length && w.Prev == c.head
		if op.Outcome == Refused {
			return c, !fits
		}
		return chain{w.Seq + 1, w.Hash}, fits
	case Read:
		return c, c.length == 0
	}
	return c, false
}

// readGroups judges the reads of a group: for each client, in the order of its
// requests.
func readGroups(ops []Op, final []string) []string {
	var wrong []string
	known := make(map[int]uint64) // how long each client knows the chain to be
	ops = slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b Op) int { return int(a.Call - b.Call) })
	for _, op := range ops {
		switch w := op.What.(type) {
		case Append:
			if op.Outcome == Done {
				known[op.Client] = max(known[op.Client], w.Seq+1)
			}
		case Read:
			if op.Outcome != Done {
				continue
			}
			switch {
			case w.Length < known[op.Client]:
				wrong = append(wrong, fmt.Sprintf("client %d knew of %d statements and then found %d", op.Client, known[op.Client], w.Length))
			case w.Length > uint64(len(final)):
				wrong = append(wrong, fmt.Sprintf("client %d found %d statements, and in the end there are %d", op.Client, w.Length, len(final)))
			case w.Head != "" && final[w.Length-1] != w.Head:
				wrong = append(wrong, fmt.Sprintf("client %d found another statement %d than there is in the end: the chain has forked", op.Client, w.Length-1))
			}
			known[op.Client] = max(known[op.Client], w.Length)
		}
	}
	return wrong
}
