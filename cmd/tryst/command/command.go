package command

// Command is what one line asks for: one of the types below. Names are as they
// were typed; an account's or a group's is not checked yet, and a group may
// also be a number of the last list.
type Command interface{ command() }

// The commands.
type (
	// SignUp creates an account. Password is empty when it is to be asked for, and
	// Invitation where there is none.
	SignUp struct{ Name, Roll, Password, Invitation string }
	// Login logs in. Password is empty when it is to be asked for.
	Login struct{ Account, Password string }
	// Logout ends what Login began.
	Logout struct{}
	// WhoAmI asks who is logged in.
	WhoAmI struct{}
	// Send sends Text to an account, or to a group when To starts with "#".
	Send struct{ To, Text string }
	// SendFile sends the file at Path; To is as in Send.
	SendFile struct{ Path, To string }
	// SendGroup sends Text to each of Groups.
	SendGroup struct {
		Groups []string
		Text   string
	}
	// SendGroupFile sends the file at Path to each of Groups.
	SendGroupFile struct {
		Path   string
		Groups []string
	}
	// Create creates a group: private if only who is invited is to know of it, and with
	// the number of earlier messages that newcomers are given.
	Create struct {
		Group   string
		Private bool
		History int
	}
	// Join joins a group.
	Join struct{ Group string }
	// Leave leaves a group; Members lists who is in it.
	Leave   struct{ Group string }
	Members struct{ Group string }
	// Remove takes an account out of a group, Invite invites one, Admin makes one an
	// admin.
	Remove struct{ Account, Group string }
	Invite struct{ Account, Group string }
	Admin  struct{ Account, Group string }
	// List lists all open groups, MyGroups the person's own.
	List     struct{}
	MyGroups struct{}
	// History shows the last lines of a conversation, or of all when With is empty; Lines
	// is 0 for the usual number. With is as Send.To, or a group's name.
	History struct {
		With  string
		Lines int
	}
	// Search looks for words in what this device has.
	Search struct{ Words string }
	// Status tells what became of a message, named by the beginning of its ID or, when
	// that is empty, the last one sent.
	Status struct{ ID string }
	// Read says that the person has seen a conversation.
	Read struct{ With string }
	// Receipts chooses whether others hear what was read.
	Receipts struct{ On bool }
	// Verify asks for the number to compare with an account's person, or, if Number is
	// not empty, whether it is that one.
	Verify struct{ Account, Number string }
	// Trust accepts the identity that the servers show now for an account.
	Trust struct{ Account string }
	// Contacts shows whom the person lets write; Policy is empty, or "open" or "ask"
	// when that is to change.
	Contacts struct{ Policy string }
	// Accept lets an account write, Block has nothing more to do with one, and
	// Unblock undoes that.
	Accept  struct{ Account string }
	Block   struct{ Account string }
	Unblock struct{ Account string }
	// Help lists the commands.
	Help struct{}
	// Quit ends the program.
	Quit struct{}
)

func (SignUp) command()        {}
func (Login) command()         {}
func (Logout) command()        {}
func (WhoAmI) command()        {}
func (Send) command()          {}
func (SendFile) command()      {}
func (SendGroup) command()     {}
func (SendGroupFile) command() {}
func (Create) command()        {}
func (Join) command()          {}
func (Leave) command()         {}
func (Members) command()       {}
func (Remove) command()        {}
func (Invite) command()        {}
func (Admin) command()         {}
func (List) command()          {}
func (MyGroups) command()      {}
func (History) command()       {}
func (Search) command()        {}
func (Status) command()        {}
func (Read) command()          {}
func (Receipts) command()      {}
func (Verify) command()        {}
func (Trust) command()         {}
func (Contacts) command()      {}
func (Accept) command()        {}
func (Block) command()         {}
func (Unblock) command()       {}
func (Help) command()          {}
func (Quit) command()          {}

// UsageError says what is wrong with a line and what to type instead, one
// sentence each.
type UsageError struct{ Message, Hint string }

// Error returns both sentences.
func (e *UsageError) Error() string { return e.Message + " " + e.Hint }
