package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/beacon"
)

const upHelp = `Start rendezvous servers and a balancer, and stay until interrupted.

When all of them answer, one line on standard output says so, and what to type
in other terminals: nodes on this machine find the testnet by themselves.

While it runs, "testnet grow", "testnet shrink NAME" and "testnet roll" in another
terminal do to it what an operator does: add servers, have some leave, and restart all
of them, one after the other.

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
	changes, err := listenChanges(net.Dir)
	if err == nil {
		err = beacon.Light(lit)
	}
	if err == nil {
		err = announce(out, net, lit, asJSON)
	}
	if err == nil {
		var group errgroup.Group
		group.Go(func() error { return serveChanges(ctx, net, changes) })
		watch(ctx, net, progress)
		fmt.Fprintln(progress, "Stopping everything …")
		err = group.Wait()
	}
	return errors.Join(err, beacon.PutOut(lit), net.Stop())
}

// announce prints the ready line.
func announce(out io.Writer, net *testnet.Testnet, lit beacon.Testnet, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(lit)
	}
	_, err := fmt.Fprintf(out, "Ready: %s behind %s. In other terminals, type: %s\n", counted(len(net.Servers)), net.Balancer, short(net.Tryst))
	return err
}

// short is a program's path as one types it here.
func short(program string) string {
	here, err := os.Getwd()
	if err != nil {
		return program
	}
	path, err := filepath.Rel(here, program)
	if err != nil || strings.HasPrefix(path, "..") {
		return program
	}
	if path == filepath.Base(path) {
		path = "." + string(filepath.Separator) + path
	}
	return path
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
