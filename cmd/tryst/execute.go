package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tryst-chat/tryst/cmd/tryst/command"
	"github.com/tryst-chat/tryst/cmd/tryst/show"
	"github.com/tryst-chat/tryst/node"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

const (
	// commandTimeout bounds a command: what a server may take for one request,
	// and the time to find another server before it.
	commandTimeout = wire.RequestTimeout + 5*time.Second
	// fileTimeout bounds the commands that first read and seal a whole file.
	fileTimeout = 10 * time.Minute
	// workTimeout bounds a sign-up, for which the servers may ask for work: as long as
	// they wait for it. What else it does the node bounds by itself.
	workTimeout = 10 * time.Minute
)

// executor carries out one command after the other. What a message becomes
// (sending, sent, delivered) comes as events of the node; every other answer
// is printed here.
type executor struct {
	node     *node.Node
	print    show.Printer
	loggedIn func()             // what else a login begins
	way      *pending           // what is sent
	seen     *seen              // what was shown to a person; nil where none watches
	listed   []record.GroupName // by number, from 1: the groups that were shown
}

// do carries out one command and reports whether it was the last.
func (x *executor) do(ctx context.Context, c command.Command) (quit bool) {
	ctx, cancel := context.WithTimeout(ctx, timeout(c))
	defer cancel()
	var err error
	switch c := c.(type) {
	case command.SignUp:
		err = x.signUp(ctx, c)
	case command.Login:
		err = x.login(ctx, c)
	case command.Logout:
		err = x.logout(ctx)
	case command.WhoAmI:
		x.whoAmI()
	case command.Send:
		err = x.send(ctx, c)
	case command.SendFile:
		err = x.sendFile(ctx, c)
	case command.SendGroup:
		x.toGroups(c.Groups, func(group string) (string, error) { return x.node.SendGroup(ctx, group, c.Text) })
	case command.SendGroupFile:
		x.toGroups(c.Groups, func(group string) (string, error) {
			return x.node.SendGroupFile(ctx, group, expand(c.Path))
		})
	case command.Create:
		err = x.create(ctx, c)
	case command.Join:
		err = x.join(ctx, c)
	case command.Leave:
		err = x.withGroup(c.Group, func(name string) error {
			_, err := x.node.LeaveGroup(ctx, name) // an event tells of it
			return err
		})
	case command.Remove:
		err = x.withGroup(c.Group, func(name string) error {
			_, err := x.node.RemoveMember(ctx, c.Account, name)
			return err
		})
	case command.Invite:
		err = x.withGroup(c.Group, func(name string) error {
			_, err := x.node.Invite(ctx, c.Account, name)
			return err
		})
	case command.Admin:
		err = x.withGroup(c.Group, func(name string) error {
			_, err := x.node.MakeAdmin(ctx, c.Account, name)
			return err
		})
	case command.Members:
		err = x.withGroup(c.Group, func(name string) error { return x.members(ctx, name) })
	case command.List:
		err = x.list(ctx)
	case command.MyGroups:
		err = x.myGroups(ctx)
	case command.History:
		err = x.withConversation(c.With, func(with string) error { return x.history(ctx, with, c.Lines) })
	case command.Search:
		err = x.search(ctx, c.Words)
	case command.Status:
		err = x.status(ctx, c.ID)
	case command.Read:
		err = x.withConversation(c.With, func(with string) error { return x.read(ctx, with) })
	case command.Receipts:
		err = x.receipts(ctx, c.On)
	case command.Verify:
		err = x.verify(ctx, c)
	case command.Trust:
		err = x.compare(x.node.Trust(ctx, c.Account))
	case command.Contacts:
		err = x.contacts(ctx, c)
	case command.Accept:
		err = x.accept(ctx, c)
	case command.Block:
		err = x.block(ctx, c)
	case command.Unblock:
		err = x.unblock(ctx, c)
	case command.Help:
		x.help()
	case command.Quit:
		return true
	}
	if err != nil {
		x.fail(err)
	}
	return false
}

