package transport

import (
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"

	"github.com/tryst-chat/tryst/node/wire"
)

// Limits of message streams, each with its reason.
const (
	// Window is how many deliveries may wait for their receipts on one link:
	// enough to keep a distant peer's disk busy, few enough to send again.
	Window = 64
	// MaxBatch is how many deliveries a Receiver gets at once, so that it commits
	// them in one transaction.
	MaxBatch = 32
	// maxInboxBytes bounds what has arrived on one stream and is not yet received:
	// a batch of ordinary messages, or two of the largest. Beyond it libp2p's flow
	// control holds the sender back.
	maxInboxBytes = 256 << 10
	// receiveMemory is what a message stream reserves from the resource manager:
	// a full inbox, the batch being received and the frame being read.
	receiveMemory = 2*maxInboxBytes + wire.MaxFrame
	// writeTimeout bounds one write to a stream: a peer that reads nothing for so
	// long is gone.
	writeTimeout = wire.DeliverTimeout
)

// Limits of reaching a peer.
const (
	// directTimeout bounds the dial of a peer's own addresses before a circuit is
	// tried: a few lost packets on a slow path.
	directTimeout = 5 * time.Second
	// circuitTimeout bounds the dial over a relay, which is two dials behind each
	// other.
	circuitTimeout = 10 * time.Second
	// maxAddrs is how many addresses of one peer are dialled: more than a machine
	// has, fewer than would make this node a weapon against somebody else's.
	maxAddrs = 32
	// addrLifetime is how long a peer's addresses stay in the peerstore: presence
	// is renewed well before.
	addrLifetime = 10 * time.Minute
)

// Limits of GossipSub.
const (
	// maxTopicMessage is the largest pubsub message: an envelope, its topic,
	// author and signature.
	maxTopicMessage = wire.MaxEnvelope + 4<<10
	// topicQueue is the length of pubsub's queues. Measured: 200 messages
	// published back to back lose 12 to 55 % with the default of 32.
	topicQueue = 1024
	// heartbeat is GossipSub's. A peer that connects after it subscribed enters
	// the mesh at the next one: 0.16 s instead of 0.6 s with the default of 1 s.
	heartbeat = 200 * time.Millisecond
	// validateQueue is the length of the queue to the check of signatures, where
	// each message waits once for every mesh peer that passes it on: topicQueue times
	// the mesh. Measured: ten members who speak at once overrun topicQueue.
	validateQueue = 8 * topicQueue
	// historyLength and historyGossip are for how many heartbeats a message can be
	// asked for (3 s) and is told of (1 s).
	historyLength = 15
	historyGossip = 5
	// meshBackoff is how long a peer that left a mesh or a topic is not taken back,
	// to which GossipSub adds 2 to 5 s of its own. The defaults, a minute and 10 s, are
	// for networks of strangers; here they would cut off who comes back.
	meshBackoff = time.Second
	// MeshPatience is how long Publish holds a message until the topic's mesh
	// stands (it takes 10 to 280 ms).
	MeshPatience = 3 * time.Second
	// Overlap is how long a node stays in an epoch's topic after it has joined the
	// next one's: MeshPatience, after which everybody publishes on the new one, and
	// 2 s for what is still under way.
	Overlap = MeshPatience + 2*time.Second
	// unsubscribePoll is how often Leave looks whether pubsub has handled the
	// cancelled subscription, which it does not announce, and unsubscribeTries
	// when it gives up.
	unsubscribePoll  = 5 * time.Millisecond
	unsubscribeTries = 400
	// offerInterval is how often peers that pubsub has lost are offered to it again;
	// below MeshPatience, so that a message is still held.
	offerInterval = time.Second
	// maxParked bounds the pubsub streams of strangers that wait unread (one a
	// peer); the oldest is dropped.
	maxParked = 256
)

// Limits of group-sync streams.
const (
	// maxSyncing is how many requests for group messages are served to one peer at a
	// time: it asks for one group after the other.
	maxSyncing = 4
	// syncTimeout bounds a request and its answer, half a MiB over a slow line.
	syncTimeout = 15 * time.Second
)

