package testnet

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
)

// Machine is a rendezvous server or the balancer: a process that may be
// stopped, killed, frozen and started again.
type Machine struct {
	Name string

	place   Place
	program string
	args    []string
	logFile string

	mu        sync.Mutex
	process   *process  // the one that runs, or ran last
	listening listening // what it said at its start
	wanted    bool      // it is meant to run
}

// listening is the line that servers and balancers print.
type listening struct {
	Event     string   `json:"event"`
	Name      string   `json:"name"`
	Peer      string   `json:"peer"`
	Addresses []string `json:"addresses"` // multiaddrs
	Metrics   string   `json:"metrics"`   // host:port
}

func (c Config) newMachine(bin, program, name string, args ...string) *Machine {
	place := c.Place(name)
	return &Machine{
		Name:    name,
		place:   place,
		program: executable(bin, program),
		args:    append([]string{"run", "--dir", filepath.Join(c.Dir, name), "--metrics", place.host() + ":0"}, args...),
		logFile: filepath.Join(c.Dir, "logs", name+".log"),
	}
}

// Start starts the machine and waits until it listens.
func (m *Machine) Start(ctx context.Context) error {
	program, args := m.place.command(m.program, m.args)
	process, line, err := first(ctx, m.logFile, program, args...)
	if err != nil {
		return fmt.Errorf("testnet: %s %w", m.Name, err)
	}
	var said listening
	if err := json.Unmarshal(line, &said); err != nil || said.Event != "listening" {
		process.kill()
		return fmt.Errorf("testnet: %s said %q instead of where it listens", m.Name, line)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.process, m.listening, m.wanted = process, said, true
	return nil
}

// current returns the process and what it said; wanted tells what is meant to
// become of it.
func (m *Machine) current(wanted bool) (*process, listening) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wanted = wanted
	return m.process, m.listening
}

// Stop ends the machine in an orderly way.
func (m *Machine) Stop() error {
	if p, _ := m.current(false); p != nil {
		return p.stop()
	}
	return nil
}

// Kill ends the machine without any warning.
func (m *Machine) Kill() {
	if p, _ := m.current(false); p != nil {
		p.kill()
	}
}

// Freeze leaves the machine's connections open and silent; Thaw wakes it.
func (m *Machine) Freeze() error { return m.see().freeze() }

// Thaw lets a frozen machine go on.
func (m *Machine) Thaw() error { return m.see().thaw() }

func (m *Machine) see() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process
}

func (m *Machine) said() listening {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.listening
}

// PID returns the process ID of the last start.
func (m *Machine) PID() int { return m.see().pid() }

// Running reports whether the machine's process runs.
func (m *Machine) Running() bool {
	p := m.see()
	return p != nil && p.running()
}

// ExitStatus returns the status with which the machine's process ended, -1 after a
// signal, and whether it has ended.
func (m *Machine) ExitStatus() (status int, ended bool) {
	p := m.see()
	if p == nil || p.running() {
		return 0, false
	}
	return p.status(), true
}

// LastWords returns the last line of the machine's log.
func (m *Machine) LastWords() string { return lastLine(m.logFile) }

// Addresses returns the multiaddrs on which the machine listens.
func (m *Machine) Addresses() []string { return m.said().Addresses }

// Peer returns the machine's peer ID.
func (m *Machine) Peer() string { return m.said().Peer }

// Metrics returns the host:port of the machine's /metrics and /healthz.
func (m *Machine) Metrics() string { return m.said().Metrics }

// lost returns a channel that is closed when the machine's process ends, and
// whether that was meant.
func (m *Machine) lost() (ended <-chan struct{}, meant func() bool) {
	return m.see().ended, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return !m.wanted
	}
}
