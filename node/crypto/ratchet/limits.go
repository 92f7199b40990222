package ratchet

import (
	"time"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

const (
	// MaxPlaintext is the longest plaintext that Encrypt takes.
	MaxPlaintext = seal.MaxContent

	// MaxSkippedChain is how many keys of messages that have not come are kept
	// for one chain: a mailbox holds 1,000 envelopes for a device, so no more can
	// be overtaken by one message.
	MaxSkippedChain = 1000
	// MaxSkipped is the same for all chains of a session, 88 KB of state. The
	// oldest chain's go first. A peer that leaves one message out of each of so many
	// chains makes us keep them all: 230 KB, and as many header keys to try for a
	// message that does not open, about 8 ms.
	MaxSkipped = 2000
	// MaxForward is how far ahead of the last one a message may be, what is missing
	// at the end of the chain before included: what a peer can make us compute for
	// one message, about 30 ms. It takes a header that is the peer's; for all others
	// nothing is computed but the tries of the header keys.
	MaxForward = 20000
	// SkippedLifetime is how long the key of a message that has not come is kept:
	// longer than the 30 days that a mailbox keeps it.
	SkippedLifetime = 35 * 24 * time.Hour
	// MaxRetired is how many ended receiving chains without skipped keys are
	// remembered to tell duplicates by: retries are seconds old, so 64 turns of a
	// conversation are plenty, and cost 4 KB of state.
	MaxRetired = 64

	// headerSize is DH public key || PN || N.
	headerSize       = key.Size + 4 + 4
	sealedHeaderSize = headerSize + seal.Overhead
)
