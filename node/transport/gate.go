package transport

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
)

// gate is the host as pubsub gets to see it: with no peers on it but those that
// share a group with this device. pubsub greets every peer with the list of all
// its topics, whatever filters it was given, and takes any peer's announcements.
//
// A peer that shares no group is not offered to pubsub, and a pubsub stream that
// it opens is parked: not refused, because the other side announces its topics
// once and would not do so again, and it may only be that its membership statement
// has not come yet. Unread it costs a stream and what flow control lets through.
// When MembershipChanged opens the gate for it, nothing of what it said is lost.
type gate struct {
	host.Host
	bus    event.Bus     // pubsub's, instead of the host's
	offers event.Emitter // on bus: a peer for pubsub to look at
	shares func(peer.ID) bool

	handling sync.WaitGroup // pubsub's handlers of streams that were parked

	mu       sync.Mutex
	admitted map[peer.ID]network.Stream // the newest stream pubsub got from each peer
	parked   []parkedStream             // oldest first, one a peer
	over     bool                       // shut has been called
}

type parkedStream struct {
	stream network.Stream
	handle network.StreamHandler
}

func (p parkedStream) from() peer.ID { return p.stream.Conn().RemotePeer() }

func newGate(h host.Host, shares func(peer.ID) bool) (*gate, error) {
	bus := eventbus.NewBus()
	offers, err := bus.Emitter(new(event.EvtPeerProtocolsUpdated))
	if err != nil {
		return nil, fmt.Errorf("emitter: %w", err)
	}
	return &gate{Host: h, bus: bus, offers: offers, shares: shares, admitted: make(map[peer.ID]network.Stream)}, nil
}

// EventBus hides the host's own bus from pubsub, which learns there of every peer.
func (g *gate) EventBus() event.Bus { return g.bus }

// SetStreamHandler puts the gate before pubsub's handler.
func (g *gate) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	g.Host.SetStreamHandler(id, func(s network.Stream) { g.enter(parkedStream{s, handle}) })
}

// Network hides from pubsub the peers that do not speak GossipSub yet. It would try
// them as it starts, and while such an attempt is under way it does not hear that
// the peer has come to speak it.
func (g *gate) Network() network.Network { return speakers{g.Host.Network(), g} }

// speakers is the network with only the peers that speak GossipSub.
type speakers struct {
	network.Network
	gate *gate
}

func (n speakers) Peers() []peer.ID {
	return slices.DeleteFunc(n.Network.Peers(), func(p peer.ID) bool { return len(n.gate.speaks(p)) == 0 })
}

// speaks returns the versions of GossipSub that a peer is known to speak.
func (g *gate) speaks(p peer.ID) []protocol.ID {
	versions, err := g.Host.Peerstore().SupportsProtocols(p, topicProtocols...)
	if err != nil { // nothing is known of it
		return nil
	}
	return versions
}

// Add and Contains make the gate pubsub's Blacklist, which drops whatever a peer
// sends or wrote that does not share a group any more. Add has nothing to do: who
// is welcome is for shares to say.
func (g *gate) Add(peer.ID) bool { return true }

// Contains tells that a peer shares no group.
func (g *gate) Contains(p peer.ID) bool { return p != g.Host.ID() && !g.shares(p) }

// enter lets a stream through or parks it.
func (g *gate) enter(s parkedStream) {
	g.mu.Lock()
	// shares is asked under the lock, as in opened: a stream is either parked
	// before the gate is opened for its peer, or sees that it is.
	if g.shares(s.from()) {
		g.admitted[s.from()] = s.stream
		g.mu.Unlock()
		s.handle(s.stream)
		return
	}
	dropped := g.unpark(s.from())
	if len(g.parked) >= maxParked {
		dropped = append(dropped, g.parked[0])
		g.parked = g.parked[1:]
	}
	g.parked = append(g.parked, s)
	g.mu.Unlock()
	for _, d := range dropped {
		_ = d.stream.Reset()
	}
}

// unpark removes and returns a peer's parked stream. The caller holds mu.
func (g *gate) unpark(p peer.ID) (found []parkedStream) {
	g.parked = slices.DeleteFunc(g.parked, func(s parkedStream) bool {
		if s.from() != p {
			return false
		}
		found = append(found, s)
		return true
	})
	return found
}

// opened offers a peer to pubsub after it came to share a group.
func (g *gate) opened(p peer.ID) {
	g.mu.Lock()
	if g.over {
		g.mu.Unlock()
		return
	}
	for _, s := range g.unpark(p) {
		g.admitted[p] = s.stream
		g.handling.Go(func() { s.handle(s.stream) }) // ends with the stream or with pubsub
	}
	g.mu.Unlock()
	if versions := g.speaks(p); len(versions) > 0 {
		g.offer(p, versions)
	}
}

// closed ends what a peer still says to pubsub after it shares no group any more.
func (g *gate) closed(p peer.ID) {
	g.mu.Lock()
	s := g.admitted[p]
	delete(g.admitted, p)
	g.mu.Unlock()
	if s != nil {
		_ = s.Reset()
	}
}

func (g *gate) offer(p peer.ID, protocols []protocol.ID) {
	if g.Contains(p) {
		return
	}
	// The only error is that the emitter is closed: pubsub is no more.
	_ = g.offers.Emit(event.EvtPeerProtocolsUpdated{Peer: p, Added: protocols})
}

// follow offers the peers that come, until ctx ends. Now and then it offers those
// again that pubsub does not have: it forgets a peer whose stream it could not open,
// or that was cut off several times.
func (g *gate) follow(ctx context.Context, sub event.Subscription, has func() []peer.ID) {
	again := time.NewTicker(offerInterval)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			g.offerMissing(has())
		case ev, ok := <-sub.Out():
			if !ok {
				return
			}
			switch ev := ev.(type) {
			case event.EvtPeerIdentificationCompleted:
				g.offer(ev.Peer, ev.Protocols)
			case event.EvtPeerProtocolsUpdated:
				g.offer(ev.Peer, ev.Added)
			case event.EvtPeerConnectednessChanged:
				if ev.Connectedness == network.NotConnected {
					g.forget(ev.Peer)
				}
			}
		}
	}
}

// offerMissing offers the connected peers that pubsub does not have.
func (g *gate) offerMissing(has []peer.ID) {
	for _, p := range g.Host.Network().Peers() {
		if !slices.Contains(has, p) && !g.Contains(p) {
			g.opened(p)
		}
	}
}

// forget drops what is kept of a peer that has gone.
func (g *gate) forget(p peer.ID) {
	g.mu.Lock()
	gone := g.unpark(p)
	if s := g.admitted[p]; s != nil && s.Conn().IsClosed() {
		delete(g.admitted, p)
	}
	g.mu.Unlock()
	for _, s := range gone {
		_ = s.stream.Reset()
	}
}

// shut takes pubsub's handlers away and resets what peers have open to it, which
// tells them. It waits for the handlers that opened has started; pubsub has ended.
func (g *gate) shut() {
	for _, id := range topicProtocols {
		g.Host.RemoveStreamHandler(id)
	}
	g.mu.Lock()
	streams := slices.Collect(maps.Values(g.admitted))
	for _, s := range g.parked {
		streams = append(streams, s.stream)
	}
	g.parked, g.over = nil, true
	clear(g.admitted)
	g.mu.Unlock()
	for _, s := range streams {
		_ = s.Reset()
	}
	g.handling.Wait()
	_ = g.offers.Close()
}
