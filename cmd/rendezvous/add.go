package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/rendezvous/provision"
)

const addHelp = `Make the folder of one more server of a cluster, in the folder that "rendezvous
init" made and in which cluster.key is:

  rendezvous add --cluster tryst --server s4=/ip4/192.0.2.4/tcp/4001

Copy the new folder to its machine and start the server there. It asks the others
to let it in, catches up, and then votes; "rendezvous status" shows it. Nothing has
to be changed on other machines.`

func addCommand() *cobra.Command {
	var dir, server string
	var lifetime time.Duration
	c := &cobra.Command{
		Use:   "add --cluster DIR --server NAME=MULTIADDR",
		Short: "Make the folder of one more server",
		Long:  addHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := provision.ParseMachine(server)
			if err != nil {
				return fmt.Errorf("--server: %w", err)
			}
			made, err := provision.Add(dir, m, lifetime, time.Now())
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "The new server is in %s. Copy the folder to its machine, and start it there:\n\n  rendezvous run --dir %s\n", made.Dir, made.Name)
			return nil
		},
	}
	c.Flags().StringVar(&dir, "cluster", "", "the cluster's folder")
	c.Flags().StringVar(&server, "server", "", "NAME=MULTIADDR of the server")
	c.Flags().DurationVar(&lifetime, "lifetime", provision.DefaultLifetime, "how long its certificate holds")
	for _, name := range []string{"cluster", "server"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // only for a flag that is not defined above
		}
	}
	return c
}
