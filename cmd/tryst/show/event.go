package show

import (
	"time"

	"github.com/tryst-chat/tryst/node"
)

// Kinds of events beside those of package node: the answers to commands.
const (
	SignedUp  = "signed_up"  // Account
	LoggedIn  = "logged_in"  // Account
	LoggedOut = "logged_out" // Account
	WhoAmI    = "whoami"     // Account and Device, both empty when nobody is logged in
	Groups    = "groups"     // Groups
	Created   = "created"    // Group
	Members   = "members"    // Group, Members
	History   = "history"    // Account or Group, or neither for all; Messages, oldest first
	Found     = "found"      // Text: the words; Messages, oldest first
	Status    = "status"     // Messages: the one; Steps, Has, Lacks
	Marked    = "marked"     // Account or Group: what was there is read
	Receipts  = "receipts"   // On: others see what the person has read
	Joined    = string(node.EventJoined)
	Left      = string(node.EventLeft)
	Removed   = string(node.EventRemoved)
	Invited   = string(node.EventInvited)
	Admin     = string(node.EventAdmin)
	Help      = "help" // Commands
	// Comparison answers verify and trust: Account, Number (60 digits in groups), QR
	// (the text of the QR code), Verified.
	Comparison = "comparison"
	Verified   = "verified" // Account: the person has compared the number
	// Contacts answers contacts: Policy ("open" or "ask"), Accepted, Requests, Blocked,
	// Pending (the servers have still to hear of it).
	Contacts  = "contacts"
	Accepted  = "accepted"  // Account
	Blocked   = "blocked"   // Account, Shared: groups that both are in
	Unblocked = "unblocked" // Account
	Asks      = string(node.EventRequest)
	Failed    = string(node.EventError)
	Notice    = string(node.EventNotice)
	Bye       = "bye"
)

// Event is one thing to print. In JSON it has the fields that are set; numbers
// and lists are pointers or slices, so that 0 and "none" can be told from
// "does not apply".
type Event struct {
	Kind     string    `json:"event"`
	At       time.Time `json:"at"` // UTC; of a message: when it was sent, by the sender's clock
	ID       string    `json:"id,omitempty"`
	From     string    `json:"from,omitempty"`
	To       string    `json:"to,omitempty"`
	By       string    `json:"by,omitempty"`
	Account  string    `json:"account,omitempty"`
	Device   string    `json:"device,omitempty"`
	Group    string    `json:"group,omitempty"`
	Waiting  bool      `json:"waiting,omitempty"` // joined, but no member has let this device in yet
	Text     string    `json:"text,omitempty"`
	Earlier  bool      `json:"earlier,omitempty"` // said in a group before this device was in it
	Claimed  string    `json:"claimed,omitempty"` // and that by this account, says From: nothing proves it
	Name     string    `json:"name,omitempty"`
	Size     *int64    `json:"size,omitempty"` // bytes
	SHA256   string    `json:"sha256,omitempty"`
	Path     string    `json:"path,omitempty"`
	Done     *int64    `json:"done,omitempty"` // bytes; of work, parts
	Total    *int64    `json:"total,omitempty"`
	Online   *bool     `json:"online,omitempty"`
	Number   string    `json:"number,omitempty"`
	QR       string    `json:"qr,omitempty"`
	Verified *bool     `json:"verified,omitempty"`
	On       *bool     `json:"on,omitempty"`
	Missing  *int      `json:"missing,omitempty"`
	Messages []Line    `json:"messages,omitzero"`
	Steps    []Step    `json:"steps,omitzero"`
	Has      []string  `json:"has,omitempty"`
	Lacks    []string  `json:"lacks,omitempty"`
	Groups   []Group   `json:"groups,omitzero"`
	Members  []Member  `json:"members,omitzero"`
	Policy   string    `json:"policy,omitempty"`
	Accepted []string  `json:"accepted,omitzero"`
	Requests []Request `json:"requests,omitzero"`
	Blocked  []string  `json:"blocked,omitzero"`
	Pending  bool      `json:"pending,omitempty"`
	Shared   []string  `json:"shared,omitempty"`
	Count    *int      `json:"count,omitempty"` // messages
	Usage    []Usage   `json:"commands,omitempty"`
	Code     string    `json:"code,omitempty"`
	Message  string    `json:"message,omitempty"`
	Hint     string    `json:"hint,omitempty"`
}

