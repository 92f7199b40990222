package linear

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tryst-chat/tryst/testnet/linear/check"
)

// Report is what a run found.
type Report struct {
	Seed uint64        `json:"seed"`
	For  time.Duration `json:"for"` // in nanoseconds, as all times here
	Good bool          `json:"good"`

	Requests map[string]*Count `json:"requests"`        // by kind
	Faults   map[string]int    `json:"faults"`          // by kind
	Uncut    string            `json:"uncut,omitempty"` // why the network was not cut

	LongestWait time.Duration `json:"longest_wait"` // without an acknowledged write
	Objects     int           `json:"objects"`      // that were judged
	Operations  int           `json:"operations"`
	Judging     time.Duration `json:"judging"`
	Burnt       int           `json:"burnt"` // one-time prekeys that nobody has
	Again       int           `json:"again"` // letters that came a second time

	Violations []check.Violation `json:"violations"`
	Undecided  []string          `json:"undecided"`     // objects that took too long to judge
	Dir        string            `json:"dir,omitempty"` // of drawings and logs, kept where it is not good
}

// Count is what became of the requests of one kind.
type Count struct {
	Done    int `json:"done"`
	Refused int `json:"refused"`
	Unknown int `json:"unknown"`
}

func (r Report) keeps() bool { return r.Dir != "" }

// JSON prints the report as one JSON object.
func (r Report) JSON(out io.Writer) error { return json.NewEncoder(out).Encode(r) }

// Print prints the report for a person.
func (r Report) Print(out io.Writer) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(out, "%-26s %s\n", what, fmt.Sprintf(format, args...))
	}
	for i, v := range r.Violations[:min(len(r.Violations), mostShown)] {
		fmt.Fprintf(out, "✗ %d. %s: %s\n", i+1, v.Object, v.What)
		if v.File != "" {
			fmt.Fprintf(out, "     drawn in %s\n", v.File)
		}
	}
	if more := len(r.Violations) - mostShown; more > 0 {
		fmt.Fprintf(out, "✗ … and %d more\n", more)
	}
	line("seed", "%d, for %v", r.Seed, r.For)
	for _, kind := range slices.Sorted(maps.Keys(r.Requests)) {
		c := r.Requests[kind]
		line(kind, "%d done, %d refused, %d unknown", c.Done, c.Refused, c.Unknown)
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		line("fault: "+kind, "%d times", r.Faults[kind])
	}
	if r.Uncut != "" {
		line("the network was not cut", "%s", r.Uncut)
	}
	line("longest without a write", "%v", r.LongestWait.Round(time.Millisecond))
	line("prekeys that nobody has", "%d", r.Burnt)
	line("letters that came again", "%d", r.Again)
	line("judged", "%d requests about %d objects, in %v", r.Operations, r.Objects, r.Judging.Round(time.Millisecond))
	if len(r.Undecided) > 0 {
		line("undecided", "%s", strings.Join(r.Undecided, ", "))
	}
	if r.Dir != "" {
		line("kept in", "%s", r.Dir)
	}
	if r.Good {
		fmt.Fprintln(out, "\n✓ Every answer is explained by one order, and every server holds what was acknowledged.")
	} else {
		fmt.Fprintf(out, "\n✗ %d violations. To draw the same again: testnet linear --for %v --seed %d\n", len(r.Violations), r.For, r.Seed)
	}
}
