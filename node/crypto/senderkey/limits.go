package senderkey

import (
	"crypto/ed25519"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

const (
	// MaxPlaintext is the longest plaintext that Encrypt takes.
	MaxPlaintext = seal.MaxContent

	// MaxSkipped is how many keys of messages that have not come are kept for a
	// chain, 72 KB of state. Gaps are fetched within minutes, and a chain ends with
	// its epoch, so that keys need no date of their own.
	MaxSkipped = 2000
	// MaxForward is how far ahead of the last one a message may be: what a member
	// can make us compute for one message, about 30 ms. A device that has missed
	// more asks for a new distribution.
	MaxForward = 20000

	// GroupIDSize is the length in bytes of a group's random ID.
	GroupIDSize = 16
	// ChainIDSize is the length in bytes of a chain's random ID.
	ChainIDSize = 16
	// DistributionSize is the length in bytes of a distribution.
	DistributionSize = 1 + GroupIDSize + 8 + ChainIDSize + 4 + key.Size + ed25519.PublicKeySize

	headerSize = ChainIDSize + 4
	// Overhead is what Encrypt adds to a padded plaintext.
	Overhead = headerSize + seal.Overhead + ed25519.SignatureSize
)
