package transport

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"

	"github.com/tryst-chat/tryst/node/wire"
)

// PeerEvent says that a device came or went. Servers, relays and connections
// that only carry a file are not devices and do not show here.
type PeerEvent struct {
	Peer      peer.ID
	Connected bool
}

// busBuffer is how many events of libp2p's bus may wait. The loop that reads
// them never blocks, so that a burst is all there is to hold.
const busBuffer = 256

// Peers returns the one channel on which devices come and go. For each peer only
// the newest state waits for a slow reader. It is closed with the host.
func (h *Host) Peers() <-chan PeerEvent { return h.events }

func (h *Host) watchPeers() error {
	sub, err := h.host.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted),
		new(event.EvtPeerProtocolsUpdated),
		new(event.EvtPeerConnectednessChanged),
	}, eventbus.BufSize(busBuffer))
	if err != nil {
		return err
	}
	h.conns = sub
	h.running.Go(func() { h.runPeers(sub.Out()) })
	return nil
}

func (h *Host) runPeers(bus <-chan any) {
	defer close(h.events)
	present := make(map[peer.ID]bool) // what the reader knows, or will once queue is empty
	var queue []peer.ID
	for {
		var out chan PeerEvent
		var next PeerEvent
		if len(queue) > 0 {
			out, next = h.events, PeerEvent{queue[0], present[queue[0]]}
		}
		select {
		case ev, ok := <-bus:
			if !ok {
				return
			}
			if p, changed := note(present, ev); changed && !slices.Contains(queue, p) {
				queue = append(queue, p)
			}
		case out <- next:
			queue = queue[1:]
			if !next.Connected {
				delete(present, next.Peer)
			}
		}
	}
}

// note enters a bus event into present and tells whether that changed anything.
// A device is whoever speaks the message protocol, known once it is identified.
func note(present map[peer.ID]bool, ev any) (p peer.ID, changed bool) {
	var connected bool
	switch ev := ev.(type) {
	case event.EvtPeerIdentificationCompleted:
		p, connected = ev.Peer, slices.Contains(ev.Protocols, wire.Message)
	case event.EvtPeerProtocolsUpdated:
		p, connected = ev.Peer, slices.Contains(ev.Added, wire.Message)
	case event.EvtPeerConnectednessChanged:
		if ev.Connectedness != network.NotConnected || !present[ev.Peer] {
			return ev.Peer, false
		}
		present[ev.Peer] = false
		return ev.Peer, true
	}
	if !connected || present[p] {
		return p, false
	}
	present[p] = true
	return p, true
}
