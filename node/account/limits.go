package account

import "time"

const (
	// RotateAfter is the age at which the signed and the last-resort prekey are
	// replaced: it bounds the sessions whose start a stolen prekey gives away.
	RotateAfter = 7 * 24 * time.Hour
	// KeyLifetime is how long a replaced prekey still opens messages: longer than
	// the 30 days that a mailbox keeps them, so that one made with a bundle
	// fetched just before its rotation opens.
	KeyLifetime = 35 * 24 * time.Hour
	// maxGenerations bounds the prekeys kept: KeyLifetime by RotateAfter, the
	// current one and one to spare for a clock that went back.
	maxGenerations = int(KeyLifetime/RotateAfter) + 2
	// renewalJump is how many IDs are passed over when a device's home has gone back
	// to an older state: what a thousand refills make that never reach the directory.
	// There is room for 65,535 such jumps.
	renewalJump = 1 << 16
	// MaxOneTime is how many private one-time prekeys a device keeps, 96 bytes
	// each. The directory has at most 100 at a time; the rest were given out and
	// not used yet. Past it the oldest are forgotten, and who still has one of
	// those is asked to begin anew.
	MaxOneTime = 1000
)
