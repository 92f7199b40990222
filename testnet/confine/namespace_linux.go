package confine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespace is one that this process holds open. It is gone when nothing is in it any
// more and this process has closed it, or has ended.
type namespace struct {
	file *os.File
	flag string // of nsenter
}

// kind is a kind of namespace.
type kind struct {
	flag uintptr // of unshare(2)
	name string  // in /proc/self/ns
	long string  // as a flag of nsenter
}

var (
	network = kind{unix.CLONE_NEWNET, "net", "--net"}
	mounts  = kind{unix.CLONE_NEWNS, "mnt", "--mount"}
)

// newNamespace makes a namespace: that of a program that does nothing and ends at
// once. (A thread of this process that made one could not go back to where it was.)
func newNamespace(k kind) (*namespace, error) {
	program := exec.Command("cat") // until its input ends
	program.SysProcAttr = &syscall.SysProcAttr{Unshareflags: k.flag}
	input, err := program.StdinPipe()
	if err == nil {
		err = program.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: a namespace (%s): %w", ErrUnavailable, k.name, err)
	}
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", program.Process.Pid, k.name))
	if err = errors.Join(err, input.Close(), program.Wait()); err != nil {
		return nil, fmt.Errorf("confine: a namespace (%s): %w", k.name, err)
	}
	return &namespace{file, k.long}, nil
}

// enter is the command that starts another one inside.
func (n *namespace) enter() []string {
	return []string{"nsenter", fmt.Sprintf("%s=/proc/%d/fd/%d", n.flag, os.Getpid(), n.file.Fd()), "--"}
}

// run runs a command inside.
func (n *namespace) run(command ...string) error {
	all := append(n.enter(), command...)
	out, err := exec.Command(all[0], all[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("confine: %s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// do does something inside of a network. Sockets that it opens stay in there.
func (n *namespace) do(inside func() error) error {
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("confine: %w", err)
	}
	defer here.Close()
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("confine: enter a network: %w", err)
	}
	err = inside()
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		// The thread stays locked, so that nothing else ever runs on it.
		return errors.Join(err, fmt.Errorf("confine: leave a network: %w", back))
	}
	runtime.UnlockOSThread()
	return err
}

func (n *namespace) close() error { return n.file.Close() }

// possible says why there can be no namespaces here, or nil.
func possible(commands ...string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: it needs root", ErrUnavailable)
	}
	for _, command := range append(commands, "nsenter") {
		if _, err := exec.LookPath(command); err != nil {
			return fmt.Errorf("%w: there is no command %s; install iproute2 and util-linux", ErrUnavailable, command)
		}
	}
	return nil
}
