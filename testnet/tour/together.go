package tour

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tryst-chat/tryst/testnet"
)

// says sends a direct message and waits until both sides know of it.
func (t *tour) says(ctx context.Context, from, to *person, text string) error {
	sent, err := t.types(ctx, from, "send "+to.account+" "+text, testnet.Event{Event: "sent", To: to.account})
	if err != nil {
		return err
	}
	if _, err := t.sees(ctx, to, testnet.Event{Event: "message", ID: sent.ID, From: from.account, Text: text}); err != nil {
		return err
	}
	_, err = t.sees(ctx, from, testnet.Event{Event: "delivered", ID: sent.ID, By: to.account})
	return err
}

func messages(ctx context.Context, t *tour) error {
	const private = "Hello Bob, are you @ home?  Two  spaces, grüße, 你好 👋"
	if err := t.says(ctx, t.alice, t.bob, private); err != nil {
		return err
	}
	if err := t.says(ctx, t.bob, t.alice, "Hello Alice. I am."); err != nil {
		return err
	}
	if err := t.says(ctx, t.carol, t.alice, "May I come too?"); err != nil {
		return err
	}
	if len(t.carol.node.Seen(testnet.Event{Event: "message"})) > 0 {
		return errHeard
	}
	return nil
}

// file makes a file of random bytes to send.
func (t *tour) file(name string, size int) (path string, content []byte, err error) {
	content = make([]byte, size)
	rand.Read(content)
	path = filepath.Join(t.dir, name)
	return path, content, os.WriteFile(path, content, 0o600)
}

// arrives waits for a file at a person and compares it.
func (t *tour) arrives(ctx context.Context, at *person, want testnet.Event, content []byte) error {
	digest := sha256.Sum256(content)
	want.Event, want.Size, want.SHA256 = "file", int64(len(content)), hex.EncodeToString(digest[:])
	e, err := t.sees(ctx, at, want)
	if err != nil {
		return err
	}
	received, err := os.ReadFile(e.Path)
	if err != nil {
		return fmt.Errorf("tour: %w", err)
	}
	if !bytes.Equal(received, content) {
		return differs("the content of "+e.Path, len(received), len(content))
	}
	return nil
}

func files(ctx context.Context, t *tour) error {
	for _, f := range []struct {
		name string
		size int // bytes
	}{{"my photo.jpg", 1 << 20}, {"empty.txt", 0}} {
		path, content, err := t.file(f.name, f.size)
		if err != nil {
			return err
		}
		if _, err := t.types(ctx, t.alice, fmt.Sprintf("send_file %q bob7", path), testnet.Event{Event: "sending", To: "bob7"}); err != nil {
			return err
		}
		if err := t.arrives(ctx, t.bob, testnet.Event{From: "alice42", Name: f.name}, content); err != nil {
			return err
		}
	}
	return nil
}

func groups(ctx context.Context, t *tour) error {
	for _, g := range []struct {
		founder *person
		name    string
	}{{t.alice, "climbing"}, {t.carol, "chess"}} {
		if _, err := t.types(ctx, g.founder, "create "+g.name, testnet.Event{Event: "created", Group: g.name}); err != nil {
			return err
		}
	}
	list, err := t.types(ctx, t.carol, "list", testnet.Event{Event: "groups"})
	if err != nil {
		return err
	}
	climbing, err := group(list, "climbing", 1, false)
	if err != nil {
		return err
	}
	if _, err := group(list, "chess", 1, true); err != nil {
		return err
	}
	if err := t.joins(ctx, t.carol, fmt.Sprint(climbing.Number)); err != nil {
		return err
	}
	if err := t.joins(ctx, t.bob, "climbing"); err != nil {
		return err
	}
	if list, err = t.types(ctx, t.alice, "list", testnet.Event{Event: "groups"}); err != nil {
		return err
	}
	if _, err := group(list, "climbing", 3, true); err != nil {
		return err
	}
	mine, err := t.types(ctx, t.bob, "show_my_groups", testnet.Event{Event: "groups"})
	if err != nil {
		return err
	}
	if _, err := group(mine, "climbing", 3, true); err != nil || len(mine.Groups) != 1 {
		return differs("the list of bob7's groups", mine.Groups, "climbing alone")
	}
	return nil
}

// joins lets a person join climbing, given by name or number, and its founder
// hear of it.
func (t *tour) joins(ctx context.Context, p *person, given string) error {
	joined := testnet.Event{Event: "joined", Group: "climbing", Account: p.account}
	if _, err := t.types(ctx, p, "join "+given, joined); err != nil {
		return err
	}
	_, err := t.sees(ctx, t.alice, joined)
	return err
}

// group finds a group in a list and checks what it says.
func group(list testnet.Event, name string, members int, mine bool) (testnet.Group, error) {
	for _, g := range list.Groups {
		if g.Name == name && g.Members == members && g.Mine == mine {
			return g, nil
		}
	}
	return testnet.Group{}, differs("the list", list.Groups, fmt.Sprintf("one with %s : %d, mine: %t", name, members, mine))
}

func groupMessages(ctx context.Context, t *tour) error {
	heard := func(from *person, text string, at ...*person) error {
		for _, p := range at {
			if _, err := t.sees(ctx, p, testnet.Event{Event: "message", Group: "climbing", From: from.account, Text: text}); err != nil {
				return err
			}
		}
		return nil
	}
	const plan = "Saturday at nine?"
	if _, err := t.types(ctx, t.alice, "send_group 1 climbing "+plan, testnet.Event{Event: "sent", Group: "climbing"}); err != nil {
		return err
	}
	if err := heard(t.alice, plan, t.bob, t.carol); err != nil {
		return err
	}
	// Bob is not in chess: he is told so, and climbing still gets it.
	const answer = "I bring the  rope @ nine"
	if _, err := t.types(ctx, t.bob, "send_group 2 chess climbing "+answer, testnet.Event{Event: "error", Code: "not_member"}); err != nil {
		return err
	}
	if err := heard(t.bob, answer, t.alice, t.carol); err != nil {
		return err
	}
	const both = "A board, too!"
	if _, err := t.types(ctx, t.carol, "send_group 2 climbing chess "+both, testnet.Event{Event: "sent", Group: "climbing"}); err != nil {
		return err
	}
	if err := heard(t.carol, both, t.alice, t.bob); err != nil {
		return err
	}
	for _, p := range []*person{t.alice, t.bob} {
		if len(p.node.Seen(testnet.Event{Event: "message", Group: "chess"})) > 0 {
			return errHeard
		}
	}
	return nil
}

func groupFiles(ctx context.Context, t *tour) error {
	path, content, err := t.file("route.gpx", 200_000)
	if err != nil {
		return err
	}
	if _, err := t.types(ctx, t.carol, fmt.Sprintf("send_group_file %q 1 climbing", path), testnet.Event{Event: "sending", Group: "climbing"}); err != nil {
		return err
	}
	for _, p := range []*person{t.alice, t.bob} {
		if err := t.arrives(ctx, p, testnet.Event{From: t.carol.account, Group: "climbing", Name: "route.gpx"}, content); err != nil {
			return err
		}
	}
	return nil
}
