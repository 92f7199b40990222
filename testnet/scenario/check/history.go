package check

import (
	"strings"
	"time"
)

// History is all that is known of a run.
type History struct {
	// Accounts gives the account of each device, by the device's label.
	Accounts map[string]string
	// Steps are what was done and seen, in the order in which the runner did and
	// saw it.
	Steps []Step
	// Shelves are what devices said in the end that they keep. Where there is none
	// for a device and a conversation, the steps alone count, and what a killed
	// process may have kept to itself is not held against it.
	Shelves []Shelf
}

// Step is one thing that was done or seen.
type Step struct {
	At     time.Time
	Device string // its label; empty for a Fault
	Kind   Kind
	ID     string // of a message
	// Conversation is the account or "#group" that a message is for, and the
	// "#group" that anything else is about.
	Conversation string
	Account      string // who wrote, has, knows, came or went: see Kind
	Text         string
}

// Kind is what a step is.
type Kind string

// The kinds of steps.
const (
	Began    Kind = "began"     // the device's process was started
	LoggedIn Kind = "logged in" // and an account logged in
	Ended    Kind = "ended"     // it ended by itself, all that it had to say is here
	Killed   Kind = "killed"    // it was killed: what it did last it may not have said
	Fault    Kind = "fault"     // Text: what was done to the system

	Typed     Kind = "typed"     // Conversation, Text: the runner typed it
	Refused   Kind = "refused"   // Text is why: the device did not take what was typed
	Sending   Kind = "sending"   // ID, Conversation: the device took it
	Sent      Kind = "sent"      // ID
	Stored    Kind = "stored"    // ID
	Delivered Kind = "delivered" // ID; Account: who has it, or empty for a group
	Failed    Kind = "failed"    // ID; Text is why: the device gave it up
	Shown     Kind = "shown"     // ID, Conversation, Account: who wrote it, Text

	Joining Kind = "joining" // Conversation: the runner is about to let the device join or create
	Joined  Kind = "joined"  // Conversation: the device's account is in
	Knows   Kind = "knows"   // Conversation, Account: the device knows that the account is in
	Leaving Kind = "leaving" // Conversation, Account: it is about to leave, or be taken out
	Gone    Kind = "gone"    // Conversation, Account: the device knows that the account is out
)

// Shelf is what a device keeps of a conversation, oldest first.
type Shelf struct {
	Device       string
	Conversation string // an account, or a group as "#name"
	Lines        []Line
}

// Line is one message of a shelf.
type Line struct {
	ID    string
	From  string // an account
	Text  string
	State string // of the device's own messages: how far they have come
}

// group reports whether a conversation is a group's.
func group(conversation string) bool { return strings.HasPrefix(conversation, "#") }
