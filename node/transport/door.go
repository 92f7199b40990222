package transport

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// door decides who may connect, as soon as a peer has proved who it is and before
// anything is said to it. libp2p's identify would tell it all addresses of the host,
// and hole punching, to whoever comes by way of a relay, where the host really is.
//
// What it cannot hide: that something answers at an address that somebody tries, and,
// since Noise shows a host's key first, that it is the device whose ID they name.
//
// A device that fetches a file comes by a second connection whose key nobody knows (see
// FetchFile). Where strangers are kept out that one is too, and the file takes the
// connection that is there.
type door struct {
	mu   sync.Mutex
	lets func(peer.ID) bool // nil: everybody
}

// Admit says who may connect from now on. lets may be called at any time; connections
// that are open stay.
func (h *Host) Admit(lets func(peer.ID) bool) {
	h.door.mu.Lock()
	defer h.door.mu.Unlock()
	h.door.lets = lets
}

// InterceptSecured implements connmgr.ConnectionGater. Whom this side dials it means to.
func (d *door) InterceptSecured(dir network.Direction, from peer.ID, _ network.ConnMultiaddrs) bool {
	d.mu.Lock()
	lets := d.lets
	d.mu.Unlock()
	return dir != network.DirInbound || lets == nil || lets(from)
}

// InterceptPeerDial, like what follows, has nothing to say.
func (d *door) InterceptPeerDial(peer.ID) bool { return true }

// InterceptAddrDial is as InterceptPeerDial.
func (d *door) InterceptAddrDial(peer.ID, multiaddr.Multiaddr) bool { return true }

// InterceptAccept comes before it is known who it is.
func (d *door) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptUpgraded is as InterceptPeerDial.
func (d *door) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
