package directory

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Event is what a command changed for those who watch. Events are not stored:
// whoever missed one asks again.
type Event interface{ event() }

// AccountChanged says that an account's device log or a device's bundle is new.
type AccountChanged struct{ Account record.Account }

// GroupChanged says that a group's chain has grown.
type GroupChanged struct {
	Group    record.GroupID
	Length   uint64           // of the chain
	Concerns []record.Account // its members, whoever has just ceased to be one, and whose invitation has come or gone
}

// KeysLow says that a device's one-time prekeys run out.
type KeysLow struct {
	Account record.Account
	Device  peer.ID
	Left    int
}

// MailWaiting says that there are new letters for a device.
type MailWaiting struct {
	Account record.Account
	Device  peer.ID
}

// GroupMailWaiting says that there are new letters for devices in a group.
type GroupMailWaiting struct {
	Group   record.GroupID
	Devices []peer.ID
}

// ContactsChanged says that whom an account lets in has changed. It is for the
// account's own devices.
type ContactsChanged struct {
	Account record.Account
	Version uint64
}

// Reset says that the whole state was replaced by another server's, so that
// anything may have changed.
type Reset struct{}

func (AccountChanged) event()   {}
func (GroupChanged) event()     {}
func (KeysLow) event()          {}
func (MailWaiting) event()      {}
func (GroupMailWaiting) event() {}
func (ContactsChanged) event()  {}
func (Reset) event()            {}
