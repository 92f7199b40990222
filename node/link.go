package node

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// clusterFile holds the cluster's pinned public key, in hexadecimal.
const clusterFile = "cluster.pub"

// link is a device on the network: its libp2p host, and the client of the
// rendezvous servers that uses it. It exists before anybody is logged in, since
// signing up and logging in need it.
type link struct {
	host   *transport.Host
	client *client.Client
	stop   context.CancelFunc
	group  *errgroup.Group
}

// openLink brings a device key onto the network. It does not wait for a server.
func openLink(ctx context.Context, cfg *Config, device key.Device) (*link, error) {
	h, err := transport.New(transport.Config{
		Key: device.Bytes(), ListenPort: cfg.ListenPort, Logger: cfg.Logger,
		// Whoever knows a balancer on this machine is on this machine too.
		LoopbackOnly: allLoopback(cfg.Balancers),
		NoListen:     cfg.noListen,
	})
	if errors.Is(err, transport.ErrPortTaken) {
		return nil, fail(CodeBusy, err, "Choose another one with --listen, or leave it out.", "Port %d is taken by another program.", cfg.ListenPort)
	}
	if err != nil {
		return nil, fail(CodeBusy, err, "Choose another port with --listen, or leave it out.", "This device cannot listen for others: %v.", err)
	}
	balancers, err := resolveBalancers(ctx, h.Libp2p(), cfg.Balancers)
	if err != nil {
		h.Close()
		return nil, fail(CodeOffline, err, "Check the balancer's address and that it is running.", "No balancer answers.")
	}
	pinned, err := pinnedCluster(cfg)
	if err != nil {
		h.Close()
		return nil, err
	}
	c, err := client.New(client.Config{Host: h.Libp2p(), Balancers: balancers, ClusterKey: pinned, Logger: cfg.Logger})
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("open link: %w", err)
	}
	l := &link{host: h, client: c}
	var run context.Context
	run, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	l.group, run = errgroup.WithContext(run)
	l.group.Go(func() error { return c.Run(run) })
	return l, nil
}

func allLoopback(addrs []multiaddr.Multiaddr) bool {
	return !slices.ContainsFunc(addrs, func(a multiaddr.Multiaddr) bool { return !manet.IsIPLoopback(a) })
}

// close ends the client and the host and waits for both.
func (l *link) close() error {
	l.stop()
	err := l.group.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, l.host.Close())
}

// pinnedCluster returns the cluster key that the configuration names or that
// was pinned at first use; nil if there is none yet.
func pinnedCluster(cfg *Config) (ed25519.PublicKey, error) {
	if len(cfg.ClusterKey) > 0 {
		return cfg.ClusterKey, nil
	}
	path := filepath.Join(cfg.Home, clusterFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the pinned cluster key: %w", err)
	}
	k, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(k) != ed25519.PublicKeySize {
		return nil, fail(CodeInternal, err, "Delete it to pin the key anew at the next connection.", "The file %s does not hold a cluster key.", path)
	}
	return k, nil
}

// meetCluster pins the key of the cluster that has answered, if it is the first
// that this home meets, and shows it to the person.
func meetCluster(cfg *Config, k ed25519.PublicKey, emit func(Event)) error {
	first, err := pinCluster(cfg, k)
	if first {
		emit(Event{Kind: EventNotice, Text: fmt.Sprintf(
			"These servers are new to this device, which trusts no others from now on. Their fingerprint, to compare with the operator's: %s", record.Fingerprint(k))})
	}
	return err
}

// pinCluster writes down the cluster key that the link has met. first tells that
// there was none before.
func pinCluster(cfg *Config, k ed25519.PublicKey) (first bool, err error) {
	if len(cfg.ClusterKey) > 0 {
		return false, nil // the person has said which
	}
	path := filepath.Join(cfg.Home, clusterFile)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("pin the cluster key: %w", err)
	}
	_, err = fmt.Fprintln(f, hex.EncodeToString(k))
	if err := errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("pin the cluster key: %w", err)
	}
	return true, nil
}
