package tour

import (
	"context"
	"fmt"
	"strings"

	"github.com/tryst-chat/tryst/testnet"
)

func signUp(ctx context.Context, t *tour) error {
	for _, p := range t.people() {
		line := fmt.Sprintf("sign up %s %s %s", p.name, p.roll, p.password)
		if _, err := t.types(ctx, p, line, testnet.Event{Event: "signed_up", Account: p.account}); err != nil {
			return err
		}
	}
	again := fmt.Sprintf("sign up %s %s %s", t.alice.name, t.alice.roll, t.bob.password)
	_, err := t.types(ctx, t.bob, again, testnet.Event{Event: "error", Code: "name_taken"})
	return err
}

func logIn(ctx context.Context, t *tour) error {
	wrong, err := t.types(ctx, t.alice, "login alice42 guess", testnet.Event{Event: "error", Code: "wrong_password"})
	if err != nil {
		return err
	}
	unknown, err := t.types(ctx, t.alice, "login nobody1 guess", testnet.Event{Event: "error", Code: "wrong_password"})
	if err != nil {
		return err
	}
	if wrong.Message != unknown.Message || wrong.Hint != unknown.Hint {
		return differs("the answer for an unknown account", unknown, wrong)
	}
	for _, p := range t.people() {
		if _, err := t.types(ctx, p, "login "+p.account+" "+p.password, testnet.Event{Event: "logged_in", Account: p.account}); err != nil {
			return err
		}
	}
	_, err = t.types(ctx, t.alice, "whoami", testnet.Event{Event: "whoami", Account: t.alice.account})
	return err
}

func mistakes(ctx context.Context, t *tour) error {
	for _, m := range []struct{ line, code string }{
		{"sned bob7 hello", "usage"},
		{"send bob7", "usage"},
		{"send nobody1 hello", "no_account"},
		{"send bob7 " + tooLong, "too_long"},
		{"send_file no-such-file.txt bob7", "no_file"},
		{"send_group_file no-such-file.txt 1 climbing", "no_file"},
		{"send_group 1 nosuchgroup hello", "no_group"},
		{"join nosuchgroup", "no_group"},
		{"create climbing", "group_taken"},
	} {
		fmt.Fprintf(t.out, "  %8s ▸ %s\n", t.alice.account, shortened(m.line))
		e, err := t.alice.node.Do(ctx, m.line, testnet.Event{Event: "error", Code: m.code})
		if err != nil {
			return err
		}
		if e.Message == "" || e.Hint == "" {
			return differs("an explanation", e, "a sentence and a hint")
		}
		t.show(t.alice, e)
	}
	return nil
}

// tooLong is one byte more than a text may have.
var tooLong = strings.Repeat("x", 64<<10+1)

func shortened(line string) string {
	const longest = 60
	if len(line) > longest {
		return line[:longest] + fmt.Sprintf("… (%d bytes)", len(line))
	}
	return line
}

func leave(ctx context.Context, t *tour) error {
	if _, err := t.types(ctx, t.alice, "help", testnet.Event{Event: "help"}); err != nil {
		return err
	}
	if _, err := t.types(ctx, t.carol, "logout", testnet.Event{Event: "logged_out", Account: t.carol.account}); err != nil {
		return err
	}
	if _, err := t.types(ctx, t.carol, "send bob7 hello", testnet.Event{Event: "error", Code: "not_logged_in"}); err != nil {
		return err
	}
	for _, p := range t.people() {
		if _, err := t.types(ctx, p, "quit", testnet.Event{Event: "bye"}); err != nil {
			return err
		}
		if err := p.node.Close(); err != nil {
			return err
		}
	}
	return nil
}
