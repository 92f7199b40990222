// Package wire is the language between two nodes: protocol IDs, limits,
// message IDs, and the conversion of what a session or a sender chain holds
// from and to its protobuf form. It is pure; package transport moves the
// frames, packages session and senderkey seal them.
package wire

import (
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"
)

// Protocol IDs carry the version.
const (
	// Message: one long-lived stream between two devices, for Frames.
	Message protocol.ID = "/tryst/message/1.0.0"
	// File: a device fetches a file's sealed chunks from another.
	File protocol.ID = "/tryst/file/1.0.0"
	// GroupSync: a device asks another member's for the group messages it lacks.
	GroupSync protocol.ID = "/tryst/group-sync/1.0.0"
)

// Limits between nodes, each with its reason.
const (
	// MaxText is the longest text in bytes of UTF-8: a long letter. Longer
	// things are files.
	MaxText = 64 << 10
	// MaxEnvelope is the largest sealed message: MaxText padded, with room
	// for headers; below the seal's own limit of 96 KiB a key.
	MaxEnvelope = 96 << 10
	// MaxFrame is an envelope with what a Frame adds.
	MaxFrame = MaxEnvelope + 1<<10
	// MaxFileFrame is a sealed chunk of 64 KiB or as much of the chunks'
	// hashes, with what a FileReply adds.
	MaxFileFrame = 64<<10 + 1<<10
	// MaxFile is the largest file: its chunks' hashes take 8 MiB, which both
	// sides hold in memory.
	MaxFile = 16 << 30
	// MaxFileName is the longest file name that travels, in bytes: what
	// common file systems take.
	MaxFileName = 255

	// MaxReceived bounds the messages that one content acknowledges, so that it fits
	// into an envelope some times.
	MaxReceived = 1024
	// MaxAfter bounds the messages that a group message says it follows: the senders
	// who spoke since its own sender did last. Of more, the newest are named.
	MaxAfter = 64

	// HelloTimeout bounds the exchange of Hellos on a new stream; DeliverTimeout
	// the wait for a receipt, which includes the other side's disk and, at
	// first contact, its look-up of our account.
	HelloTimeout   = 5 * time.Second
	DeliverTimeout = 15 * time.Second
	// ChunkTimeout bounds the wait for the next chunk of a file.
	ChunkTimeout = 30 * time.Second
)
