package crowd

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a crowd cost. Times are in nanoseconds, sizes in bytes.
type Report struct {
	Nodes   int           `json:"nodes"`             // that were to come
	Beating int           `json:"beating"`           // that were to hold a beat stream
	Came    int64         `json:"came"`              // that came
	Present int64         `json:"present"`           // whose beat stream ran at the end of the time that they were left alone
	Stopped string        `json:"stopped,omitempty"` // why no more came
	Growing time.Duration `json:"growing"`           // how long it took
	Broken  int64         `json:"broken"`            // beat streams that broke meanwhile
	Held    time.Duration `json:"held"`
	Missed  int64         `json:"missed"` // and while they were left alone

	Before State `json:"before"`
	During State `json:"during"`
	After  State `json:"after"`

	Newcomers Newcomers     `json:"newcomers"`
	Returning time.Duration `json:"returning"` // until all was as before

	Wrong []string `json:"wrong"`
	Good  bool     `json:"good"`
}

// judge says what is not as it should be.
func (r *Report) judge() {
	wrong := func(format string, args ...any) { r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...)) }
	r.Wrong = []string{}
	if r.Stopped != "" {
		wrong("not all came: %s", r.Stopped)
	}
	if r.Present < int64(r.Beating) {
		wrong("%d of %d held their beat stream", r.Present, r.Beating)
	}
	least, most := r.During.Servers[0].Assigned, 0
	for _, s := range r.During.Servers {
		least, most = min(least, s.Assigned), max(most, s.Assigned)
	}
	if share := r.Nodes / len(r.During.Servers); most-least > 1+share*uneven/100 {
		wrong("the servers have from %d to %d nodes", least, most)
	}
	if r.Newcomers.Failed != "" {
		wrong("the newcomers' message did not arrive: %s", r.Newcomers.Failed)
	}
	if !r.After.returned(r.Before, r.During) {
		wrong("something stays behind when the crowd has left")
	}
	r.Good = len(r.Wrong) == 0
}

// JSON prints the report as one JSON object.
func (r Report) JSON(out io.Writer) error { return json.NewEncoder(out).Encode(r) }

// Print prints the report for a person.
func (r Report) Print(out io.Writer) {
	r.printPrograms(out)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(out, "%-28s %s\n", what, fmt.Sprintf(format, args...))
	}
	var assigned, sessions []string
	var before, during Program
	for i, s := range r.During.Servers {
		assigned, sessions = append(assigned, fmt.Sprint(s.Assigned)), append(sessions, fmt.Sprint(s.Sessions))
		before, during = before.plus(r.Before.Servers[i]), during.plus(s)
	}
	fmt.Fprintln(out)
	line("nodes", "%d of %d, within %v", r.Came, r.Nodes, r.Growing.Round(time.Second))
	line("connections, circuits", "%d, %d", r.During.Connections, r.During.Circuits)
	line("nodes of each server", "%s", strings.Join(assigned, " / "))
	line("beat streams of each", "%s", strings.Join(sessions, " / "))
	nodes := r.During.Connections - r.Before.Connections
	line("a node costs the balancer", "%s", costs(r.Before.Balancer, r.During.Balancer, nodes))
	line("a node costs its server", "%s", costs(before, during, nodes))
	line("a node costs itself here", "%s", costs(r.Before.Crowd, r.During.Crowd, nodes))
	line("beats missed", "%d while they came, %d in the %v that they were left alone", r.Broken, r.Missed, r.Held.Round(time.Second))
	line("a newcomer", "signs up in %v, logs in in %v, and has a message delivered in %v",
		r.Newcomers.SignUp.Round(time.Millisecond), r.Newcomers.Login.Round(time.Millisecond), r.Newcomers.Message.Round(time.Millisecond))
	line("all is as before after", "%v", r.Returning.Round(time.Second))
	if r.Good {
		fmt.Fprintln(out, "\n✓ All came, evenly, a newcomer was served, and nothing stays behind.")
		return
	}
	fmt.Fprintln(out)
	for _, w := range r.Wrong {
		fmt.Fprintf(out, "✗ %s\n", w)
	}
}

func (r Report) printPrograms(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tresident\t\t\theap\t\t\tgoroutines\t\t\tfiles\tCPU, idle\t\t")
	fmt.Fprintln(table, "MB\tbefore\twith\tafter\tbefore\twith\tafter\tbefore\twith\tafter\twith\tbefore\twith\t")
	row := func(b, d, a Program) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.0f %%\t%.0f %%\t\n", d.Name,
			b.Resident/mega, d.Resident/mega, a.Resident/mega, b.Heap/mega, d.Heap/mega, a.Heap/mega,
			b.Goroutines, d.Goroutines, a.Goroutines, d.Files, 100*b.Share, 100*d.Share)
	}
	row(r.Before.Balancer, r.During.Balancer, r.After.Balancer)
	for i := range r.During.Servers {
		row(r.Before.Servers[i], r.During.Servers[i], r.After.Servers[i])
	}
	row(r.Before.Crowd, r.During.Crowd, r.After.Crowd)
	table.Flush()
}

const (
	mega = 1_000_000
	kilo = 1_000
)

// costs says what each of n cost a program.
func costs(before, during Program, n int) string {
	if n <= 0 {
		return "nobody was there"
	}
	each := func(b, d int64) float64 { return float64(d-b) / float64(n) / kilo }
	return fmt.Sprintf("%.1f KB resident, of it heap %.1f KB and stacks %.1f KB; %.1f goroutines; %.2f ms of CPU a second",
		each(before.Resident, during.Resident), each(before.Heap, during.Heap), each(before.Stacks, during.Stacks),
		float64(during.Goroutines-before.Goroutines)/float64(n), 1000*(during.Share-before.Share)/float64(n))
}

// plus adds two programs up.
func (p Program) plus(q Program) Program {
	p.Resident, p.Heap, p.Stacks = p.Resident+q.Resident, p.Heap+q.Heap, p.Stacks+q.Stacks
	p.Goroutines, p.Share = p.Goroutines+q.Goroutines, p.Share+q.Share
	return p
}
