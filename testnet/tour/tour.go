package tour

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/tryst-chat/tryst/testnet"
)

// tour is one walk.
type tour struct {
	net *testnet.Testnet
	dir string // for homes and files
	out io.Writer

	alice, bob, carol *person
}

// person is somebody with a node.
type person struct {
	account, name, roll, password string
	node                          *testnet.Node
}

// chapters are what the tour shows, in order; each needs those before it.
func chapters() []chapter {
	return []chapter{
		{"Three people sign up", signUp},
		{"They log in", logIn},
		{"Messages", messages},
		{"Files", files},
		{"Groups", groups},
		{"Messages to groups", groupMessages},
		{"A file to a group", groupFiles},
		{"What goes wrong is said", mistakes},
		{"Everybody leaves", leave},
	}
}

type chapter struct {
	title string
	walk  func(context.Context, *tour) error
}

// Run walks the tour on a testnet on which its names (alice42, bob7, carol9,
// and the groups climbing and chess) are free. It prints to out, and returns
// what differed first.
func Run(ctx context.Context, net *testnet.Testnet, out io.Writer) error {
	t := &tour{net: net, dir: filepath.Join(net.Dir, "tour"), out: out}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return fmt.Errorf("tour: %w", err)
	}
	for _, p := range []struct {
		person     **person
		name, roll string
	}{{&t.alice, "alice", "42"}, {&t.bob, "bob", "7"}, {&t.carol, "carol", "9"}} {
		account := p.name + p.roll
		node, err := net.Node(account, filepath.Join(t.dir, account))
		if err != nil {
			return err
		}
		*p.person = &person{account: account, name: p.name, roll: p.roll, password: "secret of " + account, node: node}
	}
	for i, c := range chapters() {
		fmt.Fprintf(out, "\n%d. %s\n\n", i+1, c.title)
		if err := c.walk(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(c.title), err)
		}
	}
	return nil
}

func (t *tour) people() []*person { return []*person{t.alice, t.bob, t.carol} }

// types lets a person type a line, and waits for what must come of it there.
func (t *tour) types(ctx context.Context, p *person, line string, want testnet.Event) (testnet.Event, error) {
	fmt.Fprintf(t.out, "  %8s ▸ %s\n", p.account, t.hidden(line))
	e, err := p.node.Do(ctx, line, want)
	if err == nil {
		t.show(p, e)
	}
	return e, err
}

// sees waits for what must appear at a person.
func (t *tour) sees(ctx context.Context, p *person, want testnet.Event) (testnet.Event, error) {
	e, err := p.node.Expect(ctx, want)
	if err == nil {
		t.show(p, e)
	}
	return e, err
}

func (t *tour) show(p *person, e testnet.Event) {
	for i, line := range words(e) {
		tick := " "
		if i == 0 {
			tick = "✓"
		}
		fmt.Fprintf(t.out, "  %8s %s   %s\n", p.account, tick, line)
	}
}

// hidden leaves passwords out of what is printed.
func (t *tour) hidden(line string) string {
	for _, p := range t.people() {
		line = strings.ReplaceAll(line, p.password, "••••••")
	}
	return line
}

// words tells what a person sees.
func words(e testnet.Event) []string {
	place := ""
	if e.Group != "" {
		place = "[" + e.Group + "] "
	}
	switch e.Event {
	case "signed_up":
		return []string{"signed up as " + e.Account}
	case "logged_in":
		return []string{"logged in as " + e.Account}
	case "message":
		return []string{place + e.From + " : " + e.Text}
	case "file":
		return []string{fmt.Sprintf("%s%s sent %s, %d bytes, SHA-256 %.8s…", place, e.From, e.Name, e.Size, e.SHA256)}
	case "sent", "sending":
		return []string{e.Event}
	case "delivered":
		return []string{"delivered to " + e.By}
	case "created":
		return []string{"created " + e.Group}
	case "joined":
		return []string{e.Account + " joined " + e.Group}
	case "groups":
		lines := make([]string, len(e.Groups))
		for i, g := range e.Groups {
			lines[i] = fmt.Sprintf("%d  %s : %d", g.Number, g.Name, g.Members)
		}
		return lines
	case "whoami":
		return []string{e.Account + ", on device " + e.Device}
	case "error":
		return []string{e.Message + " " + e.Hint}
	default:
		return []string{e.Event}
	}
}

// differs is the error of a check that failed.
func differs(what string, got, want any) error {
	return fmt.Errorf("tour: %s is %v and not %v", what, got, want)
}

var errHeard = errors.New("tour: somebody heard what was not for them")
