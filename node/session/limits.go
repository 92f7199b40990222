package session

const (
	// MaxSessions is how many sessions are kept with one device: the active one
	// and those in which a message may still be under way. Two that begin at once
	// make two; each renewal adds one, and few happen within the 30 days that a
	// mailbox keeps a message. An idle session takes about 400 bytes.
	MaxSessions = 8
	// MaxEnded is how many Initials of ended sessions are remembered, so that
	// they begin none again: 1 KiB of each record. An Initial is good for no
	// longer than its prekeys are kept (account.KeyLifetime).
	MaxEnded = 32
)
