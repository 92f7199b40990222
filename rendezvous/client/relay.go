package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/rendezvous/circuit"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// relayTag keeps the host's connection manager from cutting the connections
// that places on relays hang on.
const relayTag = "tryst relay"

var errBalancerLost = errors.New("the connection to the balancer was lost")

// Permit is a server's word that this device may be reached through the relays
// of the balancers.
type Permit struct {
	Signed      []byte // record.Permit
	Certificate []byte // of the server that signed it
	Until       time.Time
}

// Permit asks for a permit for this device. It returns wire.ErrNotLoggedIn when
// the device is not logged in.
func (c *Client) Permit(ctx context.Context) (Permit, error) {
	resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_GetPermit{GetPermit: &pb.GetPermit{}}})
	if err != nil {
		return Permit{}, err
	}
	p := Permit{Signed: resp.GetPermit().GetPermit(), Certificate: resp.GetPermit().GetCertificate()}
	verified, err := record.VerifyPermit(p.Signed, p.Certificate, c.ClusterKey(), time.Now())
	if err != nil {
		return Permit{}, fmt.Errorf("%w: %w", ErrForged, err)
	}
	if verified.Device != c.host.ID() {
		return Permit{}, fmt.Errorf("%w: a permit for another device", ErrForged)
	}
	p.Until = verified.Until
	return p, nil
}

// KeepRelayed holds a place on every balancer's relay until the context ends,
// and loses it for no longer than the balancer is away. changed is called with
// all addresses at which the device is reached through relays, whenever these
// change; one call at a time. The device must be logged in, and Run must run.
func (c *Client) KeepRelayed(ctx context.Context, changed func(circuits []ma.Multiaddr)) error {
	r := &relays{client: c, changed: changed, held: make([]bool, len(c.balancers))}
	var group errgroup.Group
	for i := range c.balancers {
		group.Go(func() error { r.keep(ctx, i); return nil })
	}
	return group.Wait()
}

// relays are the places of this device, one a balancer.
type relays struct {
	client  *Client
	changed func([]ma.Multiaddr)

	mu   sync.Mutex
	held []bool // by the balancer's number
}

func (r *relays) set(i int, held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[i] == held {
		return
	}
	r.held[i] = held
	var circuits []ma.Multiaddr
	for i, b := range r.client.balancers {
		if r.held[i] {
			circuits = append(circuits, circuit.Addrs(b)...)
		}
	}
	r.changed(circuits[:min(len(circuits), maxCircuits)])
}

// keep holds a place on one balancer's relay, again and again.
func (r *relays) keep(ctx context.Context, i int) {
	wait := retryLeast
	for {
		had, err := r.hold(ctx, i)
		if ctx.Err() != nil {
			return
		}
		most := refusedMost
		if errors.Is(err, errBalancerLost) || errors.Is(err, ErrOffline) {
			most = retryMost
		}
		if had {
			wait = retryLeast
		}
		r.client.log.Debug("no place on a relay", "balancer", r.client.balancers[i].ID, "err", err)
		if !pause(ctx, jitter(wait)) {
			return
		}
		wait = min(2*wait, most)
	}
}

// hold gets a place and stays until it is lost; had says whether there was one.
func (r *relays) hold(ctx context.Context, i int) (had bool, err error) {
	c, balancer := r.client, r.client.balancers[i]
	if err := c.meet(ctx, balancer); err != nil {
		return false, fmt.Errorf("%w: %w", errBalancerLost, err)
	}
	c.host.ConnManager().Protect(balancer.ID, relayTag)
	defer c.host.ConnManager().Unprotect(balancer.ID, relayTag)
	ctx, stop := c.whileConnected(ctx, balancer.ID)
	defer stop()
	defer r.set(i, false)
	ask := func(ctx context.Context) (time.Time, error) { return c.reserve(ctx, balancer.ID) }
	held := func() { had = true; r.set(i, true) }
	err = circuit.Hold(ctx, ask, held, c.log.With("balancer", balancer.ID))
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return had, err
}

// meet connects to a balancer. A forced dial goes out although one failed a
// moment ago.
func (c *Client) meet(ctx context.Context, balancer peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(ctx, balancerTimeout)
	defer cancel()
	return c.host.Connect(network.WithForceDirectDial(ctx, "a relay is reached by no relay"), balancer)
}

// reserve shows a balancer a fresh permit and gets or renews the place on its
// relay. It returns until when both stand.
func (c *Client) reserve(ctx context.Context, balancer peer.ID) (until time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, wire.RequestTimeout)
	defer cancel()
	permit, err := c.Permit(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("get a permit: %w", err)
	}
	req := &pb.RelayRequest{Certificate: permit.Certificate, Permit: permit.Signed}
	reply := new(pb.RelayReply)
	if err := roundTrip(ctx, c.host, balancer, wire.Relay, req, reply, wire.MaxBalancer); err != nil {
		return time.Time{}, fmt.Errorf("show the permit: %w", err)
	}
	if err := wire.FromWire(reply.GetError()); err != nil {
		return time.Time{}, fmt.Errorf("show the permit: %w", err)
	}
	if until, err = circuit.Reserve(ctx, c.host, balancer); err != nil {
		return time.Time{}, err
	}
	if permit.Until.Before(until) {
		until = permit.Until
	}
	return until, nil
}

// whileConnected returns a context that ends with errBalancerLost when a
// connection to a balancer closes. Any of them may be the last as the balancer
// sees it, and take the place along.
func (c *Client) whileConnected(ctx context.Context, balancer peer.ID) (connected context.Context, stop func()) {
	connected, cancel := context.WithCancelCause(ctx)
	onLoss := &network.NotifyBundle{DisconnectedF: func(_ network.Network, conn network.Conn) {
		if conn.RemotePeer() == balancer {
			cancel(errBalancerLost)
		}
	}}
	c.host.Network().Notify(onLoss)
	if c.host.Network().Connectedness(balancer) != network.Connected {
		cancel(errBalancerLost) // before there was somebody to hear of it
	}
	return connected, func() {
		c.host.Network().StopNotify(onLoss)
		cancel(nil)
	}
}
