package causal

import "time"

const (
	// Patience is how long a message waits for those before it. Whoever has them has
	// had the time to pass them on, over the servers too; what comes still later is
	// shown late.
	Patience = 30 * time.Second
	// Notice is after how long people are told that something is missing: repairs
	// take less than that.
	Notice = 2 * time.Second
	// MaxHeld bounds the messages that wait: what a busy group says in Patience. The
	// oldest is shown to make room.
	MaxHeld = 1024
	// MaxChains bounds the chains that are remembered: all devices of a full group, in
	// two epochs. The one that was silent for the longest is forgotten.
	MaxChains = 4096
)
