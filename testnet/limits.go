package testnet

import "time"

const (
	// maxServers is what one machine carries; more voters also slow every
	// write down.
	maxServers = 64

	// maxBalancers is more than anybody has servers behind; each holds a stream to
	// every one of them.
	maxBalancers = 8

	// readyTimeout bounds the start: servers elect a leader in under two
	// seconds, but many of them share few cores.
	readyTimeout = 60 * time.Second
	// pollInterval is how often a health endpoint is asked meanwhile.
	pollInterval = 50 * time.Millisecond
	// stopTimeout is how long a process may take to end by itself before it
	// is killed: a server hands over its leadership, a node its last messages,
	// and many of them share few cores.
	stopTimeout = 30 * time.Second
	// expectTimeout bounds the wait for one event of a node: above every
	// time-out that the node itself has, several in a row, on a busy machine.
	expectTimeout = 60 * time.Second
	// bindTries is how often ports are drawn again when somebody else took
	// one before its server could.
	bindTries = 5

	// maxEventLine holds a JSON event with a whole history: some hundred texts of
	// 64 KiB, or a hundred thousand short ones.
	maxEventLine = 64 << 20
)
