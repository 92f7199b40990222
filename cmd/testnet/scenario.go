package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/testnet/scenario"
)

const scenarioHelp = `Play a scenario on a testnet of its own, in which things go wrong while scripted
people write to each other, and check what became of every message: each must be
displayed exactly once, in order, at everybody whom it is for and nobody else,
and its sender must be told so. Without a name, all scenarios are listed.

Progress goes to standard error; figures, and every violation with all that
happened to the message, to standard output. The exit status is 0 only where
there is no violation.

What is left to chance is drawn from a seed, which is printed. The same seed
plays the same faults and messages again; the machine decides how they meet.`

// verdict is what a run found.
type verdict interface {
	JSON(io.Writer) error
	Print(io.Writer)
}

// tell prints a verdict, and returns errViolated for a bad one.
func tell(v verdict, good, asJSON bool, out io.Writer) (err error) {
	if asJSON {
		err = v.JSON(out)
	} else {
		v.Print(out)
	}
	if err == nil && !good {
		err = errViolated
	}
	return err
}

// errViolated ends a run that found something.
var errViolated = errors.New("what must not be was found; see above")

func newScenario() *cobra.Command {
	var options scenario.Options
	var asJSON bool
	c := &cobra.Command{
		Use:   "scenario [name]",
		Short: "play through faults, and check that no message is lost",
		Long:  scenarioHelp,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listScenarios(c.OutOrStdout())
			}
			options.Progress = c.ErrOrStderr()
			return play(c.Context(), args[0], options, asJSON, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.Uint64Var(&options.Seed, "seed", 0, "what chance is drawn from (default: another one each time)")
	f.BoolVar(&options.Small, "small", false, "a short form, of a minute or so")
	f.DurationVar(&options.Patience, "patience", 0, "how long a run may go without news before what is open is lost (default: 6m)")
	f.BoolVar(&asJSON, "json", false, "print the report as one JSON object")
	f.BoolVar(&options.Keep, "keep", false, "keep the folder of all homes and logs")
	f.StringVar(&options.Bin, "bin", "", "folder of the programs (default: beside this one, else they are built)")
	return c
}

func listScenarios(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range scenario.All() {
		fmt.Fprintf(table, "%s\t%s\n", s.Name, s.About)
	}
	return table.Flush()
}

func play(ctx context.Context, name string, options scenario.Options, asJSON bool, out io.Writer) error {
	s, err := scenario.Named(name)
	if err != nil {
		return err
	}
	report, err := s.Run(ctx, options)
	if err != nil && report.Scenario == "" {
		return err
	}
	return errors.Join(err, tell(report, report.Good, asJSON, out)) // what was found counts, however the run ended
}
