package wire

import "time"

// Limits of the wire, each with its reason.
const (
	// MaxRequest holds a full stock of one-time prekeys (100 of 1.4 KB) with
	// room, and stays below what one replicated command may take (256 KiB).
	MaxRequest = 192 << 10
	// MaxResponse holds a whole device log or a page of a membership chain.
	MaxResponse = 512 << 10
	// MaxBeat holds a watch list of MaxWatched accounts or a second's notices.
	MaxBeat = 128 << 10
	// MaxBalancer holds an assignment with all its addresses.
	MaxBalancer = 16 << 10

	// MaxVault holds two keys and what later versions add to them.
	MaxVault = 4 << 10
	// MaxOpaque is above every OPAQUE message and record (a record is 192
	// bytes and its parameters).
	MaxOpaque = 1 << 10
	// MaxWatched bounds the accounts whose presence one node follows: every
	// member of several full groups.
	MaxWatched = 2048
	// MaxFindPeers bounds the accounts of one FindPeers.
	MaxFindPeers = 256
	// MaxPeerRecord bounds a signed peer record: some twenty addresses.
	MaxPeerRecord = 4 << 10
	// GroupPage is the number of groups that one ListGroups answers with, and
	// ChainPage that of statements that one GetGroup does: each is below
	// MaxResponse at the records' largest.
	GroupPage = 1000
	ChainPage = 100
	// TokenSize is the length of the token by which a device's start is known
	// again.
	TokenSize = 16
	// MaxAccepted and MaxBlocked bound the accounts that one account has accepted
	// and blocked: more than one knows, and few enough that all of them together
	// (names of at most 48 bytes) are one answer below MaxResponse.
	MaxAccepted = 4096
	MaxBlocked  = 4096
	// MaxContactChanges bounds the accounts that one SetContacts names: with the
	// longest names a quarter of MaxRequest.
	MaxContactChanges = 1024
	// PrekeyLow is the stock below which a server tells a device to publish
	// more one-time prekeys.
	PrekeyLow = 20

	// MaxEnvelope bounds a letter: the largest sealed message. Two of the largest
	// do not fit into one request, and hardly any is that large.
	MaxEnvelope = 96 << 10
	// LetterIDSize is the length of a letter's ID.
	LetterIDSize = 16
	// MaxLetters bounds the letters of one request. Each takes up to 900 bytes of
	// indexes and sums beside itself, which have to fit into a transaction with it.
	MaxLetters = 256
	// MaxFor bounds the devices that a request's group letters are for, in all,
	// for the same reason: 250 bytes each.
	MaxFor = 512
	// MailPage bounds, in bytes, the letters that one request fetches: four of the
	// largest, and below MaxResponse. A letter counts as its envelope and
	// LetterOverhead, which is above all that travels with it.
	MailPage       = 384 << 10
	LetterOverhead = 160

	// RequestTimeout bounds one request, the wait for a new leader included.
	RequestTimeout = 10 * time.Second
	// BeatInterval and BeatTimeout notice a frozen peer within two seconds,
	// where libp2p's own keep-alive takes half a minute.
	BeatInterval = time.Second
	BeatTimeout  = 2 * time.Second
	// PresenceLifetime is how long an announcement stands unless it is renewed
	// or withdrawn, AnnounceInterval how often a node renews it.
	PresenceLifetime = 75 * time.Second
	AnnounceInterval = 25 * time.Second
	// AssignmentLifetime is how long a node stays with a server before it asks
	// again, so that load finds its way back to a server that returned.
	AssignmentLifetime = 10 * time.Minute
)
