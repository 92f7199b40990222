package command

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// maxGroups is the most groups that one command names: more than a person
// types, and few enough that a slip of the finger ("send_group 1000000 …")
// does not start a flood.
const maxGroups = 64

// Parse reads one line. A line without words gives nil and no error. The error
// is always a *UsageError.
func Parse(line string) (Command, error) {
	s := &scanner{rest: strings.TrimRight(line, "\r\n")}
	typed := s.word()
	if typed == "" {
		return nil, nil
	}
	verb := strings.ToLower(typed)
	if verb == "sign" {
		if after := *s; strings.EqualFold(after.word(), "up") {
			verb, *s = "sign up", after
		}
	}
	f, ok := form(verb)
	if !ok {
		return nil, unknown(typed)
	}
	return f.read(s, f)
}

// WithoutSecret returns the line as it may be kept in a history: a password is
// left out, and so is an invitation, which is good once.
func WithoutSecret(line string) string {
	c, _ := Parse(line)
	switch c := c.(type) {
	case SignUp:
		return "sign up " + c.Name + " " + c.Roll
	case Login:
		return "login " + c.Account
	default:
		return line
	}
}

// bare reads a command that has no arguments.
func bare(c Command) func(*scanner, Form) (Command, error) {
	return func(s *scanner, f Form) (Command, error) {
		if s.more() {
			return nil, f.wrong(fmt.Sprintf("%s takes nothing after it.", f.Verb))
		}
		return c, nil
	}
}

// readSignUp takes an invitation before each word and after the password, which may have
// several words: within it, no flag is looked for.
func readSignUp(s *scanner, f Form) (Command, error) {
	var c SignUp
	var flags []string
	for _, word := range []*string{&c.Name, &c.Roll} {
		flags = append(flags, s.flags("--invitation")...)
		*word = s.word()
	}
	flags = append(flags, s.flags("--invitation")...)
	if c.Name == "" || c.Roll == "" {
		return nil, f.wrong("sign up needs a username and a roll number.")
	}
	password, last := s.lastFlag("--invitation")
	switch flags = append(flags, last...); {
	case len(flags) > 1:
		return c, wrongInvitation("sign up takes one invitation.") // WithoutSecret needs the rest
	case len(flags) == 1 && flags[0] == "":
		return c, wrongInvitation("--invitation needs the code that you were given.")
	case len(flags) == 1:
		c.Invitation = flags[0]
	}
	c.Password = password
	return c, nil
}

func wrongInvitation(message string) error {
	return &UsageError{Message: message, Hint: "Type: sign up <username> <rollnumber> <password> --invitation <code>"}
}

func readLogin(s *scanner, f Form) (Command, error) {
	c := Login{Account: s.word(), Password: s.secret()}
	if c.Account == "" {
		return nil, f.wrong("login needs an account.")
	}
	return c, nil
}

func readSend(s *scanner, f Form) (Command, error) {
	to := s.word()
	if to == "" {
		return nil, f.wrong("send needs a recipient and a message.")
	}
	text, err := readText(s, f)
	if err != nil {
		return nil, err
	}
	return Send{To: to, Text: text}, nil
}

func readSendFile(s *scanner, f Form) (Command, error) {
	path, err := readPath(s, f)
	if err != nil {
		return nil, err
	}
	c := SendFile{Path: path, To: s.word()}
	if c.To == "" {
		return nil, f.wrong("send_file needs a recipient after the file.")
	}
	if s.more() {
		return nil, f.wrong("send_file takes one file and one recipient; a path with spaces stands in quotes.")
	}
	return c, nil
}

// readCreate takes flags before and after the name.
func readCreate(s *scanner, f Form) (Command, error) {
	var c Create
	for s.more() {
		word := s.word()
		flag, value, given := strings.Cut(word, "=")
		switch strings.ToLower(flag) {
		case "--private":
			if given {
				return nil, f.wrong("--private takes no value.")
			}
			c.Private = true
		case "--history":
			if !given {
				value = s.word()
			}
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > record.MaxHistory {
				return nil, f.wrong(fmt.Sprintf("--history needs a number of messages from 1 to %d.", record.MaxHistory))
			}
			c.History = n
		default:
			if strings.HasPrefix(word, "--") {
				return nil, f.wrong(fmt.Sprintf("create knows no %s.", quoted(word)))
			}
			if c.Group != "" {
				return nil, f.wrong("create needs one group name.")
			}
			c.Group = word
		}
	}
	if c.Group == "" {
		return nil, f.wrong("create needs one group name.")
	}
	return c, nil
}

func readJoin(s *scanner, f Form) (Command, error) {
	group, err := readGroup(s, f)
	return Join{Group: group}, err
}

func readLeave(s *scanner, f Form) (Command, error) {
	group, err := readGroup(s, f)
	return Leave{Group: group}, err
}

func readMembers(s *scanner, f Form) (Command, error) {
	group, err := readGroup(s, f)
	return Members{Group: group}, err
}

func readRemove(s *scanner, f Form) (Command, error) {
	account, group, err := readMember(s, f)
	return Remove{Account: account, Group: group}, err
}

func readInvite(s *scanner, f Form) (Command, error) {
	account, group, err := readMember(s, f)
	return Invite{Account: account, Group: group}, err
}

func readAdmin(s *scanner, f Form) (Command, error) {
	account, group, err := readMember(s, f)
	return Admin{Account: account, Group: group}, err
}

