package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/beacon"
)

const upHelp = `Start rendezvous servers and a balancer, and stay until interrupted.

When all of them answer, one line on standard output says so. Nodes on this
machine find the testnet by themselves: in other terminals, type

  go run ./cmd/tryst

Everything that was started is stopped at the end.`

func newUp() *cobra.Command {
	var config testnet.Config
	var asJSON bool
	up := &cobra.Command{
		Use:   "up",
		Short: "start a testnet and keep it running",
		Long:  upHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			config.Progress = c.ErrOrStderr()
			return up(c.Context(), config, asJSON, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	configFlags(up, &config)
	up.Flags().BoolVar(&asJSON, "json", false, "print the ready line as JSON")
	return up
}

func up(ctx context.Context, config testnet.Config, asJSON bool, out, progress io.Writer) error {
	net, err := testnet.Start(ctx, config)
	if err != nil {
		return err
	}
	lit := net.Describe()
	err = beacon.Light(lit)
	if err == nil {
		err = announce(out, lit, asJSON)
	}
	if err == nil {
		watch(ctx, net, progress)
		fmt.Fprintln(progress, "Stopping everything …")
	}
	return errors.Join(err, beacon.PutOut(lit), net.Stop())
}

// announce prints the ready line.
func announce(out io.Writer, t beacon.Testnet, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(t)
	}
	_, err := fmt.Fprintf(out, "Ready: %s behind %s. In other terminals, type: go run ./cmd/tryst\n", counted(len(t.Servers)), t.Balancer)
	return err
}

// watch says which machines end by themselves, until the context ends. They
// are not started again: what becomes of a system that has lost one is what a
// testnet is for.
func watch(ctx context.Context, net *testnet.Testnet, progress io.Writer) {
	lost := make(map[string]bool)
	for ctx.Err() == nil {
		if name := net.Lost(ctx, lost); name != "" {
			lost[name] = true
			fmt.Fprintf(progress, "%s has ended; its log is %s\n", name, filepath.Join(net.Dir, "logs", name+".log"))
		}
	}
}

func counted(servers int) string {
	if servers == 1 {
		return "1 server"
	}
	return fmt.Sprintf("%d servers", servers)
}
