package balancer

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// serveClient answers one question: which server?
func (b *Balancer) serveClient(s network.Stream) error {
	if err := s.SetDeadline(time.Now().Add(questionTimeout)); err != nil {
		return fmt.Errorf("balancer: question: %w", err)
	}
	var question pb.BalancerRequest
	if err := wire.NewReader(s, wire.MaxBalancer).Read(&question); err != nil {
		b.outcomes.WithLabelValues("bad").Inc()
		return fmt.Errorf("balancer: question: %w", err)
	}
	answer, err := b.assign(s.Conn(), question.GetAvoid())
	if err != nil {
		b.outcomes.WithLabelValues("refused").Inc()
		return wire.WriteFrame(s, &pb.Assignment{Error: wire.ToWire(err)})
	}
	b.outcomes.WithLabelValues("assigned").Inc()
	return wire.WriteFrame(s, answer)
}

// parseAvoid reads the peer IDs of the servers that a client could not reach.
func parseAvoid(avoid [][]byte) ([]peer.ID, error) {
	if len(avoid) > maxAvoid {
		return nil, fmt.Errorf("%w: %d servers to avoid, at most %d", wire.ErrBadRequest, len(avoid), maxAvoid)
	}
	ids := make([]peer.ID, 0, len(avoid))
	for _, raw := range avoid {
		id, err := peer.IDFromBytes(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: a server to avoid is not a peer ID", wire.ErrBadRequest)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (b *Balancer) assign(conn network.Conn, unreachable [][]byte) (*pb.Assignment, error) {
	avoid, err := parseAvoid(unreachable)
	if err != nil {
		return nil, err
	}
	server, err := b.pick(conn.RemotePeer(), avoid)
	if err != nil {
		return nil, err
	}
	addrs := server.addrs
	if len(addrs) == 0 {
		addrs = [][]byte{b.circuitAddr(conn.LocalMultiaddr()).Bytes()}
	}
	return &pb.Assignment{
		Cluster:     b.cfg.ClusterKey,
		Certificate: server.signed,
		Addresses:   addrs,
		Lifetime:    uint32(wire.AssignmentLifetime / time.Second),
	}, nil
}

func (b *Balancer) pick(client peer.ID, avoid []peer.ID) (*backend, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, err := b.pool.Assign(client, avoid, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrUnavailable, err)
	}
	if b.host.Network().Connectedness(client) == network.NotConnected {
		b.pool.ClientGone(client) // it left while it was asking, and disconnected came first
	}
	return b.backends[id], nil
}

// circuitAddr returns where a client reaches servers through this balancer. It
// is built from the address that the client itself came in by, which works
// from wherever the client is. Where the socket does not know it (QUIC on a
// wildcard address) the peer ID alone must do: the client is connected, and
// its circuit goes over that connection.
func (b *Balancer) circuitAddr(local ma.Multiaddr) ma.Multiaddr {
	tail := ma.StringCast("/p2p/" + b.host.ID().String() + "/p2p-circuit")
	if local == nil || manet.IsIPUnspecified(local) {
		return tail
	}
	return local.Encapsulate(tail)
}
