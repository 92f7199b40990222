package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitDone   = 0 // end of input, or quit
	exitFailed = 1
	exitUsage  = 2 // wrong flags
)

// errUsage is in the chain of every error that a flag or an argument caused.
var errUsage = errors.New("wrong usage")

// run is the whole program but for the process that it runs in.
func run(args []string, stdin, stdout, stderr *os.File) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	root := newRoot(func(ctx context.Context, opts options) error {
		return session(ctx, opts, stdin, stdout)
	})
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "tryst: %v\nFor all flags, type: tryst --help\n", err)
		return exitUsage
	case errors.Is(err, errInterrupted):
		return exitFailed
	default:
		fmt.Fprintf(stderr, "tryst: %v\n", err)
		return exitFailed
	}
}

func newRoot(start func(context.Context, options) error) *cobra.Command {
	var opts options
	root := &cobra.Command{
		Use:   "tryst",
		Short: "end-to-end encrypted messages, files and groups",
		Long: `tryst talks to other people's nodes, end-to-end encrypted, directly where it can.

On a terminal it is an interactive program: type help. Otherwise it reads one
command a line from standard input and prints one event a line.`,
		Example: `  tryst                                       with the testnet of this machine
  tryst --balancer /dns4/example.org/tcp/4000
  echo "login alice42 $PASSWORD" | tryst --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%w: %q is not a flag; commands are typed once tryst runs", errUsage, args[0])
			}
			return nil
		},
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			if err := opts.check(); err != nil {
				return err
			}
			return start(cmd.Context(), opts)
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w: %w", errUsage, err)
	})
	opts.flags(root.Flags())
	return root
}
