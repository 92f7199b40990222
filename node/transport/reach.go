package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// ErrNoAddress is returned when nothing is known about where a peer is.
var ErrNoAddress = errors.New("transport: no address")

// Reach connects to a peer: over its own addresses, and only when none of them
// answers over a circuit. Both in one dial end on the circuit one time in three,
// and while a circuit is up libp2p dials nothing else. Reach returns nil at once
// when there is a direct connection; a nil does not mean yet that the other side
// wants to talk, which Link finds out.
func (h *Host) Reach(ctx context.Context, info peer.AddrInfo) error {
	h.learn(info)
	if h.direct(info.ID) {
		return nil
	}
	known := h.host.Peerstore().Addrs(info.ID)
	if len(known) == 0 && !h.connected(info.ID) {
		return fmt.Errorf("transport: reach %s: %w", info.ID, ErrNoAddress)
	}
	err := h.connect(network.WithForceDirectDial(ctx, "direct before circuit"), info.ID, directTimeout)
	if err != nil && h.connected(info.ID) {
		return nil // over a circuit that the other side opened
	}
	if err != nil && slices.ContainsFunc(known, isCircuit) && ctx.Err() == nil {
		err = h.connect(ctx, info.ID, circuitTimeout)
	}
	if err != nil {
		return fmt.Errorf("transport: reach %s: %w", info.ID, err)
	}
	return nil
}

// connected tells whether there is a connection to p of either kind.
func (h *Host) connected(p peer.ID) bool {
	return h.host.Network().Connectedness(p) == network.Connected
}

func (h *Host) connect(ctx context.Context, p peer.ID, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// A dial ends with the addresses that it began with: when p is connected
	// meanwhile over an address that was learned later, or from its side, it would
	// wait for its own ones to time out.
	direct, _ := network.GetForceDirectDial(ctx)
	var came atomic.Bool
	watch := &network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
		if c.RemotePeer() == p && !(direct && isCircuit(c.RemoteMultiaddr())) {
			came.Store(true)
			cancel()
		}
	}}
	h.host.Network().Notify(watch)
	defer h.host.Network().StopNotify(watch)
	err := h.host.Connect(ctx, peer.AddrInfo{ID: p})
	if came.Load() {
		return nil
	}
	return err
}

// learn enters the addresses in the peerstore. If one of them is news, those that
// were known before are over, unless the peer is connected; and dials that failed
// a moment ago say nothing, so that the swarm's back-off is cleared.
func (h *Host) learn(info peer.AddrInfo) {
	addrs := info.Addrs[:min(len(info.Addrs), maxAddrs)]
	known := h.host.Peerstore().Addrs(info.ID)
	news := slices.ContainsFunc(addrs, func(a multiaddr.Multiaddr) bool { return !multiaddr.Contains(known, a) })
	if news && !h.connected(info.ID) {
		h.host.Peerstore().ClearAddrs(info.ID)
	}
	h.host.Peerstore().AddAddrs(info.ID, addrs, addrLifetime)
	if s, ok := h.host.Network().(*swarm.Swarm); ok && news {
		s.Backoff().Clear(info.ID)
	}
}

// direct tells whether a connection to p does not run over a relay.
func (h *Host) direct(p peer.ID) bool {
	return slices.ContainsFunc(h.host.Network().ConnsToPeer(p), func(c network.Conn) bool {
		return !c.IsClosed() && !isCircuit(c.RemoteMultiaddr())
	})
}

func isCircuit(a multiaddr.Multiaddr) bool {
	_, err := a.ValueForProtocol(multiaddr.P_CIRCUIT)
	return err == nil
}

// Path tells over which kind of connection p is reached, for people to see.
type Path string

// The rungs of the ladder, best first.
const (
	PathLocal   Path = "local"   // this machine or this network
	PathDirect  Path = "direct"  // over the internet, no one between
	PathRelayed Path = "relayed" // over a balancer's circuit
	PathNone    Path = "none"    // not connected
)

// Path returns the best path to a peer that there is now.
func (h *Host) Path(p peer.ID) Path {
	path := PathNone
	for _, c := range h.host.Network().ConnsToPeer(p) {
		switch a := c.RemoteMultiaddr(); {
		case c.IsClosed():
		case isCircuit(a):
			if path == PathNone {
				path = PathRelayed
			}
		case manet.IsPrivateAddr(a) || manet.IsIPLoopback(a):
			return PathLocal
		default:
			path = PathDirect
		}
	}
	return path
}

// Delays between the kinds of addresses that one dial tries.
const (
	// quicDelay is what TCP is given before QUIC is tried as well: TCP has three
	// times QUIC's throughput at a third of the CPU, QUIC gets through more
	// firewalls. A round trip within a country.
	quicDelay = 100 * time.Millisecond
	// publicDelay is what addresses on this machine and network are given before
	// others are tried.
	publicDelay = 50 * time.Millisecond
	// circuitDelay is what everything else is given before a circuit.
	circuitDelay = 500 * time.Millisecond
)

// rankTCPFirst tells libp2p in which order to dial: this machine and network
// before the internet, TCP before QUIC, circuits last.
func rankTCPFirst(addrs []multiaddr.Multiaddr) []network.AddrDelay {
	ranked := make([]network.AddrDelay, 0, len(addrs))
	for _, a := range addrs {
		ranked = append(ranked, network.AddrDelay{Addr: a, Delay: dialDelay(a)})
	}
	slices.SortStableFunc(ranked, func(a, b network.AddrDelay) int { return cmp.Compare(a.Delay, b.Delay) })
	if len(ranked) > 0 { // nothing waits for what is not there
		for first, i := ranked[0].Delay, 0; i < len(ranked); i++ {
			ranked[i].Delay -= first
		}
	}
	return ranked
}

func dialDelay(a multiaddr.Multiaddr) time.Duration {
	if isCircuit(a) {
		return circuitDelay
	}
	var d time.Duration
	if !manet.IsPrivateAddr(a) && !manet.IsIPLoopback(a) {
		d += publicDelay
	}
	if _, err := a.ValueForProtocol(multiaddr.P_UDP); err == nil {
		d += quicDelay
	}
	return d
}
