package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/testnet"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "testnet",
		Short: "a whole tryst system on this machine",
	}
	root.AddCommand(newUp(), newGrow(), newShrink(), newRoll(), newDemo(), newScenario(), newLinear(), newCrowd())
	return root
}

// configFlags are those that say what to start.
func configFlags(c *cobra.Command, config *testnet.Config) {
	f := c.Flags()
	f.SortFlags = false
	f.IntVar(&config.Servers, "servers", 3, "number of rendezvous servers, 1 to 64")
	c.PreRunE = func(*cobra.Command, []string) error {
		if config.Servers == 0 { // which is the default to package testnet
			return errors.New("a testnet without servers is none; 1 to 64 are possible")
		}
		return nil
	}
	f.IntVar(&config.Port, "port", 0, "the balancer's port (default: any that is free)")
	f.StringVar(&config.Dir, "dir", "", "folder of keys, states and logs, kept for the next time (default: a temporary one)")
	f.StringVar((*string)(&config.Reach), "reach", string(testnet.ReachBalancer), `how nodes reach the servers: over the "balancer", or "direct"`)
	f.StringVar(&config.Bin, "bin", "", "folder of the programs (default: beside this one, else they are built)")
}
