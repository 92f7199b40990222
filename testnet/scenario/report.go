package scenario

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

// Report is what a run has shown.
type Report struct {
	Scenario string        `json:"scenario"`
	Seed     uint64        `json:"seed"`
	Good     bool          `json:"good"` // there is no violation
	Settled  time.Duration `json:"settled_ns"`
	Took     time.Duration `json:"took_ns"`
	check.Verdict
	Faults  []Suffered `json:"faults"`
	Figures []Figure   `json:"figures,omitempty"`
	Dir     string     `json:"dir,omitempty"` // where everything is kept
}

// Suffered is a fault that was.
type Suffered struct {
	At     time.Time     `json:"at"`
	Kind   string        `json:"kind"`
	Target string        `json:"target"`
	Lasted time.Duration `json:"lasted_ns"`
}

// Figure is something that was measured.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// JSON prints the report as one JSON object.
func (r Report) JSON(out io.Writer) error {
	if r.Violations == nil {
		r.Violations = []check.Violation{}
	}
	return json.NewEncoder(out).Encode(r)
}

// Print prints the report for a person.
func (r Report) Print(out io.Writer) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(out, "%-22s %s\n", what, fmt.Sprintf(format, args...))
	}
	for i, v := range r.Violations {
		fmt.Fprintf(out, "\n✗ %d. %v\n", i+1, v)
		for _, step := range v.History {
			fmt.Fprintf(out, "     %s\n", step)
		}
	}
	fmt.Fprintln(out)
	line("scenario", "%s, seed %d", r.Scenario, r.Seed)
	line("messages", "%d, displayed %d times, %d delivered, %d refused", r.Messages, r.Displayed, r.Delivered, r.Refused)
	line("lost, stuck", "%d, %d", r.Breaches[check.Lost], r.Breaches[check.Stuck])
	line("doubled", "%d (and %d displayed again after a restart)", r.Breaches[check.Doubled], r.Again)
	line("out of order", "%d of one author, %d before what they answer", r.Breaches[check.Disordered], r.Breaches[check.Acausal])
	line("strayed, forged", "%d, %d", r.Breaches[check.Strayed], r.Breaches[check.Forged])
	line("typed until delivered", "%s half of them, %s 99 %%, %s at most", short(r.Latency.P50), short(r.Latency.P99), short(r.Latency.Max))
	line("time to settle", "%s, of %s in all", short(r.Settled), short(r.Took))
	kinds := make(map[string]int)
	for _, f := range r.Faults {
		kinds[f.Kind]++
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		line("fault: "+kind, "%d times", kinds[kind])
	}
	for _, f := range r.Figures {
		line(f.Name, "%.4g %s", f.Value, f.Unit)
	}
	if r.Dir != "" {
		line("kept in", "%s", r.Dir)
	}
	if r.Good {
		fmt.Fprintln(out, "\n✓ Nothing is lost, doubled or out of order.")
	} else {
		fmt.Fprintf(out, "\n✗ %d violations. To play it again: testnet scenario %s --seed %d\n", len(r.Violations), r.Scenario, r.Seed)
	}
}

func short(d time.Duration) time.Duration {
	if d > time.Minute {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}