// Limits of file streams.
const (
	// filePatience bounds the dial of a connection of a file's own; after it the
	// file takes the connection that is there.
	filePatience = 3 * time.Second
	// maxServing is how many files are served to one peer at a time.
	maxServing = 8
	// maxFileFrames bounds the frames of one transfer: all chunks of the largest
	// file, and as many frames again for hashes.
	maxFileFrames = 2 * wire.MaxFile / (64 << 10)
)

// Connections: a node talks to the member devices of its groups (256 members,
// most with one or two devices, several groups), to its contacts and to a
// server. Peers behind one NAT or one relay share an address, so that the limit
// for an address is the limit for all: what is limited is what one *peer* may do.
const (
	maxConns     = 2048
	connsLow     = 1536 // the connection manager trims from connsHigh to connsLow
	connsHigh    = 1792
	connsGrace   = time.Minute
	connsPerPeer = 8 // two transports, both sides dialling at once, a circuit, file connections
	connRate     = 64
	connBurst    = 1024 // a whole group comes back when a server restarts

	maxStreams      = 32 << 10
	streamsPerPeer  = 128 // messages, pubsub and identify each way, and file streams
	memoryTotal     = 512 << 20
	memoryPerPeer   = 32 << 20 // several streams with a full window
	ipv4Whole       = 32       // prefix length: one address
	ipv6Whole       = 64       // prefix length: what one household gets
	connLimitGrace  = time.Minute
	transientShare  = 4 // a connection being set up is one of at most maxConns/4
	inboundStreams  = maxStreams / 2
	inboundPeerPart = streamsPerPeer / 2
)

// newResourceManager returns the one table of what the network may take from
// this process. What it does not name has libp2p's defaults, scaled to the
// machine.
func newResourceManager() (network.ResourceManager, error) {
	scaling := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&scaling)
	all := rcmgr.ResourceLimits{
		Conns: maxConns, ConnsInbound: maxConns, ConnsOutbound: maxConns, FD: maxConns,
		Streams: maxStreams, StreamsInbound: inboundStreams, StreamsOutbound: inboundStreams,
		Memory: memoryTotal,
	}
	transient := rcmgr.ResourceLimits{
		Conns: maxConns / transientShare, ConnsInbound: maxConns / transientShare, ConnsOutbound: maxConns / transientShare,
		FD:      maxConns / transientShare,
		Streams: maxStreams / transientShare, StreamsInbound: maxStreams / transientShare, StreamsOutbound: maxStreams / transientShare,
		Memory: memoryTotal / transientShare,
	}
	onePeer := rcmgr.ResourceLimits{
		Conns: connsPerPeer, ConnsInbound: connsPerPeer, ConnsOutbound: connsPerPeer, FD: connsPerPeer,
		Streams: streamsPerPeer, StreamsInbound: inboundPeerPart, StreamsOutbound: inboundPeerPart,
		Memory: memoryPerPeer,
	}
	protocols := rcmgr.ResourceLimits{
		Streams: maxStreams, StreamsInbound: inboundStreams, StreamsOutbound: inboundStreams, Memory: memoryTotal,
	}
	protocolPeer := rcmgr.ResourceLimits{
		Streams: inboundPeerPart, StreamsInbound: inboundPeerPart, StreamsOutbound: inboundPeerPart, Memory: memoryPerPeer,
	}
	limits := rcmgr.PartialLimitConfig{
		System: all, Transient: transient, PeerDefault: onePeer,
		ProtocolDefault: protocols, ProtocolPeerDefault: protocolPeer,
	}.Build(scaling.AutoScale())
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: ipv4Whole, ConnCount: maxConns}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: ipv6Whole, ConnCount: maxConns}}),
		rcmgr.WithConnRateLimiters(&rate.Limiter{SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: ipv4Whole, Limit: rate.Limit{RPS: connRate, Burst: connBurst}}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: ipv6Whole, Limit: rate.Limit{RPS: connRate, Burst: connBurst}}},
			GracePeriod:      connLimitGrace,
		}}))
}
