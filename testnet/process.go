package testnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// process is one program that was started. Its standard error goes to a log
// file; its standard output is read line by line.
type process struct {
	cmd   *exec.Cmd
	log   *os.File
	input io.WriteCloser // its standard input
	ended chan struct{}  // closed when it has ended and its output is read

	once sync.Once // of closing input
}

// launch starts a program. lines is called for every line of its standard
// output, from one goroutine; it must not keep the slice.
func launch(logFile string, lines func([]byte), program string, args ...string) (*process, error) {
	if err := os.MkdirAll(filepath.Dir(logFile), 0o700); err != nil {
		return nil, fmt.Errorf("testnet: %w", err)
	}
	log, err := os.OpenFile(logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("testnet: %w", err)
	}
	p := &process{cmd: exec.Command(program, args...), log: log, ended: make(chan struct{})}
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = attributes()
	output, err := p.pipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("testnet: start %s: %w", filepath.Base(program), err), log.Close())
	}
	go p.read(output, lines)
	return p, nil
}

func (p *process) pipe() (output io.Reader, err error) {
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return p.cmd.StdoutPipe()
}

// read hands on the output until it ends, and then collects the process.
func (p *process) read(output io.Reader, lines func([]byte)) {
	defer close(p.ended)
	scanner := bufio.NewScanner(output)
	scanner.Buffer(nil, maxEventLine)
	for scanner.Scan() {
		lines(scanner.Bytes())
	}
	_, _ = io.Copy(io.Discard, output) // after a line too long, so that it does not hang
	_ = p.cmd.Wait()                   // how it ended is in ProcessState
	p.log.Close()
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// closeInput ends the process's standard input.
func (p *process) closeInput() { p.once.Do(func() { p.input.Close() }) }

// stop asks the process to end, waits, and kills it when that takes too long.
func (p *process) stop() error {
	if !p.running() {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.kill()
		return nil
	}
	_ = p.thaw() // one that is frozen hears nothing; where nothing can be frozen there is nothing to do
	return p.wait(stopTimeout)
}

// wait waits until the process has ended, and kills it after a time.
func (p *process) wait(timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timer.C:
		p.kill()
		return fmt.Errorf("testnet: %s did not end within %v and was killed", filepath.Base(p.cmd.Path), timeout)
	}
}

// kill ends the process at once, as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended meanwhile
	<-p.ended
	p.closeInput()
}

// status is the exit status after the end; -1 after a signal.
func (p *process) status() int { return p.cmd.ProcessState.ExitCode() }

// first starts a program and returns the first line that it prints. Its errors go
// on from the name of what was started.
func first(ctx context.Context, logFile, program string, args ...string) (*process, []byte, error) {
	line := make(chan []byte, 1)
	p, err := launch(logFile, func(l []byte) {
		select {
		case line <- append([]byte(nil), l...):
		default: // only the first matters
		}
	}, program, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot be started: %w", err)
	}
	select {
	case l := <-line:
		return p, l, nil
	case <-p.ended:
		return nil, nil, fmt.Errorf("ended at once (status %d): %s", p.status(), lastLine(logFile))
	case <-ctx.Done():
		p.kill()
		return nil, nil, fmt.Errorf("did not say that it listens: %w: %s", ctx.Err(), lastLine(logFile))
	}
}

// lastLine returns the last line of a log, for an error's explanation.
func lastLine(logFile string) string {
	file, err := os.Open(logFile)
	if err != nil {
		return ""
	}
	defer file.Close()
	last := ""
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if scanner.Text() != "" {
			last = scanner.Text()
		}
	}
	return last
}
