package balancer

import (
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"

	"github.com/tryst-chat/tryst/balancer/pool"
	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Limits of a balancer, each with its reason; what one client may have is in package
// quota. libp2p's defaults are made for a peer among peers: of 600 clients they let 192
// through.
const (
	maxCircuits = quota.BalancerCircuits
	maxConns    = quota.BalancerConns
	// maxTransient bounds connections and streams that have not yet said
	// whose and what they are: 1,000 clients that come back at once had 635, and one
	// address may have half of it.
	maxTransient = 4_000
	// maxServers is far above what one Raft group has; several clusters' worth
	// of shards fit.
	maxServers = 256
	// maxOrigins is how many addresses a meter remembers: all that can come while the
	// purse of one fills, at one connection each.
	maxOrigins = maxConns

	// Files is how many files a balancer holds open when it is full: a connection each,
	// and what it reads and listens on.
	Files = maxConns + 256

	// bufferSize of a circuit in bytes, one each way: 64 KiB is twice as fast
	// but takes 135 KB a circuit, libp2p's 2 KiB gives 71 MB/s.
	bufferSize = 4 << 10
	// maxWindow bounds what a sender may have under way on one stream whose
	// reader is slow, in bytes. libp2p's 16 MiB are for peers that pay for their
	// own memory.
	maxWindow = 1 << 20
	// reservationLife is how long a place on the relay stands. It ends with the
	// connection anyway.
	reservationLife = time.Hour

	// maxAddrs bounds what a server may advertise, so that an assignment stays
	// below wire.MaxBalancer.
	maxAddrs    = 16
	maxAddrSize = 512 // bytes; a circuit's address takes about 90
	// maxAvoid bounds the list of servers that a client could not reach.
	maxAvoid = 16
	// questionTimeout bounds one question with its answer; nothing in it waits.
	questionTimeout = 5 * time.Second
	// assignmentGrace is added to a counted assignment's lifetime, so that a
	// client that asks again on time is not counted as gone in between.
	assignmentGrace = 15 * time.Second
	// httpTimeout bounds a request on the metrics port.
	httpTimeout = 5 * time.Second
)

func poolLimits() pool.Limits {
	return pool.Limits{
		Servers:  maxServers,
		Clients:  maxConns, // an assignment ends with the client's connection
		Lifetime: wire.AssignmentLifetime + assignmentGrace,
	}
}

// room says when strangers give way to those who come.
type room struct {
	low, high   int           // connections: above high they are reduced to low
	grace, look time.Duration // for which a connection is spared, and how often it is looked
}

// wholeRoom is the real one. libp2p's own high mark is 192, and it spares no circuits.
func wholeRoom() room {
	return room{
		low:  maxCircuits + (maxConns-maxCircuits)/2,
		high: quota.BalancerIdleConns.Burst,
		// A node has asked and has its circuit long before; see questionTimeout.
		grace: 10 * time.Second,
		look:  time.Second,
	}
}

// scopes is the one table of libp2p's resource scopes. Memory is not limited
// as such: yamux reserves 256 KiB a stream that it hardly ever uses, so that a
// true limit would have to be paid for several times over. Streams and windows
// are limited, and memory through them.
func scopes() rcmgr.PartialLimitConfig {
	// inbound limits what a peer may ask for. Outbound streams are the second
	// halves of circuits, most of them towards a handful of servers.
	inbound := func(row quota.Limit) rcmgr.ResourceLimits {
		return rcmgr.ResourceLimits{
			Streams:         rcmgr.LimitVal(row.Burst + maxCircuits),
			StreamsInbound:  rcmgr.LimitVal(row.Burst),
			StreamsOutbound: maxCircuits,
		}
	}
	all := rcmgr.ResourceLimits{
		Streams: 4 * maxConns, StreamsInbound: 2 * maxConns, StreamsOutbound: 2 * maxConns,
		Conns: maxConns, ConnsInbound: maxConns, ConnsOutbound: rcmgr.BlockAllLimit, // it dials nobody
		FD: maxConns,
	}
	transient := rcmgr.ResourceLimits{
		Streams: maxTransient, StreamsInbound: maxTransient, StreamsOutbound: maxTransient,
		Conns: maxTransient, ConnsInbound: maxTransient, FD: maxTransient,
	}
	onePeer := inbound(quota.BalancerDeviceStreams) // a stranger has less: see resources
	conns := rcmgr.LimitVal(quota.BalancerDeviceConns.Burst)
	onePeer.Conns, onePeer.ConnsInbound, onePeer.FD = conns, conns, conns
	return rcmgr.PartialLimitConfig{
		System:              all,
		Transient:           transient,
		PeerDefault:         onePeer,
		ServiceDefault:      all,
		ServicePeerDefault:  inbound(quota.BalancerDeviceCircuits),
		ProtocolDefault:     all,
		ProtocolPeerDefault: inbound(quota.BalancerDeviceCircuits),
		ProtocolPeer: map[protocol.ID]rcmgr.ResourceLimits{
			wire.Balancer:      inbound(quota.BalancerDeviceQuestions),
			wire.Relay:         inbound(quota.BalancerDeviceQuestions),
			wire.Backend:       inbound(quota.BalancerBackends),
			proto.ProtoIDv2Hop: inbound(quota.BalancerDeviceCircuits),
		},
	}
}

// relayResources: no limit of time or data a circuit, since all of them lead
// to servers and devices of the cluster. Who has a place on the relay and how many
// circuits one may have is the ACL's to say. A place ends with the connection, of
// which there are maxConns: no device can take a server's.
func relayResources() relay.Resources {
	return relay.Resources{
		ReservationTTL:        reservationLife,
		MaxReservations:       maxConns,
		MaxReservationsPerIP:  maxConns,
		MaxReservationsPerASN: maxConns,
		MaxCircuits:           maxCircuits, // counted per either end: for who asks, package quota has less
		BufferSize:            bufferSize,
	}
}

func muxer() *yamux.Transport {
	config := *yamux.DefaultTransport.Config()
	config.MaxStreamWindowSize = maxWindow
	return (*yamux.Transport)(&config)
}
