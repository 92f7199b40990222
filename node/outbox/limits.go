package outbox

import "time"

const (
	// Lifetime is how long a message waits for a device: as long as a mailbox
	// would keep it. The receiver's keys for it live longer.
	Lifetime = 30 * 24 * time.Hour

	// FirstDelay and MaxDelay bound the wait after a failed attempt, which doubles
	// each time. Presence of the peer ends it at once, so the longest is only for
	// peers whose presence does not reach us.
	FirstDelay = time.Second
	MaxDelay   = 5 * time.Minute

	// FirstAgain and MaxAgain bound the time after which the servers are given an
	// entry again: repeating costs them a replicated write, or nothing if they have it.
	FirstAgain = time.Hour
	MaxAgain   = 24 * time.Hour

	// MaxRenewals is how often one message may ask for a new session. Each costs
	// the peer a prekey; a peer that refuses five different sessions will refuse
	// the sixth.
	MaxRenewals = 5

	// Window is how many entries of a device are worth reading at a time: as many
	// as are sent before the first is acknowledged.
	Window = 64

	// MaxQueued and MaxQueuedBytes bound what waits for one device: some times
	// what a mailbox takes (1,000 envelopes, 20 MiB), so that a device which stays
	// away for long cannot fill the sender's disk.
	MaxQueued      = 10_000
	MaxQueuedBytes = 64 << 20
)