// readMember takes an account and a group.
func readMember(s *scanner, f Form) (account, group string, err error) {
	if account, group = s.word(), s.word(); group == "" || s.more() {
		return "", "", f.wrong(fmt.Sprintf("%s needs one account and one group.", f.Verb))
	}
	return account, group, nil
}

func readSendGroup(s *scanner, f Form) (Command, error) {
	groups, err := readGroups(s, f)
	if err != nil {
		return nil, err
	}
	text, err := readText(s, f)
	if err != nil {
		return nil, err
	}
	return SendGroup{Groups: groups, Text: text}, nil
}

func readSendGroupFile(s *scanner, f Form) (Command, error) {
	path, err := readPath(s, f)
	if err != nil {
		return nil, err
	}
	groups, err := readGroups(s, f)
	if err != nil {
		return nil, err
	}
	if s.more() {
		return nil, f.wrong(fmt.Sprintf("send_group_file says %d groups, but more follow.", len(groups)))
	}
	return SendGroupFile{Path: path, Groups: groups}, nil
}

func readHistory(s *scanner, f Form) (Command, error) {
	var c History
	for s.more() {
		word := s.word()
		n, err := strconv.Atoi(word)
		switch {
		case err == nil && n > 0 && c.Lines == 0:
			c.Lines = n
		case err != nil && c.With == "" && c.Lines == 0:
			c.With = word
		default:
			return nil, f.wrong("history takes one account or group, and a number of messages.")
		}
	}
	return c, nil
}

func readSearch(s *scanner, f Form) (Command, error) {
	c := Search{Words: strings.TrimSpace(s.text())}
	if c.Words == "" {
		return nil, f.wrong("search needs words to look for.")
	}
	return c, nil
}

func readStatus(s *scanner, f Form) (Command, error) {
	c := Status{ID: s.word()}
	if s.more() {
		return nil, f.wrong("status takes one message.")
	}
	return c, nil
}

func readRead(s *scanner, f Form) (Command, error) {
	c := Read{With: s.word()}
	if c.With == "" || s.more() {
		return nil, f.wrong("read needs one account or group.")
	}
	return c, nil
}

func readReceipts(s *scanner, f Form) (Command, error) {
	word := strings.ToLower(s.word())
	if word != "on" && word != "off" || s.more() {
		return nil, f.wrong("receipts are on or off.")
	}
	return Receipts{On: word == "on"}, nil
}

func readVerify(s *scanner, f Form) (Command, error) {
	c := Verify{Account: s.word()}
	if c.Account == "" {
		return nil, f.wrong("verify needs an account.")
	}
	if s.more() {
		c.Number = strings.TrimSpace(s.text())
	}
	return c, nil
}

func readTrust(s *scanner, f Form) (Command, error) {
	account, err := readAccount(s, f)
	return Trust{Account: account}, err
}

func readContacts(s *scanner, f Form) (Command, error) {
	c := Contacts{Policy: strings.ToLower(s.word())}
	if c.Policy != "" && c.Policy != "open" && c.Policy != "ask" || s.more() {
		return nil, f.wrong("contacts takes open, ask or nothing after it.")
	}
	return c, nil
}

func readAccept(s *scanner, f Form) (Command, error) {
	account, err := readAccount(s, f)
	return Accept{Account: account}, err
}

func readBlock(s *scanner, f Form) (Command, error) {
	account, err := readAccount(s, f)
	return Block{Account: account}, err
}

func readUnblock(s *scanner, f Form) (Command, error) {
	account, err := readAccount(s, f)
	return Unblock{Account: account}, err
}

func readAccount(s *scanner, f Form) (string, error) {
	account := s.word()
	if account == "" || s.more() {
		return "", f.wrong(fmt.Sprintf("%s needs one account.", f.Verb))
	}
	return account, nil
}

func readGroup(s *scanner, f Form) (string, error) {
	group := s.word()
	if group == "" || s.more() {
		return "", f.wrong(fmt.Sprintf("%s needs one group name.", f.Verb))
	}
	return group, nil
}

// readGroups takes a number and as many groups.
func readGroups(s *scanner, f Form) ([]string, error) {
	typed := s.word()
	n, err := strconv.Atoi(typed)
	switch {
	case typed == "":
		return nil, f.wrong(fmt.Sprintf("%s needs the number of groups.", f.Verb))
	case err != nil:
		return nil, f.wrong(fmt.Sprintf("%s needs the number of groups before their names, and %s is not a number.", f.Verb, quoted(typed)))
	case n < 1 || n > maxGroups:
		return nil, f.wrong(fmt.Sprintf("%s sends to 1 to %d groups at a time.", f.Verb, maxGroups))
	}
	groups := make([]string, 0, n)
	for len(groups) < n {
		group := s.word()
		if group == "" {
			return nil, f.wrong(fmt.Sprintf("%s says %d groups, but %d follow.", f.Verb, n, len(groups)))
		}
		groups = append(groups, group)
	}
	return groups, nil
}

func readText(s *scanner, f Form) (string, error) {
	if !s.more() {
		return "", f.wrong(fmt.Sprintf("%s has no message.", f.Verb))
	}
	text := s.text()
	if !utf8.ValidString(text) {
		return "", &UsageError{Message: "The message is not valid UTF-8.", Hint: "Send other data as a file, with send_file."}
	}
	return text, nil
}

func readPath(s *scanner, f Form) (string, error) {
	path, err := s.path()
	if err != nil {
		return "", f.wrong(fmt.Sprintf("%s cannot tell where the path ends: %v.", f.Verb, err))
	}
	if path == "" {
		return "", f.wrong(fmt.Sprintf("%s needs a file.", f.Verb))
	}
	return path, nil
}
