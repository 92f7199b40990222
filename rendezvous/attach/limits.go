package attach

import "time"

// Limits of standing behind a balancer, each with its reason.
const (
	// dialTimeout bounds connecting and each opening step. A balancer that
	// takes longer is as good as down, and asking again is cheap.
	dialTimeout = 5 * time.Second
	// Waits between attempts double from minRetry to maxRetry, with jitter: a
	// balancer that was restarted has its servers back within a fraction of a
	// second, one that is gone for long is asked once a second.
	minRetry = 50 * time.Millisecond
	maxRetry = time.Second
	// readyPoll is how often the server is asked whether it takes clients, between
	// beats: somebody may be waiting for the first one that does.
	readyPoll = 20 * time.Millisecond
	// refusedRetry is the wait after a balancer said no: an operator has to
	// put something right first.
	refusedRetry = 5 * time.Second
)
