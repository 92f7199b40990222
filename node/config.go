package node

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/node/store"
)

// Config says where a node keeps its state and whom it asks.
type Config struct {
	// Home is the folder of all state; each account has a folder of its own
	// below it. It is made when missing, readable by its owner only.
	Home string
	// Downloads is where received files go. Default: "downloads" in Home.
	Downloads string
	// Balancers are the addresses of the cluster's balancers, each with
	// /p2p/<peer ID> or without (then the peer ID is learned at the first
	// connection).
	Balancers []multiaddr.Multiaddr
	// ClusterKey is the cluster's Ed25519 public key, 32 bytes. Empty: pinned
	// in Home at first use.
	ClusterKey ed25519.PublicKey
	// ListenPort is the port for other nodes, TCP and QUIC. Default: any free.
	ListenPort int
	// DeviceName is what the person's other devices call this one. Default:
	// the machine's name.
	DeviceName string
	// Logger receives what an operator would want to know; no names, no texts.
	// Default: nothing is logged.
	Logger *slog.Logger

	// For tests: noListen makes a node that nobody can dial, storeCost makes many
	// stores quickly, diskFree stands for what the disk has left.
	noListen  bool
	storeCost store.Cost
	diskFree  func(dir string) (bytes uint64, err error)
}

// validate fills in defaults.
func (c *Config) validate() error {
	if c.Home == "" {
		return errors.New("node: Config.Home is empty")
	}
	if len(c.Balancers) == 0 {
		return errors.New("node: Config.Balancers is empty")
	}
	if c.ListenPort < 0 || c.ListenPort > 65535 {
		return fmt.Errorf("node: Config.ListenPort %d is not a port", c.ListenPort)
	}
	if len(c.ClusterKey) != 0 && len(c.ClusterKey) != ed25519.PublicKeySize {
		return errors.New("node: Config.ClusterKey is not an Ed25519 public key")
	}
	if c.Downloads == "" {
		c.Downloads = c.Home + "/downloads"
	}
	if c.DeviceName == "" {
		c.DeviceName, _ = os.Hostname()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
