package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verdict is what a history comes to.
type Verdict struct {
	Violations []Violation
	// Undecided are objects that were too much to judge in the time given.
	Undecided []string
	// Objects are those that were judged, Operations what was asked of them.
	Objects, Operations int
	// Burnt is how many one-time prekeys were taken by requests whose answer was lost
	// and which were asked again: nobody has them.
	Burnt int
	// Again is how many letters came a second time, after they had been taken, by
	// requests that were asked again.
	Again int
}

// Judge judges a history. draw makes a file of what porcupine has found about an
// object; nil draws nothing. timeout bounds the search for an order, for each object.
func Judge(history []Op, final Final, timeout time.Duration, draw func(object string, m porcupine.Model, i porcupine.LinearizationInfo) (file string, err error)) (Verdict, error) {
	var v Verdict
	objects := make(map[string][]Op)
	for _, op := range history {
		objects[op.Object] = append(objects[op.Object], op)
	}
	for _, object := range slices.Sorted(maps.Keys(objects)) {
		ops := objects[object]
		v.Objects, v.Operations = v.Objects+1, v.Operations+len(ops)
		model, ordered, violations := v.prepare(object, ops, final)
		for _, what := range violations {
			v.Violations = append(v.Violations, Violation{Object: object, What: what})
		}
		result, info := porcupine.CheckOperationsVerbose(model, ordered, timeout)
		switch result {
		case porcupine.Ok:
		case porcupine.Unknown:
			v.Undecided = append(v.Undecided, object)
		default:
			found := Violation{Object: object, What: "no order explains the answers"}
			if draw != nil {
				var err error
				if found.File, err = draw(object, model, info); err != nil {
					return v, err
				}
			}
			v.Violations = append(v.Violations, found)
		}
	}
	return v, nil
}

// prepare returns what porcupine is to judge of an object, and what is wrong as far
// as it needs no search.
func (v *Verdict) prepare(object string, ops []Op, final Final) (porcupine.Model, []porcupine.Operation, []string) {
	switch ops[0].What.(type) {
	case SignUp, LookUp:
		return names(ops, final.Owners[object])
	case Publish, Take:
		model, ordered, burnt, wrong := keys(ops)
		v.Burnt += burnt
		return model, ordered, wrong
	case Append, Read:
		return groups(ops, final.Chains[object])
	case Put, Fetch:
		model, ordered, again, wrong := mailboxes(ops, final.Mail[object])
		v.Again += again
		return model, ordered, wrong
	default:
		panic(fmt.Sprintf("check: a request of kind %T", ops[0].What))
	}
}

// operation is a request as porcupine takes it. Outcomes are outputs as well as
// answers, so that models need the Op only.
func operation(op Op) porcupine.Operation {
	return porcupine.Operation{
		ClientId: op.Client, Input: op, Output: op.Outcome, Call: int64(op.Call), Return: int64(op.Return),
	}
}

// model makes a porcupine.Model of a state and what requests do to it. States must be
// comparable.
func model[S comparable](step func(S, Op) (S, bool)) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return *new(S) },
		Step: func(state, input, _ any) (bool, any) {
			next, ok := step(state.(S), input.(Op))
			return ok, next
		},
		DescribeOperation: func(input, _ any) string {
			op := input.(Op)
			return strings.TrimPrefix(fmt.Sprintf("%T%+v %v", op.What, op.What, op.Outcome), "check.")
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}
