package balancer

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/quota"
)

// resources is libp2p's resource manager, and beside its scopes the limits that need to
// know more than it does: how fast connections come from an address, and whether a
// server vouches for a peer. (Its own means for the latter, a peer's scope with limits of
// its own, is never forgotten again.)
type resources struct {
	network.ResourceManager
	refused refusals
	conns   *meter
	vouched func(peer.ID) bool

	opening sync.Mutex // held from counting a stranger's streams to opening one more
}

func newResources(refused refusals, vouched func(peer.ID) bool) (*resources, error) {
	own := make([]rcmgr.NetworkPrefixLimit, len(exempt))
	for i, address := range exempt {
		own[i] = rcmgr.NetworkPrefixLimit{Network: netip.PrefixFrom(address, address.BitLen()), ConnCount: math.MaxInt}
	}
	one := quota.BalancerAddressConns.Burst
	m, err := rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(scopes().Build(rcmgr.InfiniteLimits)),
		rcmgr.WithMetricsDisabled(), // libp2p's own, of the whole process
		rcmgr.WithMetrics(refused),
		rcmgr.WithNetworkPrefixLimit(own[:1], own[1:]),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: one}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: one}, {PrefixLength: 48, ConnCount: quota.SiteFactor * one}},
		),
		rcmgr.WithConnRateLimiters(new(rate.Limiter)), // none: see conns
	)
	if err != nil {
		return nil, err
	}
	return &resources{ResourceManager: m, refused: refused, conns: newMeter(quota.BalancerNewConns), vouched: vouched}, nil
}

// OpenConnection implements network.ResourceManager.
func (r *resources) OpenConnection(dir network.Direction, usesFile bool, from ma.Multiaddr) (network.ConnManagementScope, error) {
	if !r.conns.take(from, time.Now()) {
		r.refused.add(quota.BalancerNewConns.Name)
		return nil, fmt.Errorf("balancer: %w: %s", network.ErrResourceLimitExceeded, quota.BalancerNewConns.Name)
	}
	scope, err := r.ResourceManager.OpenConnection(dir, usesFile, from)
	if err != nil && !errors.Is(err, network.ErrResourceLimitExceeded) { // which a scope's error is
		r.refused.add(quota.BalancerAddressConns.Name)
	}
	return scope, err
}

// OpenStream implements network.ResourceManager.
func (r *resources) OpenStream(id peer.ID, dir network.Direction) (network.StreamManagementScope, error) {
	if dir != network.DirInbound {
		return r.ResourceManager.OpenStream(id, dir)
	}
	if !r.vouched(id) {
		r.opening.Lock()
		defer r.opening.Unlock()
		if r.streams(id) >= quota.BalancerStrangerStreams.Burst {
			r.refused.add(quota.BalancerStrangerStreams.Name)
			return nil, fmt.Errorf("balancer: %w: %s", network.ErrResourceLimitExceeded, quota.BalancerStrangerStreams.Name)
		}
	}
	return r.ResourceManager.OpenStream(id, dir)
}

// streams counts what a peer has opened.
func (r *resources) streams(id peer.ID) (n int) {
	_ = r.ViewPeer(id, func(s network.PeerScope) error { // it returns what the function does
		n = s.Stat().NumStreamsInbound
		return nil
	})
	return n
}
