package outbox

import (
	"encoding/binary"
	"time"

	"github.com/tryst-chat/tryst/node/wire/pb"
)

// Outcome is what became of one attempt to deliver an entry.
type Outcome uint8

const (
	// OutcomeFailed: the device was not reached, or gave no answer.
	OutcomeFailed Outcome = iota
	// OutcomeDelivered: the device has decrypted and stored the message.
	OutcomeDelivered
	// OutcomeLater: the device is busy.
	OutcomeLater
	// OutcomeRenew: the device cannot open the envelope.
	OutcomeRenew
	// OutcomeUnknown: one of the two devices does not act for its account.
	OutcomeUnknown
	// OutcomeBlocked: the recipient wants nothing from this account.
	OutcomeBlocked
	// OutcomeStored: the servers keep it until the device takes it.
	OutcomeStored
)

// Answered translates the receiver's answer. A refusal that this version does
// not know is taken as Later: it expires in the end.
func Answered(refusal pb.Refusal) Outcome {
	switch refusal {
	case pb.Refusal_NONE:
		return OutcomeDelivered
	case pb.Refusal_RENEW:
		return OutcomeRenew
	case pb.Refusal_UNKNOWN:
		return OutcomeUnknown
	case pb.Refusal_BLOCKED:
		return OutcomeBlocked
	default:
		return OutcomeLater
	}
}

// After returns the entry after an attempt. A finished entry stays as it is: a
// late answer changes nothing.
func (e Entry) After(outcome Outcome, now time.Time) Entry {
	if e.Done() {
		return e
	}
	switch outcome {
	case OutcomeDelivered:
		return e.finished(Delivered, ReasonNone)
	case OutcomeRenew:
		return e.renewed()
	case OutcomeUnknown:
		return e.finished(Expired, ReasonUnknown)
	case OutcomeBlocked:
		return e.finished(Expired, ReasonBlocked)
	case OutcomeStored:
		return e.stored(now)
	case OutcomeFailed, OutcomeLater:
		return e.delayed(now)
	}
	return e.delayed(now)
}

// Expire returns the entry given up for a reason.
func (e Entry) Expire(reason Reason) Entry {
	if e.Done() {
		return e
	}
	return e.finished(Expired, reason)
}

// Reachable returns the entry after the device has been seen: it is due at once,
// and the delays begin anew.
func (e Entry) Reachable() Entry {
	e.Attempts, e.Next = 0, time.Time{}
	return e
}

// finished drops what is of no more use, so that it is not stored.
func (e Entry) finished(state State, reason Reason) Entry {
	e.Status = Status{State: state, Reason: reason, Attempts: e.Attempts, Renewals: e.Renewals}
	e.Content, e.Envelope = nil, nil
	return e
}

// renewed drops the envelope, so that the content is sealed anew in a session
// that the caller begins.
func (e Entry) renewed() Entry {
	if e.Renewals >= MaxRenewals {
		return e.finished(Expired, ReasonNoSession)
	}
	e.Renewals++
	e.State, e.Envelope, e.Next, e.Again = Queued, nil, time.Time{}, time.Time{}
	return e
}

// stored notes that the servers have it. They are given it again while no receipt
// comes, each time after half of what it has waited already: they may have lost it,
// and cannot tell that they have.
func (e Entry) stored(now time.Time) Entry {
	if e.NoReceipt {
		return e.finished(Delivered, ReasonNone)
	}
	e.State = Stored
	e.Again = now.Add(min(max(now.Sub(e.Made)/2, FirstAgain), MaxAgain))
	return e
}

// ToStore tells whether the servers are to be given the entry now.
func (s Status) ToStore(now time.Time) bool {
	return s.State == Queued || s.State == Stored && !now.Before(s.Again)
}

func (e Entry) delayed(now time.Time) Entry {
	e.Attempts++
	e.Next = now.Add(e.delay())
	return e
}

// delay doubles from FirstDelay to MaxDelay, less up to a quarter, so that
// senders who lost the same peer at once do not come back at once. The spread is
// a function of the entry: it must be different for each, not secret.
func (e Entry) delay() time.Duration {
	d := MaxDelay
	// 16 doublings are past MaxDelay and far from an overflow.
	if doublings := e.Attempts - 1; doublings < 16 {
		d = min(FirstDelay<<doublings, MaxDelay)
	}
	spread := binary.BigEndian.Uint16(e.ID[:]) ^ uint16(e.Attempts*0x9e37)
	return d - d/4*time.Duration(spread)/(1<<16)
}
