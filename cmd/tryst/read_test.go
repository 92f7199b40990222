package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tryst-chat/tryst/cmd/tryst/command"
	"github.com/tryst-chat/tryst/node"
	"github.com/tryst-chat/tryst/node/wire"
)

// piped returns a reader of lines that come through a pipe.
func piped(t *testing.T, input string) *lineReader {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	go func() {
		defer w.Close()
		io.WriteString(w, input)
	}()
	return newLineReader(r, io.Discard)
}

func TestReadLine(t *testing.T) {
	longest := "send bob7 " + strings.Repeat("x", wire.MaxText) + "\n"
	r := piped(t, longest+strings.Repeat("y", 3*maxLine)+"\nlist\n\nquit")
	for _, want := range []string{longest, "", "list\n", "\n", "quit"} {
		got, err := r.ReadLine()
		if want == "" && errors.Is(err, errLineTooLong) {
			continue
		}
		if err != nil || got != want {
			t.Fatalf("%.30q…, %v; want %.30q…", got, err, want)
		}
	}
	if _, err := r.ReadLine(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestReadRequests(t *testing.T) {
	requests := make(chan request)
	go readRequests(piped(t, "\nlist\nsned\nlogin alice42\n"+strings.Repeat("y", 2*maxLine)+"\nquit"), requests, nil)
	var got []string
	for r := range requests {
		switch {
		case r.err != nil:
			got = append(got, string(r.err.Code))
		case r.command == command.List{}:
			got = append(got, "list")
		case r.command == command.Quit{}:
			got = append(got, "quit")
		}
	}
	if diff := cmp.Diff([]string{"list", "usage", "usage", "too_long", "quit"}, got); diff != "" {
		t.Error(diff)
	}
}

// answers is a source whose person answers questions.
type answers []string

func (a *answers) ReadLine() (string, error) { return "", io.EOF }

func (a *answers) ReadPassword(string) (string, error) {
	if len(*a) == 0 {
		return "", io.EOF
	}
	answer := (*a)[0]
	*a = (*a)[1:]
	return answer, nil
}

func TestPasswordsAreAskedFor(t *testing.T) {
	for _, test := range []struct {
		line    string
		answers answers
		want    command.Command // nil for a usage error
	}{
		{"login alice42", answers{" two words "}, command.Login{Account: "alice42", Password: "two words"}},
		{"login alice42 typed", nil, command.Login{Account: "alice42", Password: "typed"}},
		{"sign up alice 42", answers{"a", "a"}, command.SignUp{Name: "alice", Roll: "42", Password: "a"}},
		{"sign up alice 42", answers{"a", "b"}, nil},
		{"sign up alice 42", answers{"a"}, nil},
		{"login alice42", answers{""}, nil},
	} {
		got, err := parse(&test.answers, test.line)
		if got != test.want || (err == nil) != (test.want != nil) || err != nil && err.Code != node.CodeUsage {
			t.Errorf("%q: %#v, %v", test.line, got, err)
		}
	}
}
