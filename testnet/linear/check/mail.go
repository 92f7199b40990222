package check

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// mailboxes judges a mailbox, whose letters are numbered without gaps. A letter is
// there once it is acknowledged, until it is taken; one that was put again after it
// was taken lies there again, which is for its recipient to notice. A fetch that
// removes something finds all there is; another one no less than the one before.
func mailboxes(ops []Op, waiting []Letter) (porcupine.Model, []porcupine.Operation, int, []string) {
	numbers := make(map[uint64]string)    // the letter with each number
	first := make(map[string]uint64)      // the number that each letter came with
	var repeated []porcupine.Operation    // letters that were put again
	var wrong []string                    //
	called := make(map[string]Op)         // who put each letter
	note := func(letters []Letter) bool { // returns whether all is consistent
		for _, l := range letters {
			if id, known := numbers[l.Number]; known && id != l.ID {
				wrong = append(wrong, fmt.Sprintf("letter %d was %s and then %s", l.Number, id, l.ID))
				return false
			}
			numbers[l.Number] = l.ID
			if n, known := first[l.ID]; !known || l.Number < n {
				first[l.ID] = l.Number
			}
		}
		return true
	}
	for _, op := range ops {
		switch w := op.What.(type) {
		case Put:
			called[w.Letter] = op
		case Fetch:
			if op.Outcome == Done {
				note(w.Letters)
			}
		}
	}
	note(waiting)
	for n, id := range numbers {
		put, known := called[id]
		switch {
		case !known:
			wrong = append(wrong, fmt.Sprintf("letter %d was never put", n))
		case n != first[id]:
			put.What, put.Outcome, put.Return = numbered{n}, Unknown, Never
			repeated = append(repeated, operation(put))
		}
	}
	ordered := slices.Clone(repeated)
	for _, op := range ops {
		switch w := op.What.(type) {
		case Put:
			n, arrived := first[w.Letter]
			if !arrived && op.Outcome == Done {
				wrong = append(wrong, fmt.Sprintf("letter %s of client %d was acknowledged and never came", w.Letter, op.Client))
			}
			if !arrived || op.Outcome == Refused {
				continue
			}
			op.What = numbered{n}
			ordered = append(ordered, operation(op))
		case Fetch:
			if op.Outcome == Done && w.Took {
				ordered = append(ordered, operation(op))
			}
		}
	}
	return model(stepMail), ordered, len(repeated), append(wrong, fetches(ops)...)
}

// numbered is a Put of which it is known which number the letter got.
type numbered struct{ number uint64 }

// stepMail's state is the number of the last letter that came.
func stepMail(last uint64, op Op) (uint64, bool) {
	switch w := op.What.(type) {
	case numbered:
		return w.number, w.number == last+1
	case Fetch:
		return last, w.last() == last
	}
	return last, false
}

// last is the number of the last letter that there was.
func (f Fetch) last() uint64 {
	if len(f.Letters) == 0 {
		return f.Taken
	}
	return f.Letters[len(f.Letters)-1].Number
}

// fetches judges what the mailbox's owner found, in the order of its requests.
func fetches(ops []Op) []string {
	var wrong []string
	var last uint64
	for _, op := range ops {
		f, ok := op.What.(Fetch)
		if !ok || op.Outcome != Done {
			continue
		}
		for i, l := range f.Letters {
			if l.Number != f.Taken+1+uint64(i) {
				wrong = append(wrong, fmt.Sprintf("after letter %d came letter %d", f.Taken+uint64(i), l.Number))
				break
			}
		}
		if f.last() < last {
			wrong = append(wrong, fmt.Sprintf("letter %d was there, and then only those up to %d", last, f.last()))
		}
		last = max(last, f.last())
	}
	return wrong
}
