package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/testnet/crowd"
)

const crowdHelp = `Start three rendezvous servers and a balancer, have thousands of devices log in
and stay idle, each with a connection, a circuit and a beat stream of its own, and
measure what they cost: memory, goroutines and CPU of each program, beats missed,
and how long two people take who then come and write to each other. Then let the
crowd go, and check that nothing of it stays behind.

The crowd is in this program, which needs some 400 KB and an open file a node. An
account has eight devices, and all accounts share one password's record. A node that
is logged in beats once a second and is answered, which costs all programs together
some 0.35 ms of CPU: two processors with nothing else to do carry about 5,000 of them.
So only some beat, and the others are connected and silent: that way connections and
circuits can be counted and weighed beyond what the machine has time for.

Progress goes to standard error, figures to standard output. The exit status is 1
where not all was as it should be.`

func newCrowd() *cobra.Command {
	var options crowd.Options
	var asJSON bool
	c := &cobra.Command{
		Use:   "crowd",
		Short: "measure what thousands of idle nodes cost",
		Long:  crowdHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			options.Progress = c.ErrOrStderr()
			return gather(c.Context(), options, asJSON, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVar(&options.Nodes, "nodes", 0, "how many come (default: 10000)")
	f.IntVar(&options.Beating, "beating", 0, "how many of them hold a beat stream; the others are silent (default: 1000, or all if they are fewer)")
	f.DurationVar(&options.Hold, "hold", 0, "how long they are left alone and measured (default: 30s)")
	f.BoolVar(&asJSON, "json", false, "print the report as one JSON object")
	f.StringVar(&options.Bin, "bin", "", "folder of the programs (default: beside this one, else they are built)")
	return c
}

func gather(ctx context.Context, options crowd.Options, asJSON bool, out io.Writer) error {
	report, err := crowd.Run(ctx, options)
	if err != nil {
		return err
	}
	return tell(report, report.Good, asJSON, out)
}
