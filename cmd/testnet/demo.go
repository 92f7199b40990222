package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/tour"
)

const demoHelp = `Start a testnet, walk three people through every command, check every step,
and stop everything. The exit status is 0 only when all was as it should be.

Lines with ▸ are what somebody typed, lines with ✓ what was then seen there.`

func newDemo() *cobra.Command {
	var config testnet.Config
	demo := &cobra.Command{
		Use:   "demo",
		Short: "a tour of everything, with three people",
		Long:  demoHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config.Progress = c.ErrOrStderr()
			return demo(c.Context(), config, c.OutOrStdout())
		},
	}
	configFlags(demo, &config)
	return demo
}

func demo(ctx context.Context, config testnet.Config, out io.Writer) (err error) {
	net, err := testnet.Start(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Stop()) }()
	start := time.Now()
	if err := tour.Run(ctx, net, out); err != nil {
		fmt.Fprintf(out, "\n✗ Not as it should be.\n")
		return err
	}
	fmt.Fprintf(out, "\n✓ Everything was as it should be (%s, %.1f s).\n", counted(len(net.Servers)), time.Since(start).Seconds())
	return nil
}
