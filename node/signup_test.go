package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/terms"
)

// asks sets the terms of the world's servers.
func (w *world) asks(t terms.Terms) {
	w.Helper()
	if err := w.server.SetTerms(w.Context(), t); err != nil {
		w.Fatal(err)
	}
}

func (w *world) invitation() string {
	w.Helper()
	codes, err := w.server.Invite(w.Context(), 1, time.Hour)
	if err != nil {
		w.Fatal(err)
	}
	return codes[0].Text()
}

// refusal returns what a person is told, which says what to do.
func refusal(t *testing.T, err error, code Code) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || e.Message == "" || e.Hint == "" {
		t.Fatalf("got %#v, want %s and a hint", err, code)
	}
	return e
}

// Who has no invitation is told what to do; one that is mistyped is told from one that
// was used, and what goes wrong otherwise does not use it up.
func TestSignUpByInvitation(t *testing.T) {
	w := newWorld(t)
	w.asks(terms.Terms{Invitation: true})
	w.newInvited("taken", "1")
	p := w.open("")
	enter := func(name, code string) error {
		_, err := p.SignUpInvited(t.Context(), name, "1", []byte(password), code)
		return err
	}
	code := w.invitation()
	if e := refusal(t, enter("alice", ""), CodeInvitation); !strings.Contains(e.Hint, "--invitation") {
		t.Errorf("without one: %v", e)
	}
	mistyped := "0" + code[1:]
	if code[0] == '0' {
		mistyped = "1" + code[1:]
	}
	if e := refusal(t, enter("alice", mistyped), CodeInvitation); !strings.Contains(e.Message, "mistyped") || strings.Contains(e.Error(), mistyped) {
		t.Errorf("mistyped: %v", e)
	}
	refusal(t, enter("taken", code), CodeNameTaken)
	if err := enter("alice", strings.ToLower(code)); err != nil {
		t.Fatal(err)
	}
	if e := refusal(t, enter("bob", code), CodeInvitation); strings.Contains(e.Message, "mistyped") {
		t.Errorf("used: %v", e)
	}
	p.login("alice1")
	if work := p.all(func(e Event) bool { return e.Kind == EventWork }); len(work) > 0 {
		t.Errorf("worked: %+v", work)
	}
}

// newInvited is newPerson where an invitation is asked for.
func (w *world) newInvited(name, roll string) *person {
	w.Helper()
	p := w.open("")
	if _, err := p.SignUpInvited(w.Context(), name, roll, []byte(password), w.invitation()); err != nil {
		w.Fatal(err)
	}
	p.login(name + roll)
	return p
}

// The node does the work, says so once with a word about how long, and shows how far
// it is.
func TestSignUpByWork(t *testing.T) {
	w := newWorld(t)
	w.asks(terms.Terms{Bits: 19}) // some bursts
	p := w.newPerson("alice", "42")
	shown := p.all(func(e Event) bool { return e.Kind == EventWork })
	if len(shown) < 2 || !strings.Contains(shown[0].Text, "about") || shown[0].Done != 0 || shown[len(shown)-1].Done != shown[0].Total {
		t.Fatalf("shown %+v", shown)
	}
	for i, e := range shown {
		if e.Account != "alice42" || e.Total != shown[0].Total || i > 0 && (e.Done <= shown[i-1].Done || e.Text != "") {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	w.asks(terms.Terms{Invitation: true, Bits: terms.MinBits})
	w.newInvited("bob", "7")
	refusal(t, second(w.open("").SignUp(t.Context(), "carol", "1", []byte(password))), CodeInvitation)
}

func second[T any](_ T, err error) error { return err }

// Who has no time for the work breaks it off, and so does who closes the program; nothing
// has happened then.
func TestBreakOffWork(t *testing.T) {
	w := newWorld(t)
	w.asks(terms.Terms{Bits: terms.MaxBits})
	for what, test := range map[string]struct {
		end  func(p *person, cancel func())
		code Code
	}{
		"interrupted": {func(_ *person, cancel func()) { cancel() }, CodeInterrupted},
		"closed":      {func(p *person, _ func()) { p.end() }, errClosed.Code},
	} {
		p := w.open("")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- second(p.SignUp(ctx, "alice", "42", []byte(password))) }()
		p.sees("the work", func(e Event) bool { return e.Kind == EventWork })
		test.end(p, cancel)
		select {
		case err := <-ended:
			var e *Error
			if !errors.As(err, &e) || e.Code != test.code {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(testTimeout):
			t.Fatalf("%s, and it goes on", what)
		}
	}
	w.asks(terms.Terms{})
	w.newPerson("alice", "42")
}
