package store

import "time"

const (
	// memTableSize is Badger's default. Badger takes transactions up to 15 % of it
	// (9.6 MiB), which the two limits below stay within. Its pages are not resident
	// before they are written.
	memTableSize = 64 << 20
	// MaxUpdate bounds what one Update writes, in bytes of keys and values and
	// rowOverhead each: 32 messages of the longest text with all that belongs to
	// them, and room.
	MaxUpdate = 4 << 20
	// rowOverhead stands for what Badger keeps of each row, whose number it limits
	// too: one for every 96 bytes of its largest transaction.
	rowOverhead = 100
	// maxBatchBytes is when a transaction takes in no further Update. With one
	// MaxUpdate on top it is below Badger's limits.
	maxBatchBytes = 1 << 20
	// maxBatch bounds the Updates that share a transaction, so that the first does
	// not wait for long: closures take microseconds, a sync about a millisecond.
	maxBatch = 256

	// MinFree is what the disk must have left for a transaction to begin, in bytes.
	// Badger writes through mapped memory, so that a disk which is full when a page is
	// touched ends the process: its log and a table of the same size fit in here.
	MinFree = 2 * memTableSize
	// closeTimeout is how long closing may take: well above writing a memTable to a
	// slow disk.
	closeTimeout = 15 * time.Second

	// cacheSize is for blocks and for table indexes alike: one node's conversations
	// are small, and several nodes may share a machine.
	cacheSize = 8 << 20
	// maxParsed bounds the parsed sessions and contacts in memory: peers that one
	// talks with in the same hour. A session that must be parsed costs 60 µs.
	maxParsed = 512

	// SeenLifetime is how long the ID of a message is remembered: longer than the
	// 30 days that a mailbox or an outbox keeps the message.
	SeenLifetime = 35 * 24 * time.Hour
	// maxPrune bounds the rows that one transaction forgets (with the overhead less
	// than 200 bytes each), so that it stays far below MaxUpdate.
	maxPrune = 4_000
	// LogLifetime is how long a group's sealed messages are kept for members who lack
	// them: as long as an outbox would have kept them.
	LogLifetime = 30 * 24 * time.Hour
	// MaxLog bounds the bytes that are kept so for one group; then the oldest go. It
	// holds 100,000 ordinary messages.
	MaxLog = 64 << 20
)
