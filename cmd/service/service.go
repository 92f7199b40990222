// Package service is what the commands that run servers share: the flags that
// all of them take, their logs, the line that says where they listen, and how
// they end. It knows no server; cmd/balancer, cmd/rendezvous and cmd/testnet
// call it.
package service

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/spf13/cobra"
)

// Main is a program whose commands end at SIGINT and SIGTERM. What goes wrong is
// one line on standard error, after the program's name, and exit status 1.
func Main(root *cobra.Command) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; for all flags, type: %s --help", err, c.CommandPath())
	})
	root.Args = cobra.ArbitraryArgs // which are commands that there are not
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unknown command %q; for all commands, type: %s --help", args[0], c.CommandPath())
		}
		return c.Help()
	}
	if err := root.ExecuteContext(ctx); err != nil {
		prefix := root.Name() + ": " // errors of a package of that name carry it already
		fmt.Fprintln(os.Stderr, prefix+strings.TrimPrefix(err.Error(), prefix))
		os.Exit(1)
	}
}

// Flags are those of a command that runs a server from its folder.
type Flags struct {
	Dir     string
	Keys    string         // the folder of what is secret, if it is not Dir; see KeysDir
	Listen  []ma.Multiaddr // instead of what the folder says, unless empty
	Metrics string

	format string
}

// Define defines the flags; metrics is what Metrics is by default.
func (f *Flags) Define(c *cobra.Command, metrics string) {
	c.Flags().StringVar(&f.Dir, "dir", "", "the folder of keys and state")
	KeysFlag(c, &f.Keys)
	Addresses(c, &f.Listen, "listen", "multiaddr to listen on instead of what the folder says, again for more")
	c.Flags().StringVar(&f.Metrics, "metrics", metrics, `host:port of /metrics and /healthz, "" for none`)
	c.Flags().StringVar(&f.format, "log-format", "text", "text or json")
	if err := c.MarkFlagRequired("dir"); err != nil {
		panic(err) // only for a flag that is not defined above
	}
}

// KeysFlag defines --keys.
func KeysFlag(c *cobra.Command, keys *string) {
	c.Flags().StringVar(keys, "keys", "", "the folder of what is secret in there, if it lies elsewhere (systemd's credentials)")
}

// KeysDir returns the folder of what is secret.
func (f *Flags) KeysDir() string { return cmp.Or(f.Keys, f.Dir) }

// Logger returns a logger on out, as --log-format says.
func (f *Flags) Logger(out io.Writer) (*slog.Logger, error) {
	switch f.format {
	case "text":
		return slog.New(slog.NewTextHandler(out, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(out, nil)), nil
	}
	return nil, fmt.Errorf("--log-format is text or json, not %q", f.format)
}

// Listening is what a server says once it listens.
type Listening struct {
	Name      string // empty for those that have none
	Peer      peer.ID
	Addresses []ma.Multiaddr
	Metrics   string // host:port, or empty
}

// Announce prints the line that the testnet and service managers wait for. That
// nobody reads it is no reason not to serve.
func (l Listening) Announce(out io.Writer, logger *slog.Logger) {
	addresses := make([]string, len(l.Addresses))
	for i, address := range l.Addresses {
		addresses[i] = address.String()
	}
	err := json.NewEncoder(out).Encode(struct {
		Event     string   `json:"event"`
		Name      string   `json:"name,omitempty"`
		Peer      string   `json:"peer"`
		Addresses []string `json:"addresses"`
		Metrics   string   `json:"metrics,omitempty"`
	}{"listening", l.Name, l.Peer.String(), addresses, l.Metrics})
	if err != nil {
		logger.Error("cannot say where this server listens", "err", err)
	}
}

// Addresses defines a flag that takes a multiaddr each time it is given.
func Addresses(c *cobra.Command, to *[]ma.Multiaddr, name, usage string) {
	c.Flags().Var((*addresses)(to), name, usage)
}

// addresses implements pflag.Value.
type addresses []ma.Multiaddr

func (a *addresses) Set(text string) error {
	address, err := ma.NewMultiaddr(text)
	if err != nil {
		return fmt.Errorf("%q is not an address like /ip4/192.0.2.1/tcp/4001: %w", text, err)
	}
	*a = append(*a, address)
	return nil
}

func (a *addresses) String() string { return "" } // the default is none
func (a *addresses) Type() string   { return "multiaddr" }