func timeout(c command.Command) time.Duration {
	switch c.(type) {
	case command.SendFile, command.SendGroupFile:
		return fileTimeout
	case command.SignUp:
		return workTimeout
	default:
		return commandTimeout
	}
}

func (x *executor) fail(err error) {
	var known *node.Error
	if !errors.As(err, &known) {
		known = &node.Error{Code: node.CodeInternal, Message: fmt.Sprintf("It did not work: %v.", err), Hint: "Try again; with --log FILE the reason is written down."}
	}
	x.print.Print(show.Error(known, ""))
}

func (x *executor) signUp(ctx context.Context, c command.SignUp) error {
	account, err := x.node.SignUpInvited(ctx, c.Name, c.Roll, []byte(c.Password), c.Invitation)
	if err != nil {
		return err
	}
	e := show.New(show.SignedUp)
	e.Account = string(account)
	x.print.Print(e)
	return nil
}

func (x *executor) login(ctx context.Context, c command.Login) error {
	account, err := x.node.Login(ctx, c.Account, []byte(c.Password))
	if err != nil {
		return err
	}
	e := show.New(show.LoggedIn)
	e.Account = string(account)
	x.print.Print(e)
	x.loggedIn()
	return nil
}

func (x *executor) logout(ctx context.Context) error {
	account, _, _ := x.node.Account()
	if err := x.node.Logout(ctx); err != nil {
		return err
	}
	e := show.New(show.LoggedOut)
	e.Account = string(account)
	x.print.Print(e)
	x.listed = nil
	return nil
}

func (x *executor) whoAmI() {
	e := show.New(show.WhoAmI)
	if account, device, ok := x.node.Account(); ok {
		e.Account, e.Device = string(account), device
	}
	x.print.Print(e)
}

func (x *executor) send(ctx context.Context, c command.Send) error {
	return x.sendTo(c.To,
		func(account string) (string, error) { return x.node.Send(ctx, account, c.Text) },
		func(group string) (string, error) { return x.node.SendGroup(ctx, group, c.Text) })
}

func (x *executor) sendFile(ctx context.Context, c command.SendFile) error {
	path := expand(c.Path)
	return x.sendTo(c.To,
		func(account string) (string, error) { return x.node.SendFile(ctx, account, path) },
		func(group string) (string, error) { return x.node.SendGroupFile(ctx, group, path) })
}

// sendTo sends to an account, or to a group where "#" says so.
func (x *executor) sendTo(to string, account, group func(string) (id string, err error)) error {
	if !strings.HasPrefix(to, "#") {
		id, err := account(to)
		if err == nil {
			x.way.begin(id, false)
		}
		return err
	}
	name, err := x.group(to)
	if err != nil {
		return err
	}
	id, err := group(name)
	if err == nil {
		x.way.begin(id, true)
	}
	return err
}

// toGroups sends to each group once; what fails for one is said, and the
// others still get it.
func (x *executor) toGroups(typed []string, send func(group string) (id string, err error)) {
	var sent []string
	for _, t := range typed {
		group, err := x.group(t)
		if err == nil && slices.Contains(sent, group) {
			continue
		}
		if err == nil {
			sent = append(sent, group)
			var id string
			if id, err = send(group); err == nil {
				x.way.begin(id, true)
			}
		}
		if err != nil {
			x.fail(err)
		}
	}
}

func (x *executor) create(ctx context.Context, c command.Create) error {
	group, err := x.node.CreateGroupWith(ctx, c.Group, record.Settings{Private: c.Private, History: c.History})
	if err != nil {
		return err
	}
	e := show.New(show.Created)
	e.Group = string(group)
	x.print.Print(e)
	return nil
}

