package rendezvous

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/circuit"
	"github.com/tryst-chat/tryst/rendezvous/cluster"
)

// protectTag keeps the connection manager from cutting other servers.
const protectTag = "tryst server"

// newHost returns a host that does not listen yet: handlers come first.
func newHost(cfg Config, refused refusals) (host.Host, error) {
	resources, err := newResourceManager(cfg.conns, cfg.Server.Balancers, refused)
	if err != nil {
		return nil, fmt.Errorf("rendezvous: limits: %w", err)
	}
	// It only knows who is protected: balancers, other servers, and devices that hold a
	// beat stream. Its marks are out of reach; libp2p's own cut idle clients at 192.
	conns, err := connmgr.NewConnManager(cfg.conns, cfg.conns)
	if err != nil {
		return nil, fmt.Errorf("rendezvous: limits: %w", err)
	}
	reached := cfg.Advertise
	if len(reached) == 0 {
		reached = circuit.Addrs(cfg.Server.Balancers...)
	}
	h, err := libp2p.New(
		libp2p.Identity(cfg.Server.Key),
		libp2p.NoListenAddrs, // for now; it also turns circuits off, which the next line undoes
		libp2p.EnableRelay(),
		// Listed because the default set pulls in WebRTC and WebTransport,
		// which nobody here needs.
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(quic.NewTransport),
		// Noise first: TLS, as libp2p has it, ends where clocks are more than an hour apart,
		// and then no server could tell another one that its clock is wrong.
		libp2p.Security(noise.ID, noise.New),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		// Identify tells these addresses to nodes: a server's own would be of
		// no use to them and nobody's business.
		libp2p.AddrsFactory(func([]ma.Multiaddr) []ma.Multiaddr { return reached }),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(conns),
		libp2p.UserAgent("tryst-rendezvous"),
		libp2p.DisableMetrics(), // they would go to a registry shared by the whole process
	)
	if err != nil {
		return nil, fmt.Errorf("rendezvous: host: %w", err)
	}
	return h, nil
}

// introduce makes another server known to the host: where it is, and that it may
// do more than a node.
func (s *Server) introduce(server cluster.Server) error {
	s.host.Peerstore().AddAddrs(server.ID, server.Addresses, peerstore.PermanentAddrTTL)
	s.host.ConnManager().Protect(server.ID, protectTag)
	return trust(s.host.Network().ResourceManager(), server.ID)
}

// keepIntroduced repeats introduce whenever a server has identified itself:
// what it says of its addresses is meant for nodes, and displaces those that
// the operator gave.
func (s *Server) keepIntroduced(ctx context.Context) error {
	identified, err := s.host.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted))
	if err != nil {
		return fmt.Errorf("rendezvous: watch identification: %w", err)
	}
	defer identified.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-identified.Out():
			done, ok := e.(event.EvtPeerIdentificationCompleted)
			if !ok {
				continue
			}
			for _, server := range s.others() {
				if server.ID != done.Peer {
					continue
				}
				if err := s.introduce(server.Server); err != nil {
					return fmt.Errorf("rendezvous: limits: %w", err)
				}
			}
		}
	}
}
