// Command rendezvous makes and runs rendezvous servers: who exists, who is in
// which group and where everybody is. It only parses, builds and runs; what a
// server does is in package rendezvous, what a cluster is made of in package
// rendezvous/provision.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "rendezvous:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "rendezvous",
		Short:         "Servers that introduce people's devices to each other",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(initCommand(), renewCommand(), runCommand(), statusCommand())
	return root
}
