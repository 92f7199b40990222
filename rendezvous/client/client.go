package client

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Errors of the client itself; those that servers answer with are package
// wire's.
var (
	// ErrOffline: no rendezvous server could be reached before the context
	// ended. It wraps what the last attempt failed with.
	ErrOffline = errors.New("no rendezvous server can be reached")
	// ErrUncertified: a server or balancer could not prove that it belongs to
	// the cluster.
	ErrUncertified = errors.New("not a server of this cluster")
	// ErrForged: a server answered with something that does not verify.
	ErrForged = errors.New("the server's answer does not verify")

	errNotYet = errors.New("not connected yet")
)

// Config is what a Client needs. All fields but ClusterKey and Logger must be
// set.
type Config struct {
	// Host is the node's; its key is the device's. The circuit transport must
	// be on (it is by default).
	Host host.Host
	// Balancers are asked in random order.
	Balancers []peer.AddrInfo
	// ClusterKey is the cluster's Ed25519 public key. Nil pins the first that
	// a balancer shows; see Client.ClusterKey.
	ClusterKey ed25519.PublicKey
	// Logger defaults to none.
	Logger *slog.Logger
}

func (cfg *Config) check() error {
	switch {
	case cfg.Host == nil:
		return errors.New("client: no host")
	case len(cfg.Balancers) == 0:
		return errors.New("client: no balancer")
	case cfg.ClusterKey != nil && len(cfg.ClusterKey) != ed25519.PublicKeySize:
		return fmt.Errorf("client: a cluster key has %d bytes", ed25519.PublicKeySize)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Client asks the rendezvous servers. Its calls may be used by many goroutines
// at a time, while Run runs.
type Client struct {
	host      host.Host
	balancers []peer.AddrInfo
	log       *slog.Logger
	notices   *queue

	mu      sync.Mutex
	cluster ed25519.PublicKey
	link    *link         // nil while there is none
	cause   error         // why there is none
	changed chan struct{} // closed, and made anew, when link or attend changes
	attend  bool
	index   uint64 // the highest directory index seen
	watch   []record.Account
	rewatch chan struct{} // holds a token when watch has changed
}

// New returns a Client that does nothing until Run.
func New(cfg Config) (*Client, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Client{
		host:      cfg.Host,
		balancers: slices.Clone(cfg.Balancers),
		log:       cfg.Logger,
		notices:   newQueue(),
		cluster:   slices.Clone(cfg.ClusterKey),
		cause:     errNotYet,
		changed:   make(chan struct{}),
		rewatch:   make(chan struct{}, 1),
	}, nil
}

// Run keeps the link until the context ends, and then closes Notices. It is
// called once.
func (c *Client) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.notices.pump(ctx) })
	group.Go(func() error { return c.keepLink(ctx) })
	return group.Wait()
}

// ClusterKey returns the cluster's public key (Ed25519, 32 bytes): the
// configured one, else the one pinned at first use, else nil.
func (c *Client) ClusterKey() ed25519.PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.cluster)
}

// Linked reports whether there is a server to ask now.
func (c *Client) Linked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link != nil
}

// Attend says whether this device is logged in: only then does the server tell
// it anything (see Notices), and only then is a frozen server noticed between
// two requests.
func (c *Client) Attend(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attend != on {
		c.attend = on
		c.signal()
	}
}

// Watch replaces the accounts whose presence and devices this node wants to
// hear of, at most wire.MaxWatched; the rest is left out. It survives the loss
// of a server.
func (c *Client) Watch(accounts []record.Account) {
	accounts = slices.Clone(accounts[:min(len(accounts), wire.MaxWatched)])
	c.mu.Lock()
	c.watch = accounts
	c.mu.Unlock()
	select {
	case c.rewatch <- struct{}{}:
	default: // a token is there already
	}
}

func (c *Client) watched() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]string, len(c.watch))
	for i, account := range c.watch {
		names[i] = string(account)
	}
	return names
}

// Notices returns what happens, in order. Its reader may be slow: the link
// never waits for it, and what overflows becomes one Resync.
func (c *Client) Notices() <-chan Notice { return c.notices.out }

// pin compares a cluster key with the pinned one, and pins it when there is
// none.
func (c *Client) pin(key []byte) error {
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: the balancer shows no cluster key", ErrUncertified)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cluster == nil {
		c.cluster = slices.Clone(key)
	}
	if !bytes.Equal(c.cluster, key) {
		return fmt.Errorf("%w: the balancer shows another cluster key", ErrUncertified)
	}
	return nil
}

// saw remembers the newest directory index that any answer carried.
func (c *Client) saw(index uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index = max(c.index, index)
}

func (c *Client) minIndex() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.index
}

// signal wakes everybody who waits for a change; mu is held.
func (c *Client) signal() {
	close(c.changed)
	c.changed = make(chan struct{})
}
