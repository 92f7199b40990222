package main

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"
)

const leaveHelp = `Take the server that runs from this folder out of its cluster, for good, and end
it. Its nodes are sent to other servers first, and the leadership is handed over. It
is refused where the others could not go on.

The key of a server that has left never comes back: to have another one, make its
folder with "rendezvous add".`

func leaveCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "leave --dir DIR",
		Short: "Take this server out of the cluster, for good",
		Long:  leaveHelp,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := adminOf(dir).do(c.Context(), "/leave"); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "The server has left the cluster and ends. Delete its folder, here and beside cluster.key.\n")
			return nil
		},
	}
	dirFlag(c, &dir)
	return c
}

const removeHelp = `Take another server out of the cluster, for good, that is dead or not trusted any
more; type it on the machine of a server that lives:

  rendezvous remove s4 --dir s1

One that lives is better told to go itself, with "rendezvous leave" on its machine.
It is refused where the others could not go on.`

func removeCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "remove NAME --dir DIR",
		Short: "Take a dead server out of the cluster, for good",
		Long:  removeHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return remove(c.Context(), c.OutOrStdout(), dir, args[0])
		},
	}
	dirFlag(c, &dir)
	return c
}

func remove(ctx context.Context, out io.Writer, dir, name string) error {
	if err := adminOf(dir).do(ctx, "/remove?server="+url.QueryEscape(name)); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is out of the cluster. Delete its folder beside cluster.key.\n", name)
	return nil
}
