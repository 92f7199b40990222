package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/tryst-chat/tryst/testnet"
)

// Scenario is one play.
type Scenario struct {
	Name  string
	About string // one line
	// Long says that there is no form of it for every day.
	Long bool

	// net is what it is played on; Bin, Dir and Progress are filled in.
	net testnet.Config
	// play does everything but waiting for the messages to settle and judging them.
	play func(context.Context, *stage) error
	// surround prepares where it is played, before the testnet starts. Default: nothing.
	surround func(context.Context, *stage) error
}

// All returns every scenario.
func All() []Scenario {
	return []Scenario{offline, groups, crash, freeze, partition, disk, clock, everything, storm, waiting}
}

// Named returns the scenario of a name.
func Named(name string) (Scenario, error) {
	for _, s := range All() {
		if s.Name == name {
			return s, nil
		}
	}
	return Scenario{}, fmt.Errorf("scenario: there is no scenario %q; without a name, all are listed", name)
}

// Options say how to play.
type Options struct {
	// Seed draws everything that is left to chance. Default: one from the clock.
	Seed uint64
	// Small plays a short form, for every day.
	Small bool
	// Bin is the folder of the programs; see testnet.Config.
	Bin string
	// Keep leaves the folder of all homes and logs.
	Keep bool
	// Progress gets words for a person who waits. Default: nobody waits.
	Progress io.Writer
	// Patience is how long a run may go without any news before what is open is called
	// lost. Default: longer than any interval at which the programs try again.
	Patience time.Duration
}

// Run plays a scenario and judges it. The error is about the play itself; what
// became of messages is in the report.
func (s Scenario) Run(ctx context.Context, o Options) (report Report, err error) {
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Patience == 0 {
		o.Patience = patience
	}
	st := newStage(s, o)
	defer func() { err = errors.Join(err, st.close()) }()
	if err := st.open(ctx); err != nil {
		return Report{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	said := make(chan struct{})
	go func() { defer close(said); st.tellProgress(ctx) }()
	defer func() { cancel(); <-said }()
	if err := s.play(ctx, st); err != nil {
		return Report{}, fmt.Errorf("scenario: %s, seed %d: %w", s.Name, o.Seed, err)
	}
	return st.conclude(ctx)
}

// chance returns what draws everything of a run.
func chance(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
