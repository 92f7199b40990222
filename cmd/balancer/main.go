// Command balancer runs a balancer: the one address that people know of a
// cluster of rendezvous servers. It only parses, builds and runs; what a
// balancer does is in package balancer.
package main

import (
	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/cmd/service"
)

func main() { service.Main(rootCommand()) }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "balancer",
		Short: "The one address that people know of a tryst cluster",
	}
	root.AddCommand(runCommand())
	return root
}
