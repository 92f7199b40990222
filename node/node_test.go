package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/node/wire"
)

func codeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func wantCode(t *testing.T, err error, code Code) {
	t.Helper()
	if codeOf(err) != code {
		t.Errorf("got %q (%v), want %q", codeOf(err), err, code)
	}
	var e *Error
	if errors.As(err, &e) && (!strings.HasSuffix(e.Message, ".") || e.Hint == "") {
		t.Errorf("%q / %q: not a sentence and what to do", e.Message, e.Hint)
	}
}

func TestTwoPeopleTalk(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("Bob", "7")
	hello := "Hello @bob,  two spaces\nand a line, naïve 👋"
	id, err := alice.Send(t.Context(), "BOB7", hello)
	if err != nil {
		t.Fatal(err)
	}
	got := bob.sees("the message", text(hello))
	if got.ID != id || got.From != "alice42" || got.To != "bob7" || got.Group != "" {
		t.Errorf("got %+v", got)
	}
	alice.sees("that it was sent", ofMessage(EventSent, id))
	if e := alice.sees("that it was delivered", ofMessage(EventDelivered, id)); e.By != "bob7" {
		t.Errorf("delivered by %q", e.By)
	}
	// If bob had not announced himself yet, the servers had it for a moment.
	kinds := alice.all(func(e Event) bool { return e.ID == id && e.Kind != EventStored })
	if len(kinds) != 3 || kinds[0].Kind != EventSending || kinds[1].Kind != EventSent {
		t.Errorf("states %+v", kinds)
	}
	bob.says("alice42", "hi")
	alice.sees("the answer", text("hi"))
	long := strings.Repeat("ä", wire.MaxText/2)
	bob.says("alice42", long)
	alice.sees("the longest text", text(long))
}

func TestWhatGoesWrongIsSaid(t *testing.T) {
	w := newWorld(t)
	alice := w.newPerson("alice", "42")
	stranger := w.open("")
	ctx := t.Context()
	_, err := stranger.Send(ctx, "alice42", "x")
	wantCode(t, err, CodeNotLoggedIn)
	_, err = stranger.SignUp(ctx, "alice", "42", []byte("other"))
	wantCode(t, err, CodeNameTaken)
	_, err = stranger.SignUp(ctx, "alic", "e42", []byte("other")) // another pair, the same account
	wantCode(t, err, CodeNameTaken)
	_, err = stranger.SignUp(ctx, "4lice", "42", []byte("other"))
	wantCode(t, err, CodeBadName)
	_, err = stranger.SignUp(ctx, "eve", "1", nil)
	wantCode(t, err, CodeUsage)
	_, wrong := stranger.Login(ctx, "alice42", []byte("guess"))
	wantCode(t, wrong, CodeWrongPassword)
	_, unknown := stranger.Login(ctx, "nobody1", []byte("guess"))
	if wrong.Error() != unknown.Error() {
		t.Errorf("a wrong password says %q, an unknown account %q", wrong, unknown)
	}
	_, err = alice.Login(ctx, "alice42", []byte(password))
	wantCode(t, err, CodeLoggedIn)
	_, err = alice.Send(ctx, "nobody1", "x")
	wantCode(t, err, CodeNoAccount)
	_, err = alice.Send(ctx, "not/a/name", "x")
	wantCode(t, err, CodeNoAccount)
	_, err = alice.Send(ctx, "alice42", strings.Repeat("x", wire.MaxText+1))
	wantCode(t, err, CodeTooLong)
	_, err = alice.Send(ctx, "alice42", "\xff")
	wantCode(t, err, CodeUsage)
	_, err = alice.SendGroup(ctx, "nothing", "x")
	wantCode(t, err, CodeNoGroup)
	_, _, err = alice.JoinGroup(ctx, "nothing")
	wantCode(t, err, CodeNoGroup)
	_, err = alice.CreateGroup(ctx, "no spaces")
	wantCode(t, err, CodeBadName)
	_, err = alice.SendFile(ctx, "nobody1", "/dev/null")
	wantCode(t, err, CodeNoAccount)
	if _, err := os.Stat(filepath.Join(stranger.home, "accounts")); err == nil {
		t.Error("failed attempts left an account on the disk")
	}
}

func TestSameHomeTwice(t *testing.T) {
	w := newWorld(t)
	alice := w.newPerson("alice", "42")
	second := w.open(alice.home)
	_, err := second.Login(t.Context(), "alice42", []byte(password))
	wantCode(t, err, CodeBusy)
	// Another account shares the home.
	if _, err := second.SignUp(t.Context(), "bob", "7", []byte(password)); err != nil {
		t.Fatal(err)
	}
	second.login("bob7")
	second.says("alice42", "from the same home")
}

// Messages wait on the sender's disk, also while the sender is away, and arrive
// once and in order when both are back.
func TestMessagesWaitForTheRecipient(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	bob.says("alice42", "first contact")
	bob.end()
	sent := []string{"one", "two", "three"}
	for _, s := range sent {
		if _, err := alice.Send(t.Context(), "bob7", s); err != nil {
			t.Fatal(err)
		}
	}
	alice = alice.again("alice42")
	bob = w.open(bob.home)
	bob.login("bob7")
	bob.sees("the last message", text("three"))
	var got []string
	for _, e := range bob.all(func(e Event) bool { return e.Kind == EventMessage }) {
		got = append(got, e.Text)
	}
	if strings.Join(got, " ") != "one two three" {
		t.Errorf("got %q", got)
	}
	alice.sees("that the last was delivered", func(e Event) bool { return e.Kind == EventDelivered })
	bob.says("alice42", "the session goes on")
	alice.sees("the answer", text("the session goes on"))
}

// Two nodes that have met go on without any server.
func TestServersAreNotNeededOnceTwoHaveMet(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "hello")
	w.stop()
	alice.sees("that the servers are gone", func(e Event) bool { return e.Kind == EventLink && !e.Online })
	alice.says("bob7", "still here")
	bob.says("alice42", "me too")
}

func TestSecondDeviceOfAnAccount(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "to one device")
	if _, err := alice.CreateGroup(t.Context(), "g1"); err != nil {
		t.Fatal(err)
	}
	tablet := w.open("")
	tablet.login("alice42") // with nothing but the password
	bob.seesNotices("alice42", 1)

	bob.says("alice42", "to both")
	alice.sees("it", text("to both"))
	tablet.sees("it too", text("to both"))

	alice.says("bob7", "from the first")
	if e := tablet.sees("a copy", text("from the first")); e.From != "alice42" || e.To != "bob7" {
		t.Errorf("the copy is %+v", e)
	}
	tablet.says("bob7", "from the second")
	bob.sees("it", text("from the second"))
	alice.sees("a copy", text("from the second"))

	// The group comes along, and its messages reach both.
	await(t, "the group on the second device", func() bool {
		groups, err := tablet.MyGroups(t.Context())
		return err == nil && len(groups) == 1 && !groups[0].Waiting
	})
	if _, err := alice.SendGroup(t.Context(), "g1", "to my group"); err != nil {
		t.Fatal(err)
	}
	tablet.sees("the group message", text("to my group"))

	if err := tablet.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	bob.says("alice42", "to one again")
	alice.sees("it", text("to one again"))
	if got := tablet.all(text("to one again")); got != nil {
		t.Error("a device that is logged out still gets messages")
	}
	tablet.login("alice42")
	bob.seesNotices("alice42", 3) // of the new device, its log-out, and the next one
	bob.says("alice42", "and to both again")
	tablet.sees("it", text("and to both again"))
}
