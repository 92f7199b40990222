package rendezvous

import (
	"math"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Limits of a server, each with its reason; those of one client are in package quota.
// libp2p's defaults are made for a peer among peers and refuse the 253rd client.
const (
	// Connections of all: see quota.ServerConns. From quota.IdleConns on strangers give
	// way, once they have had strangerGrace to log in: a sign-up on a slow phone takes
	// five seconds. roomInterval is how often it is looked.
	maxConns      = quota.ServerConns
	strangerGrace = 10 * time.Second
	roomInterval  = time.Second
	// Files is how many files a server holds open when it is full: a connection each, and
	// those of its state.
	Files = maxConns + 1024
	// maxTransient bounds connections and streams that have not yet said whose
	// and what they are: 1,000 clients that come back at once had 635.
	maxTransient = 4_000
	// maxStreams is a beat and a few requests for every client.
	maxStreams = 4 * maxConns

	// readTimeout bounds how long a client may take to write its request;
	// writeGrace is added to a request's time for the answer to leave.
	readTimeout = 5 * time.Second
	writeGrace  = 2 * time.Second
	// lagTimeout bounds the wait for a state as new as a beat stream asks for;
	// its first frame is due within wire.BeatTimeout.
	lagTimeout = wire.BeatTimeout / 2

	// maxQueue bounds the notices that wait for one device, some of 4 KiB. A
	// device that does not keep up is cut off and looks everything up again.
	maxQueue = 256
	// maxBatch bounds the notices of one frame, in bytes, so that with its
	// largest notice it stays below wire.MaxBeat.
	maxBatch = wire.MaxBeat - 2*wire.MaxPeerRecord

	// strangersPatience bounds how long a login or a sign-up waits for its turn: four
	// times as long as it takes if quota.StrangersWaiting are before it.
	strangersPatience = 2 * time.Second
	// soon is the longest wait that a node is to sit out by itself: longer than that a
	// person would wonder what became of their command.
	soon = wire.RequestTimeout
	// trackedKeys bounds whom the server remembers for each limit over time: as many as
	// there are connections, and some who have gone. Whoever is forgotten could have as
	// much at another server.
	trackedKeys = 2 * maxConns
	// trackedPairs is the same for those who take prekeys and whose: at 200 bytes each
	// 13 MB. To have itself forgotten somebody would have to take of as many devices.
	trackedPairs = 1 << 16

	// Mail is taken until the disk is diskFull percent full, so that what else the
	// servers keep has the rest. A large disk that has diskAmple bytes left is not
	// full in that sense: that is mail of 800 full queues.
	diskFull  = 80
	diskAmple = 16 << 30

	// drainTimeout is how long a server that leaves waits for its nodes to go
	// elsewhere, which they do at once when their next beat says so.
	drainTimeout = 2 * time.Second
	// hostTimeout is how long it waits then for its connections to be closed.
	hostTimeout = 5 * time.Second
	// A server looks every memberInterval whether it belongs to the cluster, and how
	// the others are; one that does not answer within describeTimeout is as good as
	// gone. memberTimeout bounds what changes the membership: a wait for a quorum's
	// disks; leaveTimeout such changes with elections in between.
	memberInterval  = 2 * time.Second
	memberPause     = 200 * time.Millisecond
	describeTimeout = 2 * time.Second
	memberTimeout   = 5 * time.Second
	leaveTimeout    = 30 * time.Second
	// A clock that is wrong is given clockPatience before the server leaves for it: a machine
	// that has slept sets its own within seconds of waking up. What another one's showed is
	// forgotten after clockMemory, in which it is asked three times; by a clock that is set
	// meanwhile it means nothing.
	clockPatience = 10 * time.Second
	clockMemory   = 4 * memberInterval
	// maxMembers bounds a frame about the members: a large cluster's, with addresses.
	maxMembers = 128 << 10
	// A server has at most maxServerAddrs addresses, each of maxServerAddr bytes: its
	// networks, by IPv4 and IPv6, TCP and QUIC.
	maxServerAddrs = 16
	maxServerAddr  = 256
	// backupTimeout is how long whoever takes a backup may take nothing of it.
	backupTimeout = time.Minute
	// expiryNotice is how long before its certificate's end a server that
	// starts says so.
	expiryNotice = 30 * 24 * time.Hour
	// httpTimeout bounds a request on the metrics port.
	httpTimeout = 5 * time.Second
)

// scopes is the one table of libp2p's resource scopes. Memory is not limited
// as such: yamux reserves 256 KiB a stream that it hardly ever uses, so that a
// true limit would have to be paid for several times over. Streams and the
// sizes of frames are limited, and memory through them.
func scopes(conns int, balancers []peer.ID) rcmgr.PartialLimitConfig {
	all := with(streams(maxStreams), rcmgr.LimitVal(conns))
	limits := rcmgr.PartialLimitConfig{
		System:              all,
		Transient:           with(streams(maxTransient), maxTransient),
		PeerDefault:         with(streams(one(quota.DeviceStreams)), one(quota.DeviceConns)),
		Peer:                make(map[peer.ID]rcmgr.ResourceLimits),
		ServiceDefault:      all,
		ServicePeerDefault:  all,
		ProtocolDefault:     all,
		ProtocolPeerDefault: all, // a circuit is a stream of its balancer
		ProtocolPeer: map[protocol.ID]rcmgr.ResourceLimits{
			wire.Rendezvous: streams(one(quota.DeviceRequestsAtOnce)),
			wire.Beat:       streams(one(quota.DeviceBeats)),
		},
	}
	for _, id := range balancers {
		limits.Peer[id] = trusted()
	}
	return limits
}

// one is a limit of what there is at a time.
func one(l quota.Limit) rcmgr.LimitVal { return rcmgr.LimitVal(l.Burst) }

func streams(n rcmgr.LimitVal) rcmgr.ResourceLimits {
	return rcmgr.ResourceLimits{Streams: n, StreamsInbound: n, StreamsOutbound: n}
}

func with(r rcmgr.ResourceLimits, conns rcmgr.LimitVal) rcmgr.ResourceLimits {
	r.Conns, r.ConnsInbound, r.ConnsOutbound = conns, conns, conns
	r.FD = conns // inbound connections through a relay count as file descriptors
	return r
}

// trusted are the limits of a balancer, which carries many clients, and of another
// server: commands on their way to the leader.
func trusted() rcmgr.ResourceLimits {
	return with(streams(maxStreams), one(quota.DeviceConns))
}

// trust gives another server its limits. They stay for as long as this one runs.
func trust(m network.ResourceManager, server peer.ID) error {
	return m.ViewPeer(server, func(scope network.PeerScope) error {
		if limited, ok := scope.(rcmgr.ResourceScopeLimiter); ok {
			limits := trusted()
			limit := limits.Build(limited.Limit())
			limited.SetLimit(&limit)
		}
		return nil
	})
}

// newResourceManager applies the limits, with so many connections in all. Connections
// from a balancer's address are not counted by address; where one is given by name only,
// none is.
func newResourceManager(conns int, balancers []peer.AddrInfo, refused rcmgr.MetricsReporter) (network.ResourceManager, error) {
	ids := make([]peer.ID, len(balancers))
	exempt := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}
	for i, b := range balancers {
		ids[i] = b.ID
		for _, addr := range b.Addrs {
			exempt = append(exempt, prefixes(addr)...)
		}
	}
	var v4, v6 []rcmgr.NetworkPrefixLimit
	limiter := newRateLimiter()
	for _, prefix := range exempt {
		limiter.NetworkPrefixLimits = append(limiter.NetworkPrefixLimits, rate.PrefixLimit{Prefix: prefix}) // the zero Limit is none
		if limit := (rcmgr.NetworkPrefixLimit{Network: prefix, ConnCount: math.MaxInt}); prefix.Addr().Is4() {
			v4 = append(v4, limit)
		} else {
			v6 = append(v6, limit)
		}
	}
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(scopes(conns, ids).Build(rcmgr.InfiniteLimits)),
		rcmgr.WithMetricsDisabled(), // libp2p's own, of the whole process
		rcmgr.WithMetrics(refused),
		rcmgr.WithNetworkPrefixLimit(v4, v6),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: quota.AddressConns.Burst}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: quota.AddressConns.Burst}, {PrefixLength: 48, ConnCount: quota.SiteFactor * quota.AddressConns.Burst}},
		),
		rcmgr.WithConnRateLimiters(limiter),
	)
}

// prefixes returns the networks that a balancer's address stands for: its IP
// address alone, or everything when it has only a name, whose meaning may
// change while the server runs.
func prefixes(addr ma.Multiaddr) []netip.Prefix {
	ip, err := manet.ToIP(addr)
	if err != nil {
		return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	one, ok := netip.AddrFromSlice(ip)
	if !ok {
		return nil
	}
	one = one.Unmap()
	return []netip.Prefix{netip.PrefixFrom(one, one.BitLen())}
}

func newRateLimiter() *rate.Limiter {
	l := quota.AddressNewConns
	perSubnet := rate.Limit{RPS: l.Rate, Burst: l.Burst}
	perSite := rate.Limit{RPS: quota.SiteFactor * l.Rate, Burst: quota.SiteFactor * l.Burst}
	return &rate.Limiter{
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: perSubnet}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: perSubnet}, {PrefixLength: 48, Limit: perSite}},
			GracePeriod:      time.Minute,
		},
	}
}
