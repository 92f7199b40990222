package testnet_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/beacon"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// lines runs the program in line mode on some input, and returns what it
// prints and its exit status.
func lines(t *testing.T, input string, flags ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	tryst := exec.CommandContext(t.Context(), filepath.Join(suite.bin(t), "tryst"), flags...)
	tryst.Stdin, tryst.Stdout, tryst.Stderr = strings.NewReader(input), &out, &errs
	if err := tryst.Run(); err != nil && tryst.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), tryst.ProcessState.ExitCode()
}

// typist is the program in line mode with somebody who waits for what it prints
// before the next line.
type typist struct {
	*exec.Cmd
	t     *testing.T
	input io.WriteCloser
	shown *waitFor
	errs  bytes.Buffer // standard error, to be read once the program has ended
}

func typing(t *testing.T, flags ...string) *typist {
	t.Helper()
	p := &typist{t: t, Cmd: exec.CommandContext(t.Context(), filepath.Join(suite.bin(t), "tryst"), flags...), shown: newWaitFor(t)}
	p.Stdout, p.Stderr = p.shown, &p.errs
	var err error
	if p.input, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill() // it may have ended
		p.Wait()
	})
	return p
}

func (p *typist) types(lines string) {
	p.t.Helper()
	if _, err := io.WriteString(p.input, lines); err != nil {
		p.t.Fatal(err)
	}
}

// The plain form of the commands' answers is what scripts read.
func TestPlainConversation(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	friend := enter(t, net, "plain", "2")
	friend.do("create plaingroup", testnet.Event{Event: "created", Group: "plaingroup"})
	out, errs, status := lines(t, strings.Join([]string{
		"sign up plain 1 pw", "LOGIN plain1 pw", "join plaingroup", "show_my_groups",
		"send plain2 hello  there", "send_group 1 plaingroup hello group", "sned",
	}, "\n"), "--plain", "--home", t.TempDir(), "--balancer", net.Balancer)
	if status != 0 || errs != "" {
		t.Errorf("status %d: %s", status, errs)
	}
	for _, want := range []string{
		"signed up as plain1\nlogged in as plain1\n", "plain1 joined plaingroup", "\nplaingroup : 2\n",
		" to plain2\n", " to #plaingroup\n", `error: There is no command "sned". Did you mean send?`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if !strings.HasSuffix(out, "\nbye\n") {
		t.Errorf("no goodbye:\n%s", out)
	}
	friend.sees(testnet.Event{Event: "message", From: "plain1", Text: "hello  there"})
	friend.sees(testnet.Event{Event: "message", From: "plain1", Group: "plaingroup", Text: "hello group"})
}

// A person who logs in gets what waited, in the form of old.
func TestPlainMessages(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	friend := enter(t, net, "speaker", "1")
	reader := enter(t, net, "reader", "1")
	friend.do("create readers", testnet.Event{Event: "created", Group: "readers"})
	reader.do("join readers", testnet.Event{Event: "joined", Group: "readers"})
	friend.sees(testnet.Event{Event: "joined", Group: "readers"})
	friend.tells(reader, "first")
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	friend.do("send reader1 for you", testnet.Event{Event: "sending", To: "reader1"})

	home := typing(t, "--plain", "--home", reader.Home, "--balancer", net.Balancer)
	home.types("login reader1 " + reader.password + "\n")
	home.shown.until("speaker1 : for you\n")
	friend.do("send_group 1 readers for all", testnet.Event{Event: "sent", Group: "readers"})
	home.shown.until("[readers] speaker1 : for all\n")
}

// A testnet of the same machine is found without any flag, and what is done on
// it stays in its folder.
func TestTestnetIsFound(t *testing.T) {
	net := suite.testnet(t)
	t.Setenv("TMPDIR", t.TempDir()) // the test's own beacon, and no other
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	_, errs, status := lines(t, "help\n")
	if status != 1 || !strings.Contains(errs, "no balancer is known") {
		t.Fatalf("without a testnet: status %d, %s", status, errs)
	}
	if err := beacon.Light(net.Describe()); err != nil {
		t.Fatal(err)
	}
	out, errs, status := lines(t, "sign up found 1 pw\nlogin found1 pw\n")
	if status != 0 || !strings.Contains(out, "logged in as found1\n") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	if _, err := os.Stat(filepath.Join(net.Dir, "home")); err != nil {
		t.Errorf("its state: %v", err)
	}
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	good := []string{"--home", t.TempDir(), "--balancer", net.Balancer}
	for _, test := range []struct {
		input string
		flags []string
		want  int
	}{
		{"", good, 0},
		{"quit\nsned\n", good, 0},
		{"sned\nsend\n", good, 0}, // what is typed wrong is said, and is no failure
		{"", []string{"--nosuchflag"}, 2},
		{"", append([]string{"sign", "up"}, good...), 2},
		{"", []string{"--home", "/dev/null/x", "--balancer", net.Balancer}, 1},
	} {
		if out, errs, status := lines(t, test.input, test.flags...); status != test.want {
			t.Errorf("%q %q: status %d, not %d\n%s%s", test.input, test.flags, status, test.want, out, errs)
		}
	}
}

// Ctrl-C ends the program in an orderly way, also while a command waits.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	tryst := typing(t, "--json", "--home", t.TempDir(), "--balancer", "9") // nobody listens there
	tryst.types("help\nsign up inter 1 pw\n")
	tryst.shown.until(`"event":"help"`)
	if err := tryst.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := tryst.Wait(); tryst.ProcessState.ExitCode() != 1 {
		t.Errorf("%v", err)
	}
	tryst.shown.until(`"event":"bye"`)
}

// A program whose folder is gone, as that of a testnet that was stopped, ends
// all the same, and says why it did not end well.
func TestHomeVanishes(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	home := filepath.Join(t.TempDir(), "home")
	tryst := typing(t, "--plain", "--home", home, "--balancer", net.Balancer)
	tryst.types("sign up gone 1 pw\nlogin gone1 pw\n")
	tryst.shown.until("logged in as gone1\n")
	// The program may make a file in the middle of it.
	harness.Await(t, "an empty place", func() bool { return os.RemoveAll(home) == nil })
	if err := tryst.input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tryst.Wait(); tryst.ProcessState.ExitCode() != 1 || !strings.Contains(tryst.errs.String(), home) {
		t.Errorf("%v, and it says: %s", err, &tryst.errs)
	}
}

// waitFor collects output until something appears in it.
type waitFor struct {
	t      *testing.T
	chunks chan []byte
	all    bytes.Buffer
}

func newWaitFor(t *testing.T) *waitFor {
	const enough = 1000 // writes, so that the process never waits for the test
	return &waitFor{t: t, chunks: make(chan []byte, enough)}
}

// Write implements io.Writer for one process.
func (w *waitFor) Write(b []byte) (int, error) {
	w.chunks <- bytes.Clone(b)
	return len(b), nil
}

func (w *waitFor) until(want string) {
	w.t.Helper()
	timer := time.NewTimer(harness.Timeout)
	defer timer.Stop()
	for !strings.Contains(w.all.String(), want) {
		select {
		case b := <-w.chunks:
			w.all.Write(b)
		case <-timer.C:
			w.t.Fatalf("%q did not appear in:\n%s", want, w.all.String())
		}
	}
}
