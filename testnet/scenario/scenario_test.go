package scenario

import (
	"context"
	"errors"
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/testnet/broken"
	"github.com/tryst-chat/tryst/testnet/confine"
	"github.com/tryst-chat/tryst/testnet/harness/programs"
	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

var (
	full = flag.Bool("full", false, "play scenarios at their full length, for many minutes")
	seed = flag.Uint64("seed", 1, "what the scenarios draw from")
)

// testPatience is how long a run may go without news here: what is missing then
// would come with the next round, but every test is to end soon.
const testPatience = time.Minute

func TestMain(m *testing.M) {
	flag.Parse()
	status := m.Run()
	built.Remove()
	os.Exit(status)
}

// built are the programs.
var built programs.Once

// ordinary scenarios have something of all the others.
var ordinary = []string{"everything", "partition"}

func TestScenarios(t *testing.T) {
	if testing.Short() {
		t.Skip("each takes many seconds")
	}
	for _, s := range All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if s.Long && !*full {
				t.Skip("it takes many minutes; for all of them, type: go test ./testnet/scenario -full -timeout 2h")
			}
			if !slices.Contains(ordinary, s.Name) && !*full {
				programs.Lengthy(t)
			}
			o := Options{Seed: *seed, Small: !*full, Bin: built.Bin(t), Progress: programs.Log{TB: t}, Patience: testPatience}
			if *full {
				o.Patience = 0
			}
			r, err := s.Run(t.Context(), o)
			// A system without such surroundings has to have them in CI.
			if errors.Is(err, confine.ErrUnavailable) && os.Getenv("CI") != "true" {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !r.Good {
				t.Errorf("%d violations", len(r.Violations))
			}
			r.Print(programs.Log{TB: t})
		})
	}
}

// ordeal is what the controls are played on: programs are killed while people talk,
// and one freezes while much is said to it.
var ordeal = Scenario{
	Name: "ordeal",
	play: func(ctx context.Context, s *stage) error {
		people, err := s.company(ctx)
		if err != nil {
			return err
		}
		anna, ben, cleo := people[0], people[1], people[2]
		const lasts = 4 * time.Second // longer than it takes to notice that somebody hangs
		if err := s.through(ctx, people, []fault{killDevice(anna)}, lasts); err != nil {
			return err
		}
		var toBen []line
		for range 30 {
			toBen = append(toBen, line{anna, ben.account, 0}, line{cleo, ben.account, 0})
		}
		if err := s.suffer(ctx, freezeDevice(ben), lasts, func(ctx context.Context) error { return s.talk(ctx, toBen) }); err != nil {
			return err
		}
		return s.through(ctx, people, []fault{killDevice(cleo)}, lasts)
	},
}

// What is broken on purpose is found. Without that, a scenario that finds nothing
// says nothing.
func TestControls(t *testing.T) {
	programs.Lengthy(t)
	for name, want := range map[string][]check.Breach{
		"forgets": {check.Doubled}, "unordered": {check.Disordered, check.Acausal}, "careless": {check.Lost},
		"unrepaired": {check.Lost, check.Stuck}, "unretried": {check.Lost, check.Stuck},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := broken.Read(t, "../..", name)
			bin := c.Build(t, built.Bin(t), "tryst")
			const soon = 10 * time.Second // what is broken does not mend itself
			const tries = 5               // what is broken does not show each time
			for n := range uint64(tries) {
				r, err := ordeal.Run(t.Context(), Options{Seed: *seed + n, Small: true, Bin: bin, Progress: programs.Log{TB: t}, Patience: soon})
				if err != nil {
					t.Fatal(err)
				}
				if slices.ContainsFunc(want, func(kind check.Breach) bool { return r.Breaches[kind] > 0 }) {
					return
				}
				t.Logf("not found with seed %d, but %v", *seed+n, r.Breaches)
			}
			t.Errorf("%s That was not found.", c.About)
		})
	}
}
