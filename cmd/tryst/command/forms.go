package command

// Form is how one command is written.
type Form struct {
	Verb  string // as it is typed, in lower case
	Usage string // verb and arguments
	About string // one line for help
	read  func(*scanner, Form) (Command, error)
}

// Forms returns every command, in the order of help.
func Forms() []Form {
	return []Form{
		{"sign up", "sign up <username> <rollnumber> <password>", "create an account (--invitation <code>, where one is asked for)", readSignUp},
		{"login", "login <username+rollnumber> <password>", "log in on this device", readLogin},
		{"send", "send <name+rollno> <message...>", "send a message", readSend},
		{"send_file", "send_file <file> <name+rollno>", "send a file (quote a path with spaces)", readSendFile},
		{"list", "list", "show the groups you can join and their sizes", bare(List{})},
		{"create", "create <groupname> [--private] [--history <n>]", "create a group", readCreate},
		{"join", "join <groupname>", "join a group", readJoin},
		{"show_my_groups", "show_my_groups", "show the groups you are in", bare(MyGroups{})},
		{"members", "members <groupname>", "show who is in a group of yours", readMembers},
		{"leave", "leave <groupname>", "leave a group", readLeave},
		{"invite", "invite <name+rollno> <groupname>", "invite somebody to a group of yours", readInvite},
		{"admin", "admin <name+rollno> <groupname>", "let somebody invite and remove, too", readAdmin},
		{"remove", "remove <name+rollno> <groupname>", "take somebody out of a group", readRemove},
		{"send_group", "send_group <n> <group...> <message...>", "send to n groups, by name or number", readSendGroup},
		{"send_group_file", "send_group_file <file> <n> <group...>", "send a file to n groups", readSendGroupFile},
		{"history", "history [<account or #group>] [n]", "show the last n messages", readHistory},
		{"search", "search <words...>", "look for words in all messages", readSearch},
		{"status", "status [<id>]", "show what became of a message", readStatus},
		{"read", "read <account or #group>", "say that you have read what is there", readRead},
		{"receipts", "receipts <on or off>", "choose whether others see what you have read", readReceipts},
		{"verify", "verify <name+rollno> [number]", "compare numbers with somebody", readVerify},
		{"trust", "trust <name+rollno>", "accept somebody's changed identity", readTrust},
		{"contacts", "contacts [open|ask]", "show who may write to you, or let strangers ask first", readContacts},
		{"accept", "accept <name+rollno>", "let somebody write to you", readAccept},
		{"block", "block <name+rollno>", "see nothing more of somebody", readBlock},
		{"unblock", "unblock <name+rollno>", "undo that", readUnblock},
		{"whoami", "whoami", "show who is logged in", bare(WhoAmI{})},
		{"logout", "logout", "take this device off the account", bare(Logout{})},
		{"help", "help", "show this list", func(*scanner, Form) (Command, error) { return Help{}, nil }},
		{"quit", "quit", "end the program", bare(Quit{})},
	}
}

// form finds the command that a verb stands for.
func form(verb string) (Form, bool) {
	switch verb {
	case "signup", "sign_up":
		verb = "sign up"
	case "log_in":
		verb = "login"
	case "log_out":
		verb = "logout"
	case "exit":
		verb = "quit"
	case "?":
		verb = "help"
	}
	for _, f := range Forms() {
		if f.Verb == verb {
			return f, true
		}
	}
	return Form{}, false
}

func (f Form) wrong(message string) error {
	return &UsageError{Message: message, Hint: "Type: " + f.Usage}
}
