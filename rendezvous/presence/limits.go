package presence

import (
	"time"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Limits of presence, each with its reason.
const (
	// maxDevices bounds the table: at about 1 KB an announcement some 100 MB,
	// and more devices than one cluster without shards is planned for.
	maxDevices = 100_000
	// maxPerAccount is twice what an account has active at one time, because a
	// revoked device's announcement stands until it ends by itself.
	maxPerAccount = 2 * record.MaxDevices

	// maxFrame bounds a frame between servers: maxBatch rumours at their
	// largest (a peer record of 4 KiB and its account, device and numbers).
	maxFrame = 256 << 10
	maxBatch = 48
	// maxQueue is how far a server may lag behind before its stream is closed
	// and it gets everything anew.
	maxQueue = 4096

	// idleInterval is how often a stream with nothing to say says so, and
	// frameTimeout after how long the other side takes it for dead. Presence
	// stands for more than a minute, so this need not be quick.
	idleInterval = 5 * time.Second
	frameTimeout = 15 * time.Second
	// sweepInterval is how often what has ended is thrown out; Find does not
	// return it in between.
	sweepInterval = 10 * time.Second
	// dialTimeout bounds opening a stream to another server. Waits between
	// attempts double from minRetry to maxRetry, with jitter: a server that
	// comes back hears of everybody within about a second.
	dialTimeout = 5 * time.Second
	minRetry    = 100 * time.Millisecond
	maxRetry    = 2 * time.Second
)
