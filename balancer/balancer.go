// Package balancer is the one address that people know. It gives every client
// an equal share of the rendezvous servers that stand behind it and are ready,
// and carries the connection there through a circuit (libp2p Circuit Relay v2)
// where a server is not reachable itself. Devices that cannot reach each other
// meet on it in the same way, if a server vouches for the one that is reached.
//
// It is no party to the encryption: client and server connect end to end, and
// it sees ciphertext, addresses and times. It knows no account and stores
// nothing; the list of servers comes from the servers, each with a certificate
// of the cluster. Which server is picked is decided in package pool. cmd/balancer
// and testnet call it.
package balancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/balancer/pool"
	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Balancer is a running balancer.
type Balancer struct {
	cfg       Config
	host      host.Host
	relay     *relay.Relay
	http      net.Listener // nil without metrics
	registry  *prometheus.Registry
	outcomes  *prometheus.CounterVec
	permitted *prometheus.CounterVec
	refused   refusals
	questions *meter // of one address over time, as the next two
	circuits  *meter
	places    *meter
	origins   *origins

	mu       sync.Mutex // guards what follows
	pool     *pool.Pool
	backends map[peer.ID]*backend // every server in the pool
	permits  *permits
	closed   bool           // Run has ended: no more streams
	serving  sync.WaitGroup // stream handlers
}

// New opens the balancer's addresses and answers from then on. The caller
// calls Run, which closes everything again.
func New(cfg Config) (*Balancer, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	b := &Balancer{
		cfg:       cfg,
		refused:   newRefusals(),
		questions: newMeter(quota.BalancerQuestions),
		circuits:  newMeter(quota.BalancerNewCircuits),
		places:    newMeter(quota.BalancerPlaces),
		origins:   newOrigins(),
		pool:      pool.New(poolLimits()),
		backends:  make(map[peer.ID]*backend),
		permits:   newPermits(maxCircuits), // fewer than the connections for which anybody gives way
	}
	if b.host, err = newHost(cfg, b.refused, b.vouched); err != nil {
		return nil, err
	}
	if err := b.open(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *Balancer) open() error {
	b.newMetrics()
	var err error
	b.relay, err = relay.New(b.host,
		relay.WithResources(relayResources()),
		relay.WithACL(acl{b}),
		relay.WithReservationAddressFilter(func(ma.Multiaddr) bool { return true }), // private and loopback ones too
		relay.WithMetricsTracer(relay.NewMetricsTracer(relay.WithRegisterer(b.registry))),
	)
	if err != nil {
		return fmt.Errorf("balancer: relay: %w", err)
	}
	// Handlers before addresses: an early client would be told that nobody
	// speaks its protocol.
	b.host.SetStreamHandler(wire.Balancer, b.metered(b.handle(b.serveClient)))
	b.host.SetStreamHandler(wire.Relay, b.metered(b.handle(b.serveRelay)))
	b.host.SetStreamHandler(wire.Backend, b.handle(b.serveBackend))
	b.host.Network().Notify(&network.NotifyBundle{
		ConnectedF:    func(_ network.Network, c network.Conn) { b.origins.add(c) },
		DisconnectedF: b.disconnected,
	})
	if err := b.host.Network().Listen(b.cfg.Listen...); err != nil {
		return fmt.Errorf("balancer: listen: %w", err)
	}
	if b.cfg.MetricsListen == "" {
		return nil
	}
	if b.http, err = net.Listen("tcp", b.cfg.MetricsListen); err != nil {
		return fmt.Errorf("balancer: listen for metrics: %w", err)
	}
	return nil
}

// Run serves until ctx ends, then closes everything and returns nil.
func (b *Balancer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if b.http != nil {
		group.Go(func() error { return b.serveHTTP(ctx) })
	}
	group.Go(func() error {
		<-ctx.Done()
		return b.close()
	})
	err := group.Wait()
	b.serving.Wait()
	return err
}

func (b *Balancer) close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	var errs []error
	if b.relay != nil {
		errs = append(errs, b.relay.Close())
	}
	return errors.Join(append(errs, b.host.Close())...) // resets every stream
}

// ID returns the balancer's peer ID.
func (b *Balancer) ID() peer.ID { return b.host.ID() }

// Addrs returns the addresses under which it is reached, each with its peer ID.
func (b *Balancer) Addrs() []ma.Multiaddr {
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: b.host.ID(), Addrs: b.host.Addrs()})
	if err != nil {
		return nil // only for a peer ID that is none
	}
	return addrs
}

// MetricsAddr returns the address (host:port) of /metrics, empty if there is
// none.
func (b *Balancer) MetricsAddr() string {
	if b.http == nil {
		return ""
	}
	return b.http.Addr().String()
}

// Loads returns what each server carries now.
func (b *Balancer) Loads() []pool.Load {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pool.Loads(time.Now())
}

// handle wraps a protocol: a stream that served well is closed, any other
// reset, and Run waits for it.
func (b *Balancer) handle(serve func(network.Stream) error) network.StreamHandler {
	return func(s network.Stream) {
		b.mu.Lock()
		if b.closed {
			b.mu.Unlock()
			s.Reset()
			return
		}
		b.serving.Add(1)
		b.mu.Unlock()
		defer b.serving.Done()
		err := s.Scope().SetService(serviceName)
		if err == nil {
			err = serve(s)
		}
		if err != nil {
			s.Reset()
			b.cfg.Logger.Debug("stream failed", "protocol", s.Protocol(), "peer", s.Conn().RemotePeer(), "err", err)
			return
		}
		s.Close()
	}
}

// metered counts questions by where they come from, and lets no more through than may be.
func (b *Balancer) metered(handle network.StreamHandler) network.StreamHandler {
	return func(s network.Stream) {
		if !b.questions.take(s.Conn().RemoteMultiaddr(), time.Now()) {
			b.refused.add(b.questions.limit.Name)
			s.ResetWithError(network.StreamRateLimited)
			return
		}
		handle(s)
	}
}

// serviceName is how the resource manager counts the balancer's own streams.
const serviceName = "tryst.balancer"

// disconnected frees what a client was assigned, and takes a device's permit,
// when the last connection goes.
func (b *Balancer) disconnected(n network.Network, c network.Conn) {
	b.origins.remove(c)
	if client := c.RemotePeer(); n.Connectedness(client) == network.NotConnected {
		b.mu.Lock()
		b.pool.ClientGone(client)
		b.forbid(client)
		b.mu.Unlock()
	}
}
