package roster

import "github.com/tryst-chat/tryst/rendezvous/wire"

const (
	// MaxAccepted, MaxBlocked and MaxChanges are what the servers take.
	MaxAccepted = wire.MaxAccepted
	MaxBlocked  = wire.MaxBlocked
	MaxChanges  = wire.MaxContactChanges

	// MaxHeld bounds the messages of one stranger that wait for the person's word: a
	// greeting in parts, and as many letters as the servers keep of a stranger. What
	// is too much stays with the sender.
	MaxHeld = 20
	// MaxHeldAll and MaxHeldBytes bound those of all strangers: fifty at the most
	// that each may have, and little on any disk.
	MaxHeldAll   = 1000
	MaxHeldBytes = 16 << 20
)
