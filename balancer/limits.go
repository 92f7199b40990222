package balancer

import (
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/x/rate"

	"github.com/tryst-chat/tryst/balancer/pool"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Limits of a balancer, each with its reason. libp2p's defaults are made for a
// peer among peers: of 600 clients they let 192 through.
const (
	// maxCircuits is what one balancer is planned for. A circuit costs 23 KB
	// and the client's connection 39 KB, together some 600 MB.
	maxCircuits = 10_000
	// maxConns leaves room beside the circuits for clients that only ask,
	// and for the servers.
	maxConns = 12_000
	// maxTransient bounds connections and streams that have not yet said
	// whose and what they are: 1,000 clients that come back at once had 635.
	maxTransient = 4_000
	// maxServers is far above what one Raft group has; several clusters' worth
	// of shards fit.
	maxServers = 256

	// connsPerPeer admits a client's new connection while its old one is not
	// yet known to be dead, over TCP and QUIC.
	connsPerPeer = 8
	// streamsPerPeer is what one peer may open here at a time: circuits, one
	// question and identify. What is opened towards a peer is bounded by
	// maxCircuits instead, which a server needs; a device has a limit of its own
	// for what it takes.
	streamsPerPeer = 96
	// circuitsPerClient: one server at a time, another while moving, and the
	// other devices of a few groups that are reached through this relay. A node
	// takes as many.
	circuitsPerClient = 64
	// questionsPerPeer: a client asks one question at a time and may ask anew
	// before the first has timed out.
	questionsPerPeer = 4
	// backendsPerPeer: a server's new stream stands beside a dying one.
	backendsPerPeer = 4

	// Connections from one IPv4 address or IPv6 /56 at a time, and new ones or
	// questions a second: a campus behind one address, all of which comes back at once
	// after a restart. libp2p's own 8 and 0.2 cut off the second family member.
	// Loopback has no such limits.
	connsPerSubnet     = 2_048
	connsPerSite       = 4 * connsPerSubnet // IPv6 /48, which holds 256 of /56
	connRatePerSubnet  = 50
	connBurstPerSubnet = 1_024

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

// scopes is the one table of libp2p's resource scopes. Memory is not limited
// as such: yamux reserves 256 KiB a stream that it hardly ever uses, so that a
// true limit would have to be paid for several times over. Streams and windows
// are limited, and memory through them.
func scopes() rcmgr.PartialLimitConfig {
	// inbound limits what a peer may ask for. Outbound streams are the second
	// halves of circuits, most of them towards a handful of servers.
	inbound := func(streams int) rcmgr.ResourceLimits {
		return rcmgr.ResourceLimits{
			Streams:         rcmgr.LimitVal(streams + maxCircuits),
			StreamsInbound:  rcmgr.LimitVal(streams),
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
	onePeer := inbound(streamsPerPeer)
	onePeer.Conns, onePeer.ConnsInbound, onePeer.FD = connsPerPeer, connsPerPeer, connsPerPeer
	return rcmgr.PartialLimitConfig{
		System:              all,
		Transient:           transient,
		PeerDefault:         onePeer,
		ServiceDefault:      all,
		ServicePeerDefault:  inbound(circuitsPerClient),
		ProtocolDefault:     all,
		ProtocolPeerDefault: inbound(circuitsPerClient),
		ProtocolPeer: map[protocol.ID]rcmgr.ResourceLimits{
			wire.Balancer:      inbound(questionsPerPeer),
			wire.Relay:         inbound(questionsPerPeer),
			wire.Backend:       inbound(backendsPerPeer),
			proto.ProtoIDv2Hop: inbound(circuitsPerClient),
		},
	}
}

func newResourceManager(refused rcmgr.MetricsReporter) (network.ResourceManager, error) {
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(scopes().Build(rcmgr.InfiniteLimits)),
		rcmgr.WithMetricsDisabled(), // libp2p's own, of the whole process
		rcmgr.WithMetrics(refused),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: connsPerSubnet}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: connsPerSubnet}, {PrefixLength: 48, ConnCount: connsPerSite}},
		),
		rcmgr.WithConnRateLimiters(newRateLimiter()),
	)
}

// newRateLimiter limits connections or questions by where they come from.
func newRateLimiter() *rate.Limiter {
	perSubnet := rate.Limit{RPS: connRatePerSubnet, Burst: connBurstPerSubnet}
	perSite := rate.Limit{RPS: 4 * connRatePerSubnet, Burst: 4 * connBurstPerSubnet}
	return &rate.Limiter{
		NetworkPrefixLimits: []rate.PrefixLimit{ // the zero Limit is none
			{Prefix: netip.MustParsePrefix("127.0.0.0/8")},
			{Prefix: netip.MustParsePrefix("::1/128")},
		},
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: perSubnet}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: perSubnet}, {PrefixLength: 48, Limit: perSite}},
			GracePeriod:      time.Minute,
		},
	}
}

// relayResources: no limit of time or data a circuit, since all of them lead
// to servers and devices of the cluster. Who has a place on the relay is the
// ACL's to say, and it ends with the connection, of which there are maxConns: no
// device can take a server's.
func relayResources() relay.Resources {
	return relay.Resources{
		ReservationTTL:        reservationLife,
		MaxReservations:       maxConns,
		MaxReservationsPerIP:  maxConns,
		MaxReservationsPerASN: maxConns,
		MaxCircuits:           maxCircuits, // counted per either end: the limit of who asks is circuitsPerClient
		BufferSize:            bufferSize,
	}
}

func muxer() *yamux.Transport {
	config := *yamux.DefaultTransport.Config()
	config.MaxStreamWindowSize = maxWindow
	return (*yamux.Transport)(&config)
}
