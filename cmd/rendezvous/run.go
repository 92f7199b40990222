package main

import (
	ma "github.com/multiformats/go-multiaddr"
	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/cmd/service"
	"github.com/tryst-chat/tryst/rendezvous"
)

const runHelp = `Run a rendezvous server from its folder, which "rendezvous init" makes. Its
state goes into the folder "data" in there.

A server that "rendezvous add" made asks the others to let it in, again and again,
and takes nodes once it has caught up. One whose address in cluster.json has changed
tells the others.

Without --advertise nodes reach the server through the balancers only.

One line of JSON on standard output says that it listens, and where. Logs go to
standard error. SIGINT and SIGTERM end it: its nodes are sent to other servers
first, and the leadership is handed over.`

type runFlags struct {
	service.Flags
	advertise []ma.Multiaddr
}

func runCommand() *cobra.Command {
	var flags runFlags
	c := &cobra.Command{
		Use:   "run --dir DIR",
		Short: "Run a server until it is interrupted",
		Long:  runHelp,
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return run(c, flags) },
	}
	flags.Define(c, rendezvous.DefaultMetrics)
	service.Addresses(c, &flags.advertise, "advertise", "multiaddr at which nodes reach this server directly, again for more")
	return c
}

func run(c *cobra.Command, flags runFlags) error {
	logger, err := flags.Logger(c.ErrOrStderr())
	if err != nil {
		return err
	}
	cfg, err := rendezvous.LoadDirKeys(flags.Dir, flags.KeysDir())
	if err != nil {
		return err
	}
	cfg.Logger, cfg.MetricsListen = logger, flags.Metrics
	cfg.Listen, cfg.Advertise = flags.Listen, flags.advertise
	service.WarnOfFiles(logger, rendezvous.Files)
	s, err := rendezvous.New(cfg)
	if err != nil {
		return err
	}
	service.Listening{
		Name: s.Name(), Peer: s.ID(), Addresses: s.Addresses(), Metrics: s.MetricsAddr(),
	}.Announce(c.OutOrStdout(), logger)
	return s.Run(c.Context())
}
