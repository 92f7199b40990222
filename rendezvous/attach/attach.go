// Package attach makes a rendezvous server stand behind balancers: it shows
// them the server's certificate, tells them once a second that the server is
// alive and whether it is ready, and, where the server is not reachable itself,
// reserves a place on their relay so that clients come in through a circuit.
//
// It serves no client and knows nothing of the directory. The rendezvous
// server runs one Attachment beside everything else; the other end is package
// balancer.
package attach

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Config is what an Attachment needs.
type Config struct {
	// Host is the server's. It needs the circuit transport (libp2p's default)
	// unless Advertise is set.
	Host host.Host
	// Balancers are those to stand behind, each with at least one address.
	Balancers []peer.AddrInfo
	// Certificate is the server's signed record.Certificate.
	Certificate []byte
	// Advertise are addresses at which clients reach the server directly. If
	// there are none they come through the balancers.
	Advertise []ma.Multiaddr
	// Ready says whether the server takes new clients. It is asked many times
	// a second and must not block. Nil means always.
	Ready func() bool
	// Logger may be nil.
	Logger *slog.Logger
	// BeatInterval and BeatTimeout are wire.BeatInterval and wire.BeatTimeout
	// unless a test wants it quicker.
	BeatInterval, BeatTimeout time.Duration
}

// Attachment keeps a server behind its balancers.
type Attachment struct {
	cfg      Config
	attached atomic.Int32
}

// New checks the configuration. Nothing happens before Run.
func New(cfg Config) (*Attachment, error) {
	if cfg.Host == nil || len(cfg.Certificate) == 0 {
		return nil, errors.New("attach: host and certificate are needed")
	}
	for _, b := range cfg.Balancers {
		if len(b.Addrs) == 0 {
			return nil, fmt.Errorf("attach: balancer %s has no address", b.ID)
		}
	}
	if cfg.Ready == nil {
		cfg.Ready = func() bool { return true }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.BeatInterval == 0 {
		cfg.BeatInterval = wire.BeatInterval
	}
	if cfg.BeatTimeout == 0 {
		cfg.BeatTimeout = wire.BeatTimeout
	}
	return &Attachment{cfg: cfg}, nil
}

// Attached returns behind how many balancers the server stands now.
func (a *Attachment) Attached() int { return int(a.attached.Load()) }

// Run stands behind every balancer, again and again, until ctx ends.
func (a *Attachment) Run(ctx context.Context) error {
	var group errgroup.Group
	for _, b := range a.cfg.Balancers {
		group.Go(func() error { a.keep(ctx, b); return nil })
	}
	return group.Wait()
}

// keep stands behind one balancer until ctx ends.
func (a *Attachment) keep(ctx context.Context, balancer peer.AddrInfo) {
	log := a.cfg.Logger.With("balancer", balancer.ID)
	wait := minRetry
	for {
		began := time.Now()
		stood, err := a.stand(ctx, balancer)
		if ctx.Err() != nil {
			return
		}
		switch {
		case stood:
			if time.Since(began) > maxRetry { // else it may well fail again at once
				wait = minRetry
			}
			log.Warn("lost the balancer", "err", err)
		case errors.Is(err, wire.ErrRefused):
			wait = refusedRetry
			log.Error("the balancer refuses this server", "err", err)
		default:
			log.Debug("cannot stand behind the balancer yet", "err", err)
		}
		// First away with the old connection: while a dead one lingers,
		// Connect says that all is well.
		a.cfg.Host.Network().ClosePeer(balancer.ID)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)): // jitter: servers must not come in step
		}
		wait = min(2*wait, maxRetry)
	}
}

// stand connects to a balancer and stays until it is lost; stood says whether
// it had accepted this server.
func (a *Attachment) stand(ctx context.Context, balancer peer.AddrInfo) (stood bool, err error) {
	s, err := a.open(ctx, balancer)
	if err != nil {
		return false, err
	}
	defer s.Reset() // does nothing to a stream that both sides have closed
	b, err := greet(a.cfg, s)
	if err != nil {
		return false, err
	}
	a.attached.Add(1)
	defer a.attached.Add(-1)
	a.cfg.Host.ConnManager().Protect(balancer.ID, protectTag)
	defer a.cfg.Host.ConnManager().Unprotect(balancer.ID, protectTag)
	a.cfg.Logger.Info("standing behind the balancer", "balancer", balancer.ID)

	group, ctx := errgroup.WithContext(ctx)
	if len(a.cfg.Advertise) == 0 {
		group.Go(func() error { return a.reserve(ctx, balancer.ID, b.reachable) })
	} else {
		close(b.reachable)
	}
	group.Go(func() error { return b.beat(ctx) })
	group.Go(b.listen)
	return true, group.Wait()
}

const protectTag = "tryst balancer"

func (a *Attachment) open(ctx context.Context, balancer peer.AddrInfo) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	h := a.cfg.Host
	h.Peerstore().AddAddrs(balancer.ID, balancer.Addrs, peerstore.PermanentAddrTTL)
	// Besides ruling out circuits a forced dial goes out although one failed a
	// moment ago; libp2p would otherwise wait for 5 s and more, and a restarted
	// balancer is wanted back sooner.
	if err := h.Connect(network.WithForceDirectDial(ctx, "balancer"), balancer); err != nil {
		return nil, fmt.Errorf("attach: connect: %w", err)
	}
	s, err := h.NewStream(ctx, balancer.ID, wire.Backend)
	if err != nil {
		return nil, fmt.Errorf("attach: open stream: %w", err)
	}
	return s, nil
}
