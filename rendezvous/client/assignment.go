package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// assignment is a balancer's answer, verified.
type assignment struct {
	server         peer.ID
	name           string
	direct, around []ma.Multiaddr // addresses of the server itself; circuits over a balancer
	lifetime       time.Duration
}

// find asks the balancers, in random order, for a server and connects to it.
func (c *Client) find(ctx context.Context, avoid avoidance) (*link, error) {
	var failed error
	for _, i := range rand.Perm(len(c.balancers)) {
		balancer := c.balancers[i]
		a, err := c.assigned(ctx, balancer, avoid)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("balancer %s: %w", balancer.ID, err))
			continue
		}
		if err := c.connect(ctx, a); err != nil {
			avoid.add(a.server, time.Now())
			failed = errors.Join(failed, fmt.Errorf("server %s: %w", a.name, err))
			continue
		}
		return newLink(a.server, a.name, time.Now().Add(a.lifetime)), nil
	}
	return nil, failed
}

// assigned asks one balancer for a server.
func (c *Client) assigned(ctx context.Context, balancer peer.AddrInfo, avoid avoidance) (assignment, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTimeout)
	defer cancel()
	clearBackoff(c.host, balancer.ID)
	if err := c.host.Connect(ctx, balancer); err != nil {
		return assignment{}, err
	}
	c.host.ConnManager().Protect(balancer.ID, protectTag)
	answer := new(pb.Assignment)
	req := &pb.BalancerRequest{Avoid: avoid.list(time.Now())}
	if err := roundTrip(ctx, c.host, balancer.ID, wire.Balancer, req, answer, wire.MaxBalancer); err != nil {
		// It may be frozen, and would still count as connected the next time.
		// While there is a link it stays: the link may be a circuit over it.
		if !c.Linked() {
			c.host.Network().ClosePeer(balancer.ID)
		}
		return assignment{}, err
	}
	if err := wire.FromWire(answer.GetError()); err != nil {
		return assignment{}, err
	}
	if err := c.pin(answer.GetCluster()); err != nil {
		return assignment{}, err
	}
	return assignmentFromWire(answer, time.Now())
}

// assignmentFromWire believes an assignment when the cluster key, which is
// pinned, has signed the server's certificate. The addresses need no belief:
// libp2p proves the peer ID at whatever end is reached.
func assignmentFromWire(m *pb.Assignment, now time.Time) (assignment, error) {
	certificate, err := record.VerifyCertificate(m.GetCertificate(), m.GetCluster(), now)
	if err != nil {
		return assignment{}, fmt.Errorf("%w: %w", ErrUncertified, err)
	}
	a := assignment{
		server:   certificate.Server,
		name:     certificate.Name,
		lifetime: min(max(time.Duration(m.GetLifetime())*time.Second, minLifetime), maxLifetime),
	}
	for _, raw := range m.GetAddresses() {
		addr, err := ma.NewMultiaddrBytes(raw)
		if err != nil {
			return assignment{}, fmt.Errorf("address of server %s: %w", a.name, err)
		}
		if isCircuit(addr) {
			a.around = append(a.around, addr)
		} else {
			a.direct = append(a.direct, addr)
		}
	}
	return a, nil
}

func isCircuit(addr ma.Multiaddr) bool {
	_, err := addr.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}

// connect connects to an assigned server, directly if that goes, and says
// hello: a dial can succeed although the other side refuses.
func (c *Client) connect(ctx context.Context, a assignment) error {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	clearBackoff(c.host, a.server)
	err := errors.New("the assignment has no address")
	if len(a.direct) > 0 {
		// Both kinds of address in one Connect end on the circuit one time in
		// three, and while that is up nothing dials directly.
		err = c.dial(network.WithForceDirectDial(ctx, "direct first"), a.server, a.direct)
	}
	if err != nil && len(a.around) > 0 {
		clearBackoff(c.host, a.server)
		err = c.dial(ctx, a.server, a.around)
	}
	if err != nil {
		return err
	}
	resp := new(pb.Response)
	req := &pb.Request{Kind: &pb.Request_Hello{Hello: &pb.Hello{}}}
	if err := roundTrip(ctx, c.host, a.server, wire.Rendezvous, req, resp, wire.MaxResponse); err != nil {
		c.host.Network().ClosePeer(a.server)
		return fmt.Errorf("hello: %w", err)
	}
	return wire.FromWire(resp.GetError())
}

func (c *Client) dial(ctx context.Context, server peer.ID, addrs []ma.Multiaddr) error {
	var bare []ma.Multiaddr
	for _, addr := range addrs {
		transport, id := peer.SplitAddr(addr)
		if transport != nil && (id == "" || id == server) {
			bare = append(bare, transport)
		}
	}
	// What identify learned of the server may have displaced the address that
	// it was reached at, so each dial brings its addresses along.
	c.host.Peerstore().AddAddrs(server, bare, peerstore.TempAddrTTL)
	return c.host.Connect(ctx, peer.AddrInfo{ID: server, Addrs: bare})
}
