package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/balancer"
)

const runHelp = `Run a balancer from its directory, which "rendezvous init" makes:

  balancer.key   its private key; the peer ID that people know comes from it
  cluster.pub    the cluster's public key, 32 bytes in hexadecimal
  balancer.json  {"listen": ["/ip4/0.0.0.0/tcp/4100", ...]}; --listen replaces it

One line of JSON on standard output says that it listens, and where. Logs go to
standard error. SIGINT and SIGTERM end it.`

type runFlags struct {
	dir       string
	listen    []string
	metrics   string
	logFormat string
}

func runCommand() *cobra.Command {
	var flags runFlags
	c := &cobra.Command{
		Use:   "run --dir DIR",
		Short: "Run a balancer until it is interrupted",
		Long:  runHelp,
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return run(c, flags) },
	}
	c.Flags().StringVar(&flags.dir, "dir", "", "the balancer's directory")
	c.Flags().StringArrayVar(&flags.listen, "listen", nil, "multiaddr to listen on, again for more")
	c.Flags().StringVar(&flags.metrics, "metrics", balancer.DefaultMetrics, `host:port of /metrics and /healthz, "" for none`)
	c.Flags().StringVar(&flags.logFormat, "log-format", "text", "text or json")
	if err := c.MarkFlagRequired("dir"); err != nil {
		panic(err) // only for a flag that is not defined above
	}
	return c
}

func run(c *cobra.Command, flags runFlags) error {
	logger, err := newLogger(c.ErrOrStderr(), flags.logFormat)
	if err != nil {
		return err
	}
	cfg, err := balancer.LoadDir(flags.dir)
	if err != nil {
		return err
	}
	cfg.Logger, cfg.MetricsListen = logger, flags.metrics
	if len(flags.listen) > 0 {
		if cfg.Listen, err = balancer.ParseAddrs(flags.listen); err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
	}
	if len(cfg.Listen) == 0 {
		return fmt.Errorf("there is no %s in %s, so give at least one --listen, like /ip4/0.0.0.0/tcp/4100", balancer.ConfigFile, flags.dir)
	}
	b, err := balancer.New(cfg)
	if err != nil {
		return err
	}
	if err := announce(c.OutOrStdout(), b); err != nil {
		logger.Error("cannot say where the balancer listens", "err", err)
	}
	return b.Run(c.Context())
}

// announce prints the line that the testnet and service managers wait for.
func announce(out io.Writer, b *balancer.Balancer) error {
	addrs := make([]string, 0)
	for _, addr := range b.Addrs() {
		addrs = append(addrs, addr.String())
	}
	return json.NewEncoder(out).Encode(struct {
		Event     string   `json:"event"`
		Peer      string   `json:"peer"`
		Addresses []string `json:"addresses"`
		Metrics   string   `json:"metrics,omitempty"`
	}{"listening", b.ID().String(), addrs, b.MetricsAddr()})
}

func newLogger(out io.Writer, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(out, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(out, nil)), nil
	}
	return nil, fmt.Errorf("--log-format is text or json, not %q", format)
}
