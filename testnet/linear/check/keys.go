package check

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// stock is the keys of a device.
type stock struct {
	bundle  uint32
	highest uint32 // the last prekey that was published
	last    uint32 // the last one that was taken: the oldest goes first
}

// keys judges the keys of a device. Publishing again changes nothing, and what is
// older than what is there neither. Taking again takes more, so that prekeys may be
// passed over; but each is handed out once at most.
func keys(ops []Op) (porcupine.Model, []porcupine.Operation, int, []string) {
	var ordered []porcupine.Operation
	var wrong []string
	takers := make(map[uint32]int)
	var taken, last uint32
	for _, op := range ops {
		take, ok := op.What.(Take)
		if ok && op.Outcome != Done {
			continue // it may have taken a prekey, which then is passed over
		}
		if ok && take.Prekey != 0 {
			if other, known := takers[take.Prekey]; known {
				wrong = append(wrong, fmt.Sprintf("one-time prekey %d was handed out to client %d and to client %d", take.Prekey, other, op.Client))
			}
			takers[take.Prekey] = op.Client
			taken, last = taken+1, max(last, take.Prekey)
		}
		ordered = append(ordered, operation(op))
	}
	return model(stepKeys), ordered, int(last) - int(taken), wrong
}

func stepKeys(s stock, op Op) (stock, bool) {
	switch w := op.What.(type) {
	case Publish:
		s.bundle, s.highest = max(s.bundle, w.Bundle), max(s.highest, w.Highest)
		return s, true
	case Take:
		if w.Bundle != s.bundle {
			return s, false
		}
		if w.Prekey == 0 {
			s.last = s.highest
			return s, w.Left == 0
		}
		if w.Prekey <= s.last || w.Prekey > s.highest || s.highest-w.Prekey != w.Left {
			return s, false
		}
		s.last = w.Prekey
		return s, true
	}
	return s, false
}