func (x *executor) join(ctx context.Context, c command.Join) error {
	name, err := x.group(c.Group)
	if err != nil {
		return err
	}
	group, waiting, err := x.node.JoinGroup(ctx, name)
	if err != nil {
		return err
	}
	account, _, _ := x.node.Account()
	e := show.New(show.Joined)
	e.Group, e.Account, e.Waiting = string(group), string(account), waiting
	x.print.Print(e)
	return nil
}

// withGroup does something with a group that was given by name or by number.
func (x *executor) withGroup(typed string, do func(name string) error) error {
	name, err := x.group(typed)
	if err != nil {
		return err
	}
	return do(name)
}

func (x *executor) members(ctx context.Context, name string) error {
	members, err := x.node.Members(ctx, name)
	if err != nil {
		return err
	}
	e := show.New(show.Members)
	e.Group = name
	e.Members = make([]show.Member, len(members))
	for i, m := range members {
		e.Members[i] = show.Member{Account: string(m.Account), Admin: m.Admin, Invited: m.InvitedBy != "", By: string(m.InvitedBy)}
	}
	x.print.Print(e)
	return nil
}

func (x *executor) list(ctx context.Context) error {
	groups, err := x.node.Groups(ctx)
	if err != nil {
		return err
	}
	x.listed = nil
	x.showGroups(groups)
	return nil
}

func (x *executor) myGroups(ctx context.Context) error {
	groups, err := x.node.MyGroups(ctx)
	if err != nil {
		return err
	}
	x.showGroups(groups)
	return nil
}

func (x *executor) verify(ctx context.Context, c command.Verify) error {
	if c.Number == "" {
		return x.compare(x.node.Compare(ctx, c.Account))
	}
	confirmed, err := x.node.Confirm(ctx, c.Account, c.Number)
	if err != nil {
		return err
	}
	e := show.New(show.Verified)
	e.Account = string(confirmed.Account)
	x.print.Print(e)
	return nil
}

// compare prints what two people compare.
func (x *executor) compare(c node.Comparison, err error) error {
	if err != nil {
		return err
	}
	e := show.New(show.Comparison)
	e.Account, e.Number, e.QR, e.Verified = string(c.Account), c.Number, c.Code, new(c.Verified)
	x.print.Print(e)
	return nil
}

// showGroups prints groups under the numbers of the last list; those that it
// did not have get the numbers after it. So a number that was ever shown since
// then names one group.
func (x *executor) showGroups(groups []node.Group) {
	e := show.New(show.Groups)
	e.Groups = make([]show.Group, 0, len(groups))
	for _, g := range groups {
		i := slices.Index(x.listed, g.Name)
		if i < 0 {
			i = len(x.listed)
			x.listed = append(x.listed, g.Name)
		}
		e.Groups = append(e.Groups, show.Group{
			Number: i + 1, Name: string(g.Name), Members: g.Members, Mine: g.Mine, Invited: g.Invited, Private: g.Private,
		})
	}
	x.print.Print(e)
}

// group returns the name of a group that was given by name or by number, with
// or without "#". A name never starts with a digit.
func (x *executor) group(typed string) (string, error) {
	name := strings.ToLower(strings.TrimPrefix(typed, "#"))
	if strings.Trim(name, "0123456789") != "" || name == "" {
		return name, nil
	}
	number, err := strconv.Atoi(name)
	if err != nil || number < 1 || number > len(x.listed) {
		return "", &node.Error{Code: node.CodeNoGroup, Message: fmt.Sprintf("There is no group number %.20s in the last list.", name), Hint: "Type: list"}
	}
	return string(x.listed[number-1]), nil
}

func (x *executor) help() {
	e := show.New(show.Help)
	for _, f := range command.Forms() {
		e.Usage = append(e.Usage, show.Usage{Usage: f.Usage, About: f.About})
	}
	x.print.Print(e)
}

// expand replaces a leading "~" by the person's home folder.
func expand(path string) string {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok || rest != "" && !os.IsPathSeparator(rest[0]) {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(home, rest)
}
