package store

import "time"

const (
	// memTableSize is Badger's default. Badger takes transactions up to 15 % of it
	// (9.6 MiB), which the two limits below stay within. Its pages are not resident
	// before they are written.
	memTableSize = 64 << 20
	// MaxUpdate bounds the keys and values that one Update writes: 32 messages of
	// the longest text with all that belongs to them, and room.
	MaxUpdate = 4 << 20
	// maxBatchBytes is when a transaction takes in no further Update. With one
	// MaxUpdate on top, and what Badger adds to each row, it is below Badger's limit.
	maxBatchBytes = 1 << 20
	// maxBatch bounds the Updates that share a transaction, so that the first does
	// not wait for long: closures take microseconds, a sync about a millisecond.
	maxBatch = 256

	// cacheSize is for blocks and for table indexes alike: one node's conversations
	// are small, and several nodes may share a machine.
	cacheSize = 8 << 20
	// maxParsed bounds the parsed sessions and contacts in memory: peers that one
	// talks with in the same hour. A session that must be parsed costs 60 µs.
	maxParsed = 512

	// SeenLifetime is how long the ID of a message is remembered: longer than the
	// 30 days that a mailbox or an outbox keeps the message.
	SeenLifetime = 35 * 24 * time.Hour
	// maxPrune bounds the rows that one transaction deletes (each less than 100
	// bytes), so that it stays far below MaxUpdate.
	maxPrune = 10_000
	// MaxBuffered is how many undelivered messages are kept for a group, of up to
	// 64 KiB; then the oldest are dropped.
	MaxBuffered = 1000
)
