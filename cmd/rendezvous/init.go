package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const initHelp = `Make the keys and files of a new cluster, one folder for each machine:

  rendezvous init --cluster tryst \
    --server s1=/ip4/192.0.2.1/tcp/4001 \
    --server s2=/ip4/192.0.2.2/tcp/4001 \
    --server s3=/ip4/192.0.2.3/tcp/4001 \
    --balancer b1=/ip4/192.0.2.9/tcp/4100

The addresses are where the machines reach each other and where they listen
(see --listen of "rendezvous run"); several are separated by commas. Nothing is
overwritten. Nothing is sent anywhere: copying the folders is left to you.`

type initFlags struct {
	dir       string
	servers   []string
	balancers []string
	lifetime  time.Duration
}

func initCommand() *cobra.Command {
	var flags initFlags
	c := &cobra.Command{
		Use:   "init --cluster DIR --server NAME=MULTIADDR ...",
		Short: "Make the keys and files of a new cluster",
		Long:  initHelp,
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return makeCluster(c.OutOrStdout(), flags) },
	}
	c.Flags().StringVar(&flags.dir, "cluster", "", "the folder to make it in")
	c.Flags().StringArrayVar(&flags.servers, "server", nil, "NAME=MULTIADDR of a server, again for more")
	c.Flags().StringArrayVar(&flags.balancers, "balancer", nil, "NAME=MULTIADDR of a balancer, again for more")
	c.Flags().DurationVar(&flags.lifetime, "lifetime", provision.DefaultLifetime, "how long the servers' certificates hold")
	for _, name := range []string{"cluster", "server"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // only for a flag that is not defined above
		}
	}
	return c
}

func makeCluster(out io.Writer, flags initFlags) error {
	plan := provision.Plan{Dir: flags.dir, Lifetime: flags.lifetime}
	var err error
	if plan.Servers, err = parseMachines("--server", flags.servers); err != nil {
		return err
	}
	if plan.Balancers, err = parseMachines("--balancer", flags.balancers); err != nil {
		return err
	}
	made, err := provision.Init(plan, time.Now())
	if err != nil {
		return err
	}
	report(out, made)
	return nil
}

func parseMachines(flag string, texts []string) ([]provision.Machine, error) {
	var machines []provision.Machine
	for _, text := range texts {
		m, err := provision.ParseMachine(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		machines = append(machines, m)
	}
	return machines, nil
}

// report says what was made and what to do with it.
func report(out io.Writer, c provision.Cluster) {
	fmt.Fprintf(out, "The cluster is in %s. Its fingerprint, for people to compare:\n\n  %s\n\n", c.Dir, record.Fingerprint(c.Key))
	fmt.Fprintf(out, "Keep cluster.key off the servers: whoever has it can make servers.\nCopy each folder to its machine, and start it there:\n\n")
	for _, m := range c.Servers {
		fmt.Fprintf(out, "  %s  ->  rendezvous run --dir %s\n", m.Dir, m.Name)
	}
	for _, m := range c.Balancers {
		fmt.Fprintf(out, "  %s  ->  balancer run --dir %s\n", m.Dir, m.Name)
	}
	if len(c.Balancers) == 0 {
		fmt.Fprint(out, "\nThere is no balancer; nodes need one to find the servers.\n")
		return
	}
	fmt.Fprint(out, "\nNodes take this address:\n\n")
	for _, m := range c.Balancers {
		for _, addr := range m.Addresses {
			fmt.Fprintf(out, "  tryst --balancer %s\n", addr)
		}
	}
}
