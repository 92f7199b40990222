package client

import "time"

// Limits of the client, each with its reason.
const (
	// balancerTimeout bounds connecting to a balancer and its answer: a little
	// above a slow mobile round trip times the handshake's four.
	balancerTimeout = 4 * time.Second
	// serverTimeout bounds connecting to an assigned server and its hello; a
	// server that needs longer is avoided and another one asked for.
	serverTimeout = 5 * time.Second
	// avoidFor is how long a balancer is told not to assign a server that
	// failed this node; by then the balancer's own beat knows better.
	avoidFor = 5 * time.Second
	// maxAvoid bounds what a BalancerRequest carries; balancers take no more.
	maxAvoid = 16

	// retryLeast and retryMost bound the pause between attempts, which doubles
	// and is drawn at random from its upper half, so that the clients of a dead
	// server do not arrive as a herd. The first attempt after a loss waits up
	// to retryLeast only: nobody should notice but the log.
	retryLeast = 50 * time.Millisecond
	retryMost  = 2 * time.Second

	// limitedLeast and limitedMost bound the same for a server that says that this
	// device has asked too much: what it is given back each second is some dozen
	// requests, or ten names.
	limitedLeast = 250 * time.Millisecond
	limitedMost  = 5 * time.Second

	// refusedMost takes retryMost's place for a balancer that is there and gives
	// no place on its relay: somebody has to put something right first.
	refusedMost = 30 * time.Second
	// maxCircuits bounds the addresses through relays that a device has: two of
	// each of four balancers. They share a presence of wire.MaxPeerRecord with
	// its own.
	maxCircuits = 8

	// minLifetime and maxLifetime bound the lifetime of an assignment, so that
	// a balancer can make a client neither hammer it nor stay for ever.
	minLifetime = 10 * time.Second
	maxLifetime = 24 * time.Hour

	// maxNotices bounds the notices that wait for a slow reader; one Resync
	// takes the place of all of them.
	maxNotices = 1024

	// maxPrekeyID bounds the prekey IDs that a device is told it has used: half of
	// those there are, and more than a device uses in forty years at a hundred a
	// minute. So a server's lie cannot use up the rest.
	maxPrekeyID = 1 << 31

	// maxListed bounds the groups that ListGroups collects: a hundred pages.
	maxListed = 100_000
)
