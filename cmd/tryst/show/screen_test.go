package show

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tryst-chat/tryst/node"
)

// keyboard is a terminal with what is typed on it and what it shows.
type keyboard struct {
	io.Reader
	bytes.Buffer
}

func (k *keyboard) Read(p []byte) (int, error) { return k.Reader.Read(p) }

func typed(keys string) (*Screen, *keyboard) {
	k := &keyboard{Reader: strings.NewReader(keys)}
	return NewScreen(k, false), k
}

func promptOf(s *Screen) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prompt()
}

func TestScreenShowsConversation(t *testing.T) {
	screen, shown := typed("")
	screen.Print(Event{Kind: LoggedIn, Account: "alice42"})
	screen.Print(FromNode(node.Event{Kind: node.EventMessage, At: at, From: "bob7", To: "alice42", Text: "one\ntwo\x1b[2J"}))
	screen.Print(Error(&node.Error{Code: node.CodeNoFile, Message: "There is no file x.", Hint: "Look."}, ""))
	screen.Print(Event{Kind: Groups, Groups: []Group{{Number: 1, Name: "g1", Members: 3, Mine: true}, {Number: 2, Name: "g2", Members: 1, Invited: true}}})
	screen.Print(FromNode(node.Event{Kind: node.EventSent, ID: "1", Group: "g1"}))
	screen.Print(FromNode(node.Event{Kind: node.EventInvited, Group: "g2", Account: "alice42", By: "bob7"}))
	for _, want := range []string{
		"✓ You are logged in as alice42.", "  ✓ sent to g1\r\n", "bob7 : one\r\n        two\\x1b[2J\r\n",
		"✗ There is no file x.\r\n  Look.\r\n", "1  g1 : 3  (yours)", "2  g2 : 1  (you are invited)", "[g2] bob7 invites you\r\n  Type: join g2\r\n",
	} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("%q is not in %q", want, shown.String())
		}
	}
	if got := promptOf(screen); got != "alice42> " {
		t.Errorf("prompt %q", got)
	}
}

func TestScreenShowsContacts(t *testing.T) {
	for _, test := range []struct {
		event Event
		want  []string
	}{
		{Event{Kind: Contacts, Policy: "open"}, []string{"Anybody may write to you", "type: contacts ask"}},
		{Event{Kind: Contacts, Policy: "ask", Accepted: []string{"bob7", "carol1"}, Requests: []Request{{"eve9", 1}}, Blocked: []string{"mallory1"}, Pending: true},
			[]string{"Strangers have to ask", "eve9 wants to write to you (1 message)  accept eve9, or block eve9\r\n", "accepted: bob7, carol1\r\n", "blocked: mallory1\r\n", "The servers have not heard"}},
		{FromNode(node.Event{Kind: node.EventRequest, Account: "eve9", Count: 2}), []string{"· eve9 wants to write to you (2 messages): accept eve9, or block eve9\r\n"}},
		{Event{Kind: Accepted, Account: "eve9"}, []string{"✓ eve9 may write to you.\r\n"}},
		{Event{Kind: Blocked, Account: "eve9", Shared: []string{"g1"}}, []string{"✓ You see nothing more of eve9.\r\n", "You are both in g1: there they still read what you say"}},
		{Event{Kind: Unblocked, Account: "eve9"}, []string{"✓ eve9 is not blocked any more.\r\n"}},
	} {
		screen, shown := typed("")
		screen.Print(test.event)
		for _, want := range test.want {
			if !strings.Contains(shown.String(), want) {
				t.Errorf("%q is not in %q", want, shown.String())
			}
		}
	}
}

func TestScreenTellsOfWaitingMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		screen, shown := typed("")
		screen.Print(FromNode(node.Event{Kind: node.EventSending, ID: "1", To: "bob7"}))
		screen.Print(FromNode(node.Event{Kind: node.EventSending, ID: "2", To: "carol9"}))
		screen.Print(FromNode(node.Event{Kind: node.EventSent, ID: "2", To: "carol9"}))
		time.Sleep(patience + time.Second) // of the bubble's clock
		synctest.Wait()
		if got := shown.String(); !strings.Contains(got, "bob7 is not there now") || strings.Contains(got, "carol9 is") {
			t.Errorf("%q", got)
		}
	})
}

func TestScreenShowsProgressInPrompt(t *testing.T) {
	screen, _ := typed("")
	progress := node.Event{Kind: node.EventProgress, ID: "1", Name: "photo.jpg", Done: 43, Total: 100}
	screen.Print(FromNode(progress))
	if got := promptOf(screen); got != "[photo.jpg 43%] tryst> " {
		t.Errorf("prompt %q", got)
	}
	progress.Done = 100
	screen.Print(FromNode(progress))
	if got := promptOf(screen); got != "tryst> " {
		t.Errorf("prompt %q", got)
	}
}

func TestScreenForgetsTransfersThatRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		screen, _ := typed("")
		for done := range int64(2) {
			screen.Print(FromNode(node.Event{Kind: node.EventProgress, ID: "1", Name: "photo.jpg", Done: done, Total: 2}))
			time.Sleep(stale - time.Second) // of the bubble's clock
		}
		if got := promptOf(screen); got != "[photo.jpg 50%] tryst> " {
			t.Errorf("while it moves: %q", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := promptOf(screen); got != "tryst> " {
			t.Errorf("when it rests: %q", got)
		}
	})
}

func TestHistoryKeepsNoPassword(t *testing.T) {
	const up = "\x1b[A"
	screen, _ := typed("login alice42 secret\r" + up + "\r\x04")
	for _, want := range []string{"login alice42 secret", "login alice42"} {
		if got, err := screen.ReadLine(); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if _, err := screen.ReadLine(); err != io.EOF {
		t.Errorf("Ctrl-D: %v", err)
	}
}

func TestPasswordIsNotShown(t *testing.T) {
	screen, shown := typed("secret\r")
	if got, err := screen.ReadPassword("Password: "); err != nil || got != "secret" {
		t.Fatalf("%q, %v", got, err)
	}
	if strings.Contains(shown.String(), "secret") {
		t.Errorf("%q", shown.String())
	}
}

func TestComplete(t *testing.T) {
	screen, _ := typed("sho\t\rsend b\t\rsend #g\t\r")
	screen.Print(Event{Kind: Joined, Account: "bob7", Group: "g1"})
	for _, want := range []string{"show_my_groups ", "send bob7 ", "send #g1 "} {
		if got, err := screen.ReadLine(); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}
