package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/rendezvous/provision"
)

const renewHelp = `Sign new certificates for all servers of a cluster, in the folder that
"rendezvous init" made and in which cluster.key is. Then copy each server's
server.cert to its machine, and restart the servers one after the other.`

func renewCommand() *cobra.Command {
	var dir string
	var lifetime time.Duration
	c := &cobra.Command{
		Use:   "renew --cluster DIR",
		Short: "Sign new certificates for a cluster's servers",
		Long:  renewHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			renewed, err := provision.Renew(dir, lifetime, time.Now())
			for _, m := range renewed {
				fmt.Fprintf(c.OutOrStdout(), "%s has a new certificate in %s\n", m.Name, m.Dir)
			}
			return err
		},
	}
	c.Flags().StringVar(&dir, "cluster", "", "the cluster's folder")
	c.Flags().DurationVar(&lifetime, "lifetime", provision.DefaultLifetime, "how long the certificates hold")
	if err := c.MarkFlagRequired("cluster"); err != nil {
		panic(err) // only for a flag that is not defined above
	}
	return c
}
