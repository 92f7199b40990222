package testnet_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/term"

	"github.com/tryst-chat/tryst/testnet"
)

// terminal is a pseudo-terminal (pty(7)) with the program at its one end and
// the test, which types and looks, at the other.
type terminal struct {
	t     *testing.T
	near  *os.File    // the test's end
	far   *os.File    // the program's
	modes *term.State // before the program ran
	tryst *exec.Cmd
	shown *waitFor
}

// sit starts the interactive program on a terminal of its own.
func sit(t *testing.T, flags ...string) *terminal {
	t.Helper()
	near, far, err := pseudoTerminal()
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("no pseudo-terminal:", err)
	} else if err != nil {
		t.Fatal(err)
	}
	tryst := exec.Command(filepath.Join(suite.bin(t), "tryst"), flags...)
	tryst.Stdin, tryst.Stdout, tryst.Stderr = far, far, far
	tryst.Env = append(os.Environ(), "NO_COLOR=1", "TERM=xterm")
	tryst.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	s := &terminal{t: t, near: near, far: far, modes: modes(t, far), tryst: tryst, shown: newWaitFor(t)}
	if err := tryst.Start(); err != nil {
		t.Fatal(err)
	}
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		io.Copy(s.shown, near) // until near is closed
	}()
	t.Cleanup(func() {
		tryst.Process.Kill() // it may have ended
		tryst.Wait()
		near.Close()
		far.Close()
		<-looked
	})
	return s
}

// pseudoTerminal opens both ends of a terminal of 80 by 24 characters.
func pseudoTerminal() (near, far *os.File, err error) {
	near, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			near.Close()
		}
	}()
	var number, unlocked uint32
	size := struct{ rows, columns, _, _ uint16 }{rows: 24, columns: 80}
	for _, ask := range []struct {
		what uintptr
		with unsafe.Pointer
	}{
		{syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked)},
		{syscall.TIOCGPTN, unsafe.Pointer(&number)},
		{syscall.TIOCSWINSZ, unsafe.Pointer(&size)},
	} {
		if err := control(near, ask.what, ask.with); err != nil {
			return nil, nil, err
		}
	}
	far, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	return near, far, err
}

func control(file *os.File, what uintptr, with unsafe.Pointer) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed syscall.Errno
	if err := raw.Control(func(fd uintptr) { _, _, failed = syscall.Syscall(syscall.SYS_IOCTL, fd, what, uintptr(with)) }); err != nil {
		return err
	}
	if failed != 0 {
		return failed
	}
	return nil
}

func (s *terminal) types(keys string) {
	s.t.Helper()
	if _, err := s.near.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// What a person sees and does who sits at a terminal.
func TestTerminal(t *testing.T) {
	t.Parallel()
	const ctrlD = "\x04"
	net := suite.testnet(t)
	friend := enter(t, net, "crab", "1")
	screen := sit(t, "--home", t.TempDir(), "--balancer", net.Balancer)
	screen.shown.until("For the commands, type: help\r\n")
	screen.shown.until("tryst> ")

	screen.types("sign up turtle 1\r")
	screen.shown.until("Choose a password: ")
	screen.types("hush hush\r")
	screen.shown.until("The same again: ")
	screen.types("hush hush\r")
	screen.shown.until("You are signed up as turtle1.")
	screen.types("login turtle1\r")
	screen.shown.until("Password: ")
	screen.types("hush hush\r")
	screen.shown.until("You are logged in as turtle1.")
	screen.shown.until("turtle1> ")

	screen.types("sned crab1 hello\r")
	screen.shown.until(`There is no command "sned".`)
	screen.shown.until("Did you mean send?")

	// A message comes while somebody types: it stands above the line, which is
	// there again behind the prompt, and is sent whole.
	screen.types("send crab1 half a li")
	screen.shown.until("turtle1> send crab1 half a li")
	friend.do("send turtle1 are you there?", testnet.Event{Event: "sending", To: "turtle1"})
	screen.shown.until("crab1 : are you there?\r\nturtle1> send crab1 half a li")
	screen.types("ne\r")
	friend.sees(testnet.Event{Event: "message", From: "turtle1", Text: "half a line"})
	screen.shown.until("crab1 has it")

	screen.types(ctrlD)
	if err := screen.tryst.Wait(); err != nil {
		t.Errorf("at Ctrl-D: %v", err)
	}
	if after := modes(t, screen.far); !reflect.DeepEqual(screen.modes, after) {
		t.Errorf("the terminal's modes were %+v and are %+v", screen.modes, after)
	}
	if shown := screen.shown.all.String(); strings.Contains(shown, "hush") {
		t.Errorf("the password is shown:\n%q", shown)
	}
}

// modes returns how a terminal treats keys and lines.
func modes(t *testing.T, file *os.File) *term.State {
	t.Helper()
	state, err := term.GetState(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return state
}
