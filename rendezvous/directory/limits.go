package directory

const (
	// MaxCommand bounds one command: the largest request (a full stock of
	// prekeys, wire.MaxRequest) with its envelope. Longer ones would hold up
	// the heartbeats that share Raft's connections.
	MaxCommand = 256 << 10

	// opaqueFloor is the smallest OPAQUE record that can be one: a client
	// public key, a masking key and an envelope (RFC 9807, section 4.1).
	opaqueFloor = 32 + 64 + 96
)
