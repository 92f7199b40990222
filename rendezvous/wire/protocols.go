package wire

import "github.com/libp2p/go-libp2p/core/protocol"

// Protocol IDs carry the version: an incompatible change is a new ID beside
// the old one.
const (
	// Rendezvous: a node asks a server; one Request and one Response a stream.
	Rendezvous protocol.ID = "/tryst/rendezvous/1.0.0"
	// Beat: node and server, one Beat a second each way for as long as the
	// node is logged in.
	Beat protocol.ID = "/tryst/beat/1.0.0"
	// Balancer: anybody asks a balancer for a server; one BalancerRequest and
	// one Assignment a stream.
	Balancer protocol.ID = "/tryst/balancer/1.0.0"
	// Backend: a server stands behind a balancer for as long as it is open.
	Backend protocol.ID = "/tryst/backend/1.0.0"
	// Relay: a device shows a balancer that it may be reached through its
	// relay; one RelayRequest and one RelayReply a stream.
	Relay protocol.ID = "/tryst/relay/1.0.0"
	// Raft: between servers only.
	Raft protocol.ID = "/tryst/raft/1.0.0"
	// Forward: between servers only; a command on its way to the leader.
	Forward protocol.ID = "/tryst/forward/1.0.0"
	// Presence: between servers only; who is where.
	Presence protocol.ID = "/tryst/presence/1.0.0"
	// Servers: between servers only; who belongs to the cluster, and how they are.
	// One ServerRequest and one ServerReply a stream.
	Servers protocol.ID = "/tryst/servers/1.0.0"
)
