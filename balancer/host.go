package balancer

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// newHost returns a host that does not listen yet: handlers come first.
func newHost(key crypto.PrivKey, refused refusals) (host.Host, error) {
	resources, err := newResourceManager(refused)
	if err != nil {
		return nil, fmt.Errorf("balancer: limits: %w", err)
	}
	// Near maxConns the connections without a circuit go first (the relay tags
	// the others, and servers are protected). libp2p's own mark is 192.
	conns, err := connmgr.NewConnManager(maxConns*8/10, maxConns*9/10, connmgr.WithGracePeriod(time.Minute))
	if err != nil {
		return nil, fmt.Errorf("balancer: limits: %w", err)
	}
	h, err := libp2p.New(
		libp2p.Identity(key),
		libp2p.NoListenAddrs, // and no circuit transport: a balancer is reached by nobody's relay
		// Listed because the default set pulls in WebRTC and WebTransport,
		// which nobody here needs.
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(quic.NewTransport),
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
