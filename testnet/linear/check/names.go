package check

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// names judges a name: it has one owner at most, for ever, so that even a read which
// may be old finds the newest state, or nobody. That there is nobody is promised to be
// true now.
func names(ops []Op, owner string) (porcupine.Model, []porcupine.Operation, []string) {
	var ordered []porcupine.Operation
	var wrong []string
	for _, op := range ops {
		if s, ok := op.What.(SignUp); ok {
			switch {
			case op.Outcome == Unknown && s.Identity != owner:
				continue // it never had an effect
			case op.Outcome == Done && s.Identity != owner:
				wrong = append(wrong, fmt.Sprintf("client %d was told that it owns the name, and %q does", op.Client, owner))
			}
		} else if op.Outcome == Unknown {
			continue // a read that found nothing out
		}
		ordered = append(ordered, operation(op))
	}
	return model(stepName), ordered, wrong
}

func stepName(owner string, op Op) (string, bool) {
	switch w := op.What.(type) {
	case SignUp:
		if op.Outcome == Refused {
			return owner, owner != "" && owner != w.Identity
		}
		return w.Identity, owner == "" || owner == w.Identity
	case LookUp:
		return owner, owner == w.Owner
	}
	return owner, false
}
