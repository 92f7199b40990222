package balancer

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// serveRelay takes one device's permit. Its place on the relay the device
// reserves itself, as libp2p has it.
func (b *Balancer) serveRelay(s network.Stream) error {
	if err := s.SetDeadline(time.Now().Add(questionTimeout)); err != nil {
		return fmt.Errorf("balancer: permit: %w", err)
	}
	var request pb.RelayRequest
	if err := wire.NewReader(s, wire.MaxBalancer).Read(&request); err != nil {
		return fmt.Errorf("balancer: permit: %w", err)
	}
	reply, outcome := new(pb.RelayReply), "granted"
	if err := b.permit(s.Conn().RemotePeer(), &request, time.Now()); err != nil {
		b.cfg.Logger.Debug("refused a permit", "peer", s.Conn().RemotePeer(), "err", err)
		reply.Error, outcome = wire.ToWire(err), "refused"
	}
	b.permitted.WithLabelValues(outcome).Inc()
	return wire.WriteFrame(s, reply)
}

// permit lets a device be reached through the relay for as long as a server of
// the cluster says that it may and the device stays connected.
func (b *Balancer) permit(device peer.ID, request *pb.RelayRequest, now time.Time) error {
	until, err := b.verifyPermit(device, request, now)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.permits.grant(device, until, now) {
		return fmt.Errorf("%w: no room for another device", wire.ErrFull)
	}
	b.host.ConnManager().TagPeer(device, permitTag, permitWeight)
	if b.host.Network().Connectedness(device) == network.NotConnected {
		b.forbid(device) // it left meanwhile, and disconnected came first
	}
	return nil
}

// forbid takes a device's permit, if it has one; mu is held.
func (b *Balancer) forbid(device peer.ID) {
	b.permits.drop(device)
	b.host.ConnManager().UntagPeer(device, permitTag)
}

// A device with a permit gives way after all strangers, whatever the relay tags these
// with (10 and less). It is not protected: libp2p's connection manager lets nobody give
// way before those who are not protected are alone as many as its low mark.
const (
	permitTag    = "tryst permit"
	permitWeight = 1_000
)

// verifyPermit checks that a server of the cluster vouches for the device at the
// other end, and returns until when.
func (b *Balancer) verifyPermit(device peer.ID, request *pb.RelayRequest, now time.Time) (until time.Time, err error) {
	permit, err := record.VerifyPermit(request.GetPermit(), request.GetCertificate(), b.cfg.ClusterKey, now)
	if err != nil {
		return time.Time{}, refused(err)
	}
	if permit.Device != device {
		return time.Time{}, refused(errors.New("the permit is another device's"))
	}
	return permit.Until, nil
}

// acl says who is reached through the relay: servers of the cluster, and the
// devices that these vouch for; and how much of it one client may have.
type acl struct{ b *Balancer }

// AllowReserve reports whether a peer may have a place on the relay: a server
// only with its certificate shown and its stream open, a device with its permit.
func (a acl) AllowReserve(p peer.ID, from ma.Multiaddr) bool {
	if !a.b.places.take(from, time.Now()) {
		a.b.refused.add(a.b.places.limit.Name)
		return false
	}
	return a.b.vouched(p)
}

// AllowConnect reports whether a circuit may lead to a peer. Everybody may come:
// servers are there for strangers, and a device decides itself whom it hears
// (files come from keys that are drawn for one transfer, and have no permit).
func (a acl) AllowConnect(src peer.ID, from ma.Multiaddr, dest peer.ID) bool {
	if limit := a.b.tooManyCircuits(src, from, time.Now()); limit != "" {
		a.b.refused.add(limit)
		return false
	}
	return a.b.vouched(dest)
}

// tooManyCircuits returns the name of the limit that one more circuit would exceed. Its
// stream is there already. How many a device may have whom a server vouches for, the
// resource manager knows.
func (b *Balancer) tooManyCircuits(src peer.ID, from ma.Multiaddr, now time.Time) (limit string) {
	switch {
	case !b.circuits.take(from, now):
		return b.circuits.limit.Name
	case !b.vouched(src) && b.circuitsOf(src) > quota.BalancerStrangerCircuits.Burst:
		return quota.BalancerStrangerCircuits.Name
	case b.origins.exceeds(from, quota.BalancerAddressCircuits.Burst):
		return quota.BalancerAddressCircuits.Name
	}
	return ""
}

// circuitsOf counts the circuits that a peer asks for or has.
func (b *Balancer) circuitsOf(id peer.ID) (n int) {
	for _, c := range b.host.Network().ConnsToPeer(id) {
		n += circuitsOf(c)
	}
	return n
}

// circuitsOf counts those of one connection.
func circuitsOf(c network.Conn) (n int) {
	for _, s := range c.GetStreams() {
		if s.Protocol() == proto.ProtoIDv2Hop && s.Stat().Direction == network.DirInbound {
			n++
		}
	}
	return n
}

// vouched reports whether a peer is a server, or a device with a permit.
func (b *Balancer) vouched(id peer.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.backends[id] != nil || b.permits.valid(id, time.Now())
}
