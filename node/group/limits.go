package group

import "github.com/tryst-chat/tryst/rendezvous/record"

const (
	// MaxBuffered and MaxBufferedBytes bound the messages that wait for their
	// sender's key or for the chain: what a group says in the seconds that a key
	// takes over a session, or a dozen of the longest texts.
	MaxBuffered      = 256
	MaxBufferedBytes = 1 << 20
	// MaxReceivers bounds the sender chains of others, of all epochs together: each
	// device of a full group twice, so that the messages of one epoch can still be
	// read when everybody has spoken in the next. Those of the oldest epoch go
	// first. A chain takes about 200 bytes, 36 more for each message missing.
	MaxReceivers = 2 * record.MaxMembers * record.MaxDevices
	// MaxChains bounds the chains of one device in one epoch. It makes another one
	// only when its home was restored from a copy, or may have been: when it speaks
	// before the servers have said.
	MaxChains = 4
)
