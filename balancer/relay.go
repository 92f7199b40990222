package balancer

import (
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

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
	if b.host.Network().Connectedness(device) == network.NotConnected {
		b.permits.drop(device) // it left meanwhile, and disconnected came first
	}
	return nil
}

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
// devices that these vouch for.
type acl struct{ b *Balancer }

// AllowReserve reports whether a peer may have a place on the relay: a server
// only with its certificate shown and its stream open, a device with its permit.
func (a acl) AllowReserve(p peer.ID, _ ma.Multiaddr) bool { return a.b.reachable(p) }

// AllowConnect reports whether a circuit may lead to a peer. Everybody may come:
// servers are there for strangers, and a device decides itself whom it hears
// (files come from keys that are drawn for one transfer, and have no permit).
func (a acl) AllowConnect(_ peer.ID, _ ma.Multiaddr, dest peer.ID) bool { return a.b.reachable(dest) }

func (b *Balancer) reachable(id peer.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.backends[id] != nil || b.permits.valid(id, time.Now())
}
