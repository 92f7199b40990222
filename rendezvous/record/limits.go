package record

import "time"

// Limits of records. They bound what a stranger can make anybody parse.
const (
	// MaxRecord is the largest signed record: a one-time prekey or a bundle is
	// about 1.4 KB, everything else is far smaller.
	MaxRecord = 4 << 10
	// MaxDevices bounds the devices that an account has at one time; each is
	// one more ciphertext for everybody who writes to it.
	MaxDevices = 8
	// MaxDeviceLog bounds a device log's length: ten years of a new device
	// every month with its revocation, and a log that still travels whole.
	MaxDeviceLog = 256
	// MaxMembers bounds a group: each member device costs one sender key
	// message an epoch.
	MaxMembers = 256
	// MaxInvited bounds a group's open invitations: one for each who may be in it.
	MaxInvited = MaxMembers
	// MaxChain bounds a group's membership chain, so that a newcomer can
	// always fetch and check it whole (about 350 bytes a statement).
	MaxChain = 2048
	// MaxRemoved is how many accounts a chain can have removed: each takes a statement
	// to come and one to go.
	MaxRemoved = MaxChain / 2
	// MaxHistory bounds the messages that a group's newcomers are given: some screens
	// full, which a member's device keeps the keys of (250 bytes each).
	MaxHistory = 500
	// MaxPrekeys bounds the one-time prekeys that one device keeps in the
	// directory: at 1.4 KB each a full stock fits one replicated command.
	MaxPrekeys = 100
	// PermitLifetime is how long a permit stands: a device that is revoked is
	// off the relays within it. Devices renew theirs at half time.
	PermitLifetime = time.Hour

	// permitSkew is what the clock of the server that signs a permit may be
	// ahead of the clock of who checks it.
	permitSkew = 15 * time.Minute

	maxName   = 32 // characters of an account's name or of a group's
	maxRoll   = 16 // characters of a roll number
	maxPeerID = 64 // bytes; an Ed25519 peer ID takes 38
	maxLabel  = 64 // bytes of a device's or a server's own name
)
