package seal

import "github.com/tryst-chat/tryst/node/crypto/tdes"

const (
	// Suite is the number of the one cipher suite, bound into every key and tag.
	Suite = 1

	// SaltSize is the length of the random bytes that travel with a sealed
	// message: 128 bits, so that salts drawn at random do not meet.
	SaltSize = 16
	// TagSize is the whole HMAC-SHA-256 output. It is not truncated: 32 bytes
	// cost nothing beside the padding.
	TagSize = 32
	// Overhead is what Seal adds to a plaintext.
	Overhead = SaltSize + TagSize

	// MaxSealed is the longest sealed message, and the longest envelope that a
	// mailbox takes. It is also what 3DES may encrypt under one key.
	MaxSealed = tdes.MaxLen
	// MaxPlaintext is the longest plaintext, so that its sealing is no longer
	// than MaxSealed.
	MaxPlaintext = MaxSealed - Overhead

	// ChunkSize is the length of every chunk of a file but the last: small
	// enough to fetch and check a range alone, large enough that the tag, the
	// key derivation and the hash tree do not count.
	ChunkSize = 64 << 10
	// ChunkOverhead is what SealChunk adds to a chunk. There is no salt.
	ChunkOverhead = TagSize

	// PadBucket is the step of padded lengths up to PadBucketsUpTo. Most texts
	// then share one of two lengths, and a session costs no more time for it.
	PadBucket = 256
	// PadBucketsUpTo is where Padmé takes over, whose lengths leak
	// O(log log n) bits and add at most 12 %.
	PadBucketsUpTo = 2 << 10
	// MaxContent is the longest content whose padded form Seal still takes, with
	// 2,000 bytes to spare below MaxSealed for the headers and signatures that
	// callers put around it. Above 32 KiB padded lengths are multiples of
	// padStepMax.
	MaxContent = MaxPlaintext&^(padStepMax-1) - 1
	padStepMax = 2 << 10
)
