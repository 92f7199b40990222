package outbox

import (
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// ErrFull means that as much waits for the device as may.
var ErrFull = errors.New("outbox: too much waits for this device")

// State says where an entry, or a message as a whole, has got to. Values are
// stored: append only.
type State uint8

// An entry is Queued, Stored, Delivered or Expired. Sent and Read are of a message
// only: a first device has it, others do not yet; a person has seen it.
const (
	Queued State = 1 + iota
	Sent
	Delivered
	Expired
	Stored // a majority of the servers keeps it for the device
	Read
)

// String names a state as people see it.
func (s State) String() string {
	switch s {
	case Queued:
		return "queued"
	case Sent:
		return "sent"
	case Delivered:
		return "delivered"
	case Expired:
		return "expired"
	case Stored:
		return "stored"
	case Read:
		return "read"
	default:
		return "unknown"
	}
}

// Reason says why an entry has expired. Values are stored: append only.
type Reason uint8

const (
	ReasonNone      Reason = iota
	ReasonTooOld           // Lifetime is over
	ReasonUnknown          // the device does not act for the account, or we do not for ours
	ReasonBlocked          // the recipient has blocked this account
	ReasonNoSession        // MaxRenewals new sessions did not open it
	ReasonRevoked          // the device was revoked while the message waited
	ReasonUntrusted        // the recipient's identity key changed and is not trusted
	ReasonNoAccount        // the account does not exist
	ReasonUnwanted         // this account has blocked the recipient
)

// Entry is one message on its way to one device. It is a value: no call changes
// one.
type Entry struct {
	ID     wire.MessageID
	To     record.Account
	Device peer.ID // empty while the account's devices are not known: see Fan
	// Seq is the entry's place among all that wait. The store assigns it; it only
	// grows, and is not used again.
	Seq  uint64
	Made time.Time
	// Copy marks an entry for one of the sender's own other devices. It proves
	// nothing about the recipient and does not count in a Summary.
	Copy bool
	// NoReceipt marks an entry that acknowledges others. Nobody acknowledges it in
	// turn, so that it is done once it is stored.
	NoReceipt bool
	Content   []byte // what a session seals; kept until the end, for Renew
	// Envelope is Content sealed; nil until then. An entry is sealed once, so that
	// a repeated attempt repeats the same bytes and leaves no gap in the session.
	Envelope []byte
	Status
}

// Status is the part of an entry that an attempt changes.
type Status struct {
	State    State
	Reason   Reason
	Attempts uint32    // without an answer, since the device was last reachable
	Renewals uint32    // sessions that did not open it
	Next     time.Time // not to be tried before; zero: at once
	Again    time.Time // while Stored: when the servers are given it again
}

// New returns the entry of a message that has just been written.
func New(id wire.MessageID, to record.Account, device peer.ID, content []byte, now time.Time) Entry {
	return Entry{ID: id, To: to, Device: device, Made: now, Content: content, Status: Status{State: Queued}}
}

// Fan returns a copy of an entry without a device for each of the account's
// devices, to be queued in its place.
func Fan(e Entry, devices []peer.ID) []Entry {
	out := make([]Entry, len(devices))
	for i, device := range devices {
		out[i] = New(e.ID, e.To, device, e.Content, e.Made)
		out[i].Copy, out[i].NoReceipt = e.Copy, e.NoReceipt
	}
	return out
}

// Done tells whether nothing more will happen to the entry.
func (s Status) Done() bool { return s.State == Delivered || s.State == Expired }

// Load is how much waits for a device.
type Load struct {
	Entries int
	Bytes   int // of contents
}

// Admit returns ErrFull if a content of n bytes may not wait there too.
func (l Load) Admit(n int) error {
	if l.Entries >= MaxQueued || l.Bytes+n > MaxQueuedBytes {
		return ErrFull
	}
	return nil
}