// Line is a message in a history.
type Line struct {
	ID      string    `json:"id"`
	With    string    `json:"with,omitempty"` // the other account
	Group   string    `json:"group,omitempty"`
	From    string    `json:"from,omitempty"`
	At      time.Time `json:"at"`
	Text    string    `json:"text,omitempty"`
	Name    string    `json:"name,omitempty"` // of a file
	Size    int64     `json:"size,omitempty"`
	Path    string    `json:"path,omitempty"`
	State   string    `json:"state,omitempty"` // of one's own: how far it has got
	Missing int       `json:"missing,omitempty"`
}

// Step is one thing that happened to a message.
type Step struct {
	At      time.Time `json:"at"`
	State   string    `json:"state"`
	Account string    `json:"account,omitempty"`
	Device  string    `json:"device,omitempty"`
	Path    string    `json:"path,omitempty"`
}

// LineOf converts a line of a conversation.
func LineOf(l node.Line) Line {
	return Line{
		ID: l.ID, With: string(l.With), Group: string(l.Group), From: string(l.From), At: l.At.UTC(), Text: l.Text,
		Name: l.File, Size: l.Size, Path: l.Path, State: l.State, Missing: l.Missing,
	}
}

// Group is one line of a list.
type Group struct {
	Number  int    `json:"number"` // counted from 1; commands take it in place of the name
	Name    string `json:"name"`
	Members int    `json:"members"`
	Mine    bool   `json:"mine"`
	Invited bool   `json:"invited,omitempty"` // not in it, and may join
	Private bool   `json:"private,omitempty"` // others are not shown it
}

// Member is one of a group's, or somebody who is invited to it.
type Member struct {
	Account string `json:"account"`
	Admin   bool   `json:"admin,omitempty"`   // may invite, remove, and make admins
	Invited bool   `json:"invited,omitempty"` // no member yet
	By      string `json:"by,omitempty"`      // who invited them
}

// Request is somebody whose messages wait to be accepted.
type Request struct {
	Account string `json:"account"`
	Count   int    `json:"count"` // messages
}

// Usage is one line of help.
type Usage struct {
	Usage string `json:"usage"`
	About string `json:"about"`
}

// New returns an event that happens now.
func New(kind string) Event { return Event{Kind: kind, At: time.Now().UTC()} }

// Error returns the event that tells of an error; id is that of the message or
// file concerned, or empty.
func Error(err *node.Error, id string) Event {
	e := New(Failed)
	e.ID, e.Code, e.Message, e.Hint = id, string(err.Code), err.Message, err.Hint
	return e
}

// FromNode converts what a node tells.
func FromNode(n node.Event) Event {
	e := New(string(n.Kind))
	if !n.At.IsZero() {
		e.At = n.At.UTC()
	}
	e.ID, e.From, e.To, e.By = n.ID, string(n.From), string(n.To), string(n.By)
	e.Account, e.Group, e.Text, e.Name = string(n.Account), string(n.Group), n.Text, n.Name
	e.SHA256, e.Path = n.SHA256, n.Path
	e.Earlier, e.Claimed = n.Earlier, string(n.Claimed)
	switch n.Kind {
	case node.EventFile:
		e.Size = new(n.Size)
	case node.EventProgress, node.EventWork:
		e.Done, e.Total = new(n.Done), new(n.Total)
	case node.EventGap:
		e.Missing = new(n.Missing)
	case node.EventRequest:
		e.Count = new(n.Count)
	case node.EventLink:
		e.Online = new(n.Online)
	case node.EventError:
		if n.Err != nil {
			e.Code, e.Message, e.Hint = string(n.Err.Code), n.Err.Message, n.Err.Hint
		}
	}
	return e
}

// number reads an optional number.
func number(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}
