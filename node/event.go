package node

import (
	"time"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// EventKind names what happened; the names are those of the JSON output.
type EventKind string

// The events of a node. Message, File, Gap, Request, Joined, Left, Removed, Invited and
// Admin tell of others; Sending, Stored, Sent, Delivered, Read and Progress of one's own;
// Link and Notice of the node.
const (
	EventMessage   EventKind = "message"   // ID, From, To, Group, Text, Earlier, Claimed
	EventFile      EventKind = "file"      // ID, From, To, Group, Name, Size, SHA256, Path: it is whole
	EventSending   EventKind = "sending"   // ID, To or Group: it is on this device's disk
	EventSent      EventKind = "sent"      // ID, To or Group: another's device has it on its disk
	EventStored    EventKind = "stored"    // ID, To or Group: a majority of the servers keeps it for who is away
	EventDelivered EventKind = "delivered" // ID, By: decrypted and committed there; ID, Group: at every member
	EventRead      EventKind = "read"      // ID, By: a person has seen it
	EventGap       EventKind = "gap"       // Group, From, Missing: so many messages have not come, and are asked for
	EventProgress  EventKind = "progress"  // ID, Name, Done, Total in bytes
	EventWork      EventKind = "work"      // Account, Done, Total in parts: what the servers ask for before a sign-up; Text in the first
	EventJoined    EventKind = "joined"    // Group, Account
	EventLeft      EventKind = "left"      // Group, Account
	EventRequest   EventKind = "request"   // Account, Count: a stranger's messages wait for the person's word
	EventRemoved   EventKind = "removed"   // Group, Account, By: or was invited, and is not any more
	EventInvited   EventKind = "invited"   // Group, Account, By; to who is invited again after each login
	EventAdmin     EventKind = "admin"     // Group, Account, By: may invite and remove; By is empty where the last admin has left
	EventLink      EventKind = "link"      // Online, Text: the way to the servers
	EventNotice    EventKind = "notice"    // Text: something that the person should know
	EventError     EventKind = "error"     // Err; ID where it concerns a message or file
)

// Event is one thing that happened. Only the fields that its kind names are
// set.
type Event struct {
	Kind    EventKind
	At      time.Time // when it was sent, by the sender's clock, for Message and File
	ID      string    // message ID, 32 hexadecimal characters
	From    record.Account
	To      record.Account // of a direct message
	By      record.Account
	Account record.Account
	Group   record.GroupName
	Text    string
	Earlier bool // said in a group before this device was in it, and passed on by a member
	// Claimed is set where that cannot be proved: From says that Claimed said it.
	Claimed record.Account
	Name    string // of a file, safe to show
	Size    int64  // bytes
	SHA256  string // hexadecimal
	Path    string // where the file is now
	Done    int64
	Total   int64
	Count   int // of messages
	Online  bool
	Missing int // messages
	Err     *Error
}

// Group is a group as the directory lists it.
type Group struct {
	Name    record.GroupName
	Members int
	Mine    bool
	Invited bool // not in it, and may join
	Private bool // others are not shown it
	Waiting bool // joined, but no member has let this device in yet
}

// Member is an account in a group, or one that is invited to it.
type Member struct {
	Account   record.Account
	Admin     bool           // who may invite, remove, and make admins
	InvitedBy record.Account // set: no member yet
}
