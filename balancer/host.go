package balancer

import (
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// newHost returns a host that does not listen yet: handlers come first.
func newHost(cfg Config, refused refusals, vouched func(peer.ID) bool) (host.Host, error) {
	resources, err := newResources(refused, vouched)
	if err != nil {
		return nil, fmt.Errorf("balancer: limits: %w", err)
	}
	// Before connections are refused, strangers give way: those that the relay has not
	// tagged for a circuit first. Servers are protected, devices with a permit weigh more.
	conns, err := connmgr.NewConnManager(cfg.room.low, cfg.room.high,
		connmgr.WithGracePeriod(cfg.room.grace), connmgr.WithSilencePeriod(cfg.room.look))
	if err != nil {
		return nil, fmt.Errorf("balancer: limits: %w", err)
	}
	h, err := libp2p.New(
		libp2p.Identity(cfg.Key),
		libp2p.NoListenAddrs, // and no circuit transport: a balancer is reached by nobody's relay
		// Listed because the default set pulls in WebRTC and WebTransport,
		// which nobody here needs.
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(quic.NewTransport),
		// Noise first: TLS, as libp2p has it, ends where clocks are more than an hour apart.
		libp2p.Security(noise.ID, noise.New),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.Muxer(yamux.ID, muxer()),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(conns),
		libp2p.UserAgent("tryst-balancer"),
		libp2p.DisableMetrics(), // they would go to a registry shared by the whole process
	)
	if err != nil {
		return nil, fmt.Errorf("balancer: host: %w", err)
	}
	return h, nil
}
