// Command rendezvous makes and runs rendezvous servers: who exists, who is in
// which group and where everybody is. It only parses, builds and runs; what a
// server does is in package rendezvous, what a cluster is made of in package
// rendezvous/provision.
package main

import (
	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/cmd/service"
)

func main() { service.Main(rootCommand()) }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "rendezvous",
		Short: "Servers that introduce people's devices to each other",
	}
	root.AddCommand(initCommand(), addCommand(), renewCommand(), runCommand(), statusCommand(), leaveCommand(), removeCommand(),
		signupCommand(), inviteCommand(), backupCommand(), restoreCommand(), limitsCommand())
	return root
}
