package crowd

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/testnet/harness/programs"
)

var full = flag.Bool("full", false, "bring the whole crowd, for some minutes")

func TestMain(m *testing.M) {
	flag.Parse()
	status := m.Run()
	built.Remove()
	os.Exit(status)
}

// built are the programs.
var built programs.Once

// TestCrowd: all come and are shared out evenly, a newcomer is served in their midst, and
// nothing of them stays behind.
func TestCrowd(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	o := Options{Nodes: 60, Beating: 40, Hold: 2 * time.Second}
	if *full {
		o = Options{Beating: 1_000}
	}
	o.Bin, o.Progress = built.Bin(t), programs.Log{TB: t}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	r.Print(&printed)
	t.Logf("\n%s", &printed)
	if !r.Good {
		t.Errorf("%q", r.Wrong)
	}
	if nodes := r.During.Connections - r.Before.Connections; nodes != r.Nodes || r.During.Circuits != r.Nodes {
		t.Errorf("%d connections and %d circuits of %d nodes", nodes, r.During.Circuits, r.Nodes)
	}
	if !strings.Contains(printed.String(), "nodes of each server") {
		t.Error("the report is not printed")
	}
}

// TestJudge: each thing that is wrong is told.
func TestJudge(t *testing.T) {
	state := func(assigned ...int) (s State) {
		for _, n := range assigned {
			s.Servers = append(s.Servers, Program{Assigned: n})
		}
		return s
	}
	good := func() Report {
		return Report{Nodes: 300, Beating: 300, Came: 300, Present: 300, Before: state(0, 0, 0), During: state(100, 101, 99), After: state(0, 0, 0)}
	}
	for name, c := range map[string]struct {
		spoil func(*Report)
		says  string
	}{
		"nothing":     {func(*Report) {}, ""},
		"stopped":     {func(r *Report) { r.Stopped = "too slow" }, "not all came"},
		"absent":      {func(r *Report) { r.Present = 299 }, "299 of 300"},
		"uneven":      {func(r *Report) { r.During = state(120, 90, 90) }, "from 90 to 120"},
		"undelivered": {func(r *Report) { r.Newcomers.Failed = "it was lost" }, "it was lost"},
		"circuits":    {func(r *Report) { r.After.Circuits = 1 }, "stays behind"},
		"connections": {func(r *Report) { r.After.Connections = 1 }, "stays behind"},
		"goroutines":  {func(r *Report) { r.After.Servers[1].Goroutines = stragglers + 1 }, "stays behind"},
		"sessions":    {func(r *Report) { r.After.Servers[1].Sessions = 1 }, "stays behind"},
		"memory":      {func(r *Report) { r.During.Balancer.Heap, r.After.Balancer.Heap = 400<<20, 200<<20 }, "stays behind"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			c.spoil(&r)
			r.judge()
			if r.Good != (c.says == "") || !strings.Contains(strings.Join(r.Wrong, ";"), c.says) {
				t.Errorf("%v: %q", r.Good, r.Wrong)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"fewer than none":    {Nodes: -1},
		"more beat than are": {Nodes: 5, Beating: 6},
		"no time":            {Hold: -1},
		"too many files":     {Nodes: 1 << 31},
	} {
		if _, err := o.complete(); err == nil {
			if _, known := mostFiles(); known || name != "too many files" {
				t.Errorf("%s: taken", name)
			}
		}
	}
}

func TestParse(t *testing.T) {
	f, err := parse([]byte("# HELP x y\nx 1\ny{a=\"b c\"} 2.5e+01\n\n"))
	if err != nil || f["x"] != 1 || f[`y{a="b c"}`] != 25 {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := parse([]byte("x one")); err == nil {
		t.Error("a word passes for a number")
	}
}
