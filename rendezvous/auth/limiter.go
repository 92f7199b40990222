package auth

import "time"

// Limiter slows down guessing. It counts guesses, not failures: in OPAQUE the
// client knows from KE2 alone whether its password is right, and who guesses
// sends no KE3 to be counted. So every KE2 is charged before it is made, and
// handed back when the login succeeds. A registration response is worth as much
// to a guesser (see [Server.RegistrationResponse]) and is charged the same way.
//
// Each device has a few guesses free and then waits longer and longer. Devices
// are made for nothing, so all strange devices together also have an account's
// pace. That wait stays short, since a stranger can cause it, and devices already
// enrolled in the account need not keep it: nobody can lock out the device that
// a person uses every day. On a new device, and only while a stranger keeps
// guessing, the owner has to find a turn among the stranger's.
//
// Accounts that do not exist are charged like all others: else the wait would
// tell them apart. Each server has a limiter of its own, so that a cluster of N
// allows N times as much.
//
// A Limiter has neither clock nor lock: its owner serializes the calls. It
// remembers at most trackedKeys devices and accounts.
type Limiter struct {
	devices  meter
	accounts meter
}

// NewLimiter returns a limiter that has seen nobody.
func NewLimiter() *Limiter {
	return &Limiter{
		devices:  newMeter(pace{free: deviceFree, first: deviceFirst, longest: deviceMax}, trackedKeys),
		accounts: newMeter(pace{free: accountFree, first: accountFirst, longest: accountMax}, trackedKeys),
	}
}

// Guess is somebody's wish to have a KE2 or a registration response.
type Guess struct {
	Account string
	Device  string // the peer ID that the connection proved
	// Enrolled says that the device is in the account's device log.
	Enrolled bool
}

// Admit charges the guess and returns 0, or charges nothing and returns how long
// the device must wait before it may ask again.
func (l *Limiter) Admit(g Guess, now time.Time) (wait time.Duration) {
	wait = l.devices.wait(g.Device, now)
	if !g.Enrolled {
		wait = max(wait, l.accounts.wait(g.Account, now))
	}
	if wait > 0 {
		return wait
	}
	l.devices.charge(g.Device, now).open = keyOf(g.Account)
	if !g.Enrolled {
		l.accounts.charge(g.Account, now)
	}
	return 0
}

// ForAccount says that what a guess has to wait for is the account's pace, and not the
// device's own.
func (l *Limiter) ForAccount(g Guess, now time.Time) bool {
	return !g.Enrolled && l.accounts.wait(g.Account, now) > l.devices.wait(g.Device, now)
}

// Succeeded hands back what Admit charged for the same guess, which was right. It
// hands that back once, and only if the device's last guess was at this account:
// else a guesser could wipe out the guesses at others' accounts by finishing a
// login to an own one, and finishing it again.
func (l *Limiter) Succeeded(g Guess) {
	device := l.devices.find(g.Device)
	if device == nil || device.open != keyOf(g.Account) {
		return
	}
	device.open = meterKey{}
	device.refund()
	if account := l.accounts.find(g.Account); account != nil && !g.Enrolled {
		account.refund()
	}
}
