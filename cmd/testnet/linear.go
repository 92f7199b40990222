package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/testnet/linear"
)

const linearHelp = `Try to break the consensus of three rendezvous servers: clients ask them for
everything at once, over a balancer, while leaders are killed, frozen, restarted
and (as root on Linux) cut off. Then the history of all requests is judged: there
must be one order that explains every answer, no prekey may be handed out twice,
no chain fork, no name have two owners, and every server must hold whatever was
acknowledged.

Progress goes to standard error, figures to standard output. Where something is
wrong, a drawing of it is kept, and the exit status is 1.

What is left to chance is drawn from a seed, which is printed.

With --failover the leader is killed so many times instead, and it is measured how
long it takes until a write is acknowledged again.`

func newLinear() *cobra.Command {
	var options linear.Options
	var asJSON bool
	var failovers int
	c := &cobra.Command{
		Use:   "linear",
		Short: "try to break the servers' consensus",
		Long:  linearHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			options.Progress = c.ErrOrStderr()
			if failovers > 0 {
				return failOver(c.Context(), options, failovers, c.OutOrStdout())
			}
			return tryToBreak(c.Context(), options, asJSON, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.SortFlags = false
	const standard = 5 * time.Minute
	f.DurationVar(&options.For, "for", standard, "how long")
	f.Uint64Var(&options.Seed, "seed", 0, "what chance is drawn from (default: another one each time)")
	f.IntVar(&failovers, "failover", 0, "kill the leader so many times, and measure")
	f.BoolVar(&asJSON, "json", false, "print the report as one JSON object")
	f.BoolVar(&options.Keep, "keep", false, "keep the folder of all states and logs")
	f.StringVar(&options.Bin, "bin", "", "folder of the programs (default: beside this one, else they are built)")
	return c
}

func tryToBreak(ctx context.Context, options linear.Options, asJSON bool, out io.Writer) error {
	report, err := linear.Run(ctx, options)
	if err != nil {
		return err
	}
	return tell(report, report.Good, asJSON, out)
}

func failOver(ctx context.Context, options linear.Options, times int, out io.Writer) error {
	result, err := linear.Fail(ctx, options, linear.Plan{Rounds: make([]linear.Kill, times)}) // KillLeader
	if err != nil {
		return err
	}
	result.Print(out)
	if len(result.Failed) > 0 {
		return errViolated
	}
	return nil
}
