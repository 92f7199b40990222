package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	ma "github.com/multiformats/go-multiaddr"
	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/rendezvous"
)

const runHelp = `Run a rendezvous server from its folder, which "rendezvous init" makes. Its
state goes into the folder "data" in there.

Without --advertise nodes reach the server through the balancers only.

One line of JSON on standard output says that it listens, and where. Logs go to
standard error. SIGINT and SIGTERM end it: its nodes are sent to other servers
first, and the leadership is handed over.`

type runFlags struct {
	dir       string
	listen    []string
	advertise []string
	metrics   string
	logFormat string
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
	c.Flags().StringVar(&flags.dir, "dir", "", "the server's folder")
	c.Flags().StringArrayVar(&flags.listen, "listen", nil, "multiaddr to listen on instead of the planned one, again for more")
	c.Flags().StringArrayVar(&flags.advertise, "advertise", nil, "multiaddr at which nodes reach this server directly, again for more")
	c.Flags().StringVar(&flags.metrics, "metrics", rendezvous.DefaultMetrics, `host:port of /metrics and /healthz, "" for none`)
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
	cfg, err := rendezvous.LoadDir(flags.dir)
	if err != nil {
		return err
	}
	cfg.Logger, cfg.MetricsListen = logger, flags.metrics
	if cfg.Listen, err = parseAddrs("--listen", flags.listen); err != nil {
		return err
	}
	if cfg.Advertise, err = parseAddrs("--advertise", flags.advertise); err != nil {
		return err
	}
	s, err := rendezvous.New(cfg)
	if err != nil {
		return err
	}
	if err := announce(c.OutOrStdout(), s); err != nil {
		logger.Error("cannot say where the server listens", "err", err)
	}
	return s.Run(c.Context())
}

// announce prints the line that the testnet and service managers wait for.
func announce(out io.Writer, s *rendezvous.Server) error {
	addrs := make([]string, 0)
	for _, addr := range s.Addresses() {
		addrs = append(addrs, addr.String())
	}
	return json.NewEncoder(out).Encode(struct {
		Event     string   `json:"event"`
		Name      string   `json:"name"`
		Peer      string   `json:"peer"`
		Addresses []string `json:"addresses"`
		Metrics   string   `json:"metrics,omitempty"`
	}{"listening", s.Name(), s.ID().String(), addrs, s.MetricsAddr()})
}

func parseAddrs(flag string, texts []string) ([]ma.Multiaddr, error) {
	var addrs []ma.Multiaddr
	for _, text := range texts {
		addr, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not an address like /ip4/192.0.2.1/tcp/4001: %w", flag, text, err)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
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
