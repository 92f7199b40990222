package check

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Violation is one thing that must not be.
type Violation struct {
	Kind    Breach   `json:"kind"`
	Message string   `json:"message,omitempty"` // its name
	ID      string   `json:"id,omitempty"`
	To      string   `json:"to,omitempty"`
	Device  string   `json:"device"` // where it shows
	Why     string   `json:"why"`
	History []string `json:"history,omitempty"` // everything that concerns the message, in order
}

// Breach is what kind of violation it is.
type Breach string

// The kinds of violations.
const (
	Lost       Breach = "lost"       // acknowledged, and not displayed at an addressee
	Stuck      Breach = "stuck"      // taken, and not delivered in the end
	Doubled    Breach = "doubled"    // displayed or kept twice by one device
	Disordered Breach = "disordered" // displayed or kept after a later one of the same author
	Acausal    Breach = "acausal"    // displayed after an answer to it, in a group
	Strayed    Breach = "strayed"    // displayed at somebody whom it is not for
	Forged     Breach = "forged"     // not what anybody typed
	Unknown    Breach = "unknown"    // the history contradicts itself
)

// String returns the violation in one line.
func (v Violation) String() string {
	message := ""
	if v.Message != "" {
		message = fmt.Sprintf(" (%s; %s)", v.Message, v.ID)
	}
	return fmt.Sprintf("%s at %s: %s%s", v.Kind, v.Device, v.Why, message)
}

// Verdict is what a history shows.
type Verdict struct {
	Messages   int            `json:"messages"`  // that some device took
	Refused    int            `json:"refused"`   // that were typed and refused
	Displayed  int            `json:"displayed"` // at all devices together
	Delivered  int            `json:"delivered"` // of which the author was told so
	Again      int            `json:"again"`     // displayed again by a later run of the program
	Breaches   map[Breach]int `json:"breaches"`
	Violations []Violation    `json:"violations"`
	// Latency is from typing a message to its author's being told that it is
	// delivered.
	Latency Quantiles `json:"latency"`
}

// Quantiles are of durations; zero where there were none.
type Quantiles struct {
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

// QuantilesOf returns the quantiles of durations, which it sorts.
func QuantilesOf(d []time.Duration) Quantiles {
	if len(d) == 0 {
		return Quantiles{}
	}
	slices.Sort(d)
	at := func(percent int) time.Duration { return d[(len(d)-1)*percent/100] }
	return Quantiles{at(50), at(99), d[len(d)-1]}
}

// Good reports whether there is no violation.
func (v Verdict) Good() bool { return len(v.Violations) == 0 }

// Open counts the messages that are not where they must be yet: while a run goes
// on these are no violations.
func (v Verdict) Open() int { return v.Breaches[Lost] + v.Breaches[Stuck] }

// violate notes a violation; m may be nil.
func (j *judge) violate(kind Breach, m *message, at, why string) {
	v := Violation{Kind: kind, Device: at, Why: why}
	if m != nil {
		v.Message, v.ID, v.To = m.Name().String(), m.id, m.To
		v.History = j.tell(m, at)
	}
	j.violations = append(j.violations, v)
}

// tell returns all steps that concern a message, or the programs and people that it went
// through, and the faults since it was typed.
func (j *judge) tell(m *message, at string) []string {
	steps := slices.Clone(m.steps)
	for _, i := range j.seen {
		s := j.history.Steps[i]
		member := s.Conversation == m.To // or it is about a program
		about := s.Device == at || s.Device == m.Author
		if len(steps) < longestHistory && (member && about || i > m.typed && (s.Kind == Fault || about && s.Conversation == "")) {
			steps = append(steps, i)
		}
	}
	slices.Sort(steps)
	lines := make([]string, 0, len(steps))
	for _, i := range slices.Compact(steps) {
		lines = append(lines, j.history.Steps[i].since(j.history.Steps[0].At))
	}
	return lines
}

// longestHistory bounds a violation's history: more tells nobody more.
const longestHistory = 100

// since shows a step with its time since the start of the run.
func (s Step) since(start time.Time) string {
	line := fmt.Sprintf("%8.3f s  %s", s.At.Sub(start).Seconds(), s.Kind)
	if s.Device != "" {
		line = fmt.Sprintf("%8.3f s  %-8s %s", s.At.Sub(start).Seconds(), s.Device, s.Kind)
	}
	for _, word := range []string{s.Account, s.Conversation, s.ID} {
		if word != "" {
			line += " " + word
		}
	}
	if s.Text != "" {
		line += fmt.Sprintf(" %.60q", s.Text)
	}
	return line
}

// verdict sums up.
func (j *judge) verdict() Verdict {
	v := Verdict{Violations: j.violations, Again: j.again, Breaches: make(map[Breach]int)}
	for _, violation := range j.violations {
		v.Breaches[violation.Kind]++
	}
	var took []time.Duration
	for _, m := range j.messages {
		switch {
		case m.refused:
			v.Refused++
			continue
		case m.sending || len(m.shown) > 0:
			v.Messages++
		}
		v.Displayed += len(m.shown)
		if m.delivered {
			v.Delivered++
		}
		for _, i := range m.steps {
			if s := j.history.Steps[i]; s.Kind == Delivered {
				took = append(took, s.At.Sub(j.history.Steps[m.typed].At))
				break
			}
		}
	}
	v.Latency = QuantilesOf(took)
	return v
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func values[K comparable, V any](m map[K]V) []V { return slices.Collect(maps.Values(m)) }
