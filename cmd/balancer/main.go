// Command balancer runs a balancer: the one address that people know of a
// cluster of rendezvous servers. It only parses, builds and runs; what a
// balancer does is in package balancer.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		// Errors of package balancer carry the prefix already.
		fmt.Fprintln(os.Stderr, "balancer:", strings.TrimPrefix(err.Error(), "balancer: "))
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "balancer",
		Short:         "The one address that people know of a tryst cluster",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand())
	return root
}
