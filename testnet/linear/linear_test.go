package linear

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/testnet/broken"
	"github.com/tryst-chat/tryst/testnet/harness/programs"
	"github.com/tryst-chat/tryst/testnet/linear/check"
)

var (
	length = flag.Duration("for", 30*time.Second, "how long to try to break the servers")
	seed   = flag.Uint64("seed", 0, "what chance is drawn from (default: another one each time)")
)

// controlled is how long a broken program is tried: what is looked for happens many
// times a second.
const controlled = 15 * time.Second

func TestMain(m *testing.M) {
	flag.Parse()
	status := m.Run()
	built.Remove()
	os.Exit(status)
}

// built are the programs.
var built programs.Once

// Whatever happens to leaders, there is one order that explains every answer.
func TestLinearizable(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	r, err := Run(t.Context(), Options{For: *length, Seed: *seed, Bin: built.Bin(t), Progress: programs.Log{TB: t}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Uncut != "" && os.Getenv("CI") == "true" {
		t.Errorf("the network was not cut: %s", r.Uncut)
	}
	r.Print(programs.Log{TB: t})
	if !r.Good {
		t.Errorf("seed %d: %d violations, %d objects undecided; kept in %s", r.Seed, len(r.Violations), len(r.Undecided), r.Dir)
	}
}

// What is broken on purpose is found. Without that, a run that finds nothing says
// nothing.
func TestControls(t *testing.T) {
	programs.Lengthy(t)
	for name, want := range map[string]string{
		"stale": "and then", "twice": "was handed out to client",
	} {
		t.Run(name, func(t *testing.T) {
			c := broken.Read(t, "../..", name)
			r, err := Run(t.Context(), Options{For: controlled, Seed: *seed, Bin: c.Build(t, built.Bin(t), "rendezvous"), Progress: programs.Log{TB: t}})
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(r.Dir)
			if !slices.ContainsFunc(r.Violations, func(v check.Violation) bool { return strings.Contains(v.What, want) }) {
				t.Errorf("seed %d: %s That was not found, but %v.", r.Seed, c.About, r.Violations)
			}
			r.Print(programs.Log{TB: t})
		})
	}
}
