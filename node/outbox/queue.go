package outbox

import "time"

// TooOld returns those of the entries whose Lifetime is over, expired.
func TooOld(entries []Entry, now time.Time) []Entry {
	var old []Entry
	for _, e := range entries {
		if !e.Done() && now.Sub(e.Made) >= Lifetime {
			old = append(old, e.Expire(ReasonTooOld))
		}
	}
	return old
}

// Summary is where a message as a whole has got to.
type Summary struct {
	State  State
	Reason Reason // if it expired; of several, the last in the list of reasons
}

// Settled tells whether nothing more will happen to the message.
func (s Summary) Settled() bool { return s.State == Delivered || s.State == Expired }

// Summarise tells where a message has got to from the states of all its entries
// but Copies. It is
//
//	Queued     while no device has it and one may still take it
//	Stored     while the servers keep it for a device, and no device has it
//	Sent       once a device has it, while another may still take it
//	Delivered  once a device has it, and no other is waited for
//	Expired    once no device will take it
//
// and Queued for no entries at all.
func Summarise(entries []Status) Summary {
	var delivered, stored, waiting bool
	var reason Reason
	for _, e := range entries {
		switch e.State {
		case Delivered:
			delivered = true
		case Expired:
			reason = max(reason, e.Reason) // whatever the order of entries
		case Stored:
			stored, waiting = true, true
		default:
			waiting = true
		}
	}
	switch {
	case stored && !delivered:
		return Summary{State: Stored}
	case len(entries) == 0, waiting && !delivered:
		return Summary{State: Queued}
	case waiting:
		return Summary{State: Sent}
	case delivered:
		return Summary{State: Delivered}
	default:
		return Summary{State: Expired, Reason: reason}
	}
}
