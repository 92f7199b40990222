package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/cmd/service"
)

const runHelp = `Run a balancer from its folder, which "rendezvous init" makes:

  balancer.key   its private key; the peer ID that people know comes from it
  cluster.pub    the cluster's public key, 32 bytes in hexadecimal
  balancer.json  {"listen": ["/ip4/0.0.0.0/tcp/4100", ...]}; --listen replaces it

One line of JSON on standard output says that it listens, and where. Logs go to
standard error. SIGINT and SIGTERM end it.`

func runCommand() *cobra.Command {
	var flags service.Flags
	c := &cobra.Command{
		Use:   "run --dir DIR",
		Short: "Run a balancer until it is interrupted",
		Long:  runHelp,
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return run(c, flags) },
	}
	flags.Define(c, balancer.DefaultMetrics)
	return c
}

func run(c *cobra.Command, flags service.Flags) error {
	logger, err := flags.Logger(c.ErrOrStderr())
	if err != nil {
		return err
	}
	cfg, err := balancer.LoadDirKeys(flags.Dir, flags.KeysDir())
	if err != nil {
		return err
	}
	cfg.Logger, cfg.MetricsListen = logger, flags.Metrics
	if len(flags.Listen) > 0 {
		cfg.Listen = flags.Listen
	}
	if len(cfg.Listen) == 0 {
		return fmt.Errorf("there is no %s in %s, so give at least one --listen, like /ip4/0.0.0.0/tcp/4100", balancer.ConfigFile, flags.Dir)
	}
	service.WarnOfFiles(logger, balancer.Files)
	b, err := balancer.New(cfg)
	if err != nil {
		return err
	}
	service.Listening{Peer: b.ID(), Addresses: b.Addrs(), Metrics: b.MetricsAddr()}.Announce(c.OutOrStdout(), logger)
	return b.Run(c.Context())
}
