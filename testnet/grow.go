package testnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/testnet/beacon"
	"github.com/tryst-chat/tryst/testnet/freeport"
)

// What an operator does to a cluster that runs: it grows, shrinks, and is restarted
// server by server. One such change is made at a time.

// Grow adds servers, one after the other, and returns when all of them vote.
func (t *Testnet) Grow(ctx context.Context, by int) error {
	t.changing.Lock()
	defer t.changing.Unlock()
	if n := len(t.servers()) + by; by < 1 || n > maxServers {
		return fmt.Errorf("testnet: %d servers; 1 to %d are possible", n, maxServers)
	}
	for range by {
		if err := t.grow(ctx); err != nil {
			return err
		}
	}
	return t.settled(ctx)
}

func (t *Testnet) grow(ctx context.Context) error {
	ports, err := freeport.Draw(1)
	if err != nil {
		return err
	}
	one := t.config.machine(t.nextName(), ports[0])
	if _, err := provision.Add(t.Dir, one, 0, time.Now()); err != nil {
		return fmt.Errorf("testnet: %w", err)
	}
	m := t.config.newServer(t.bin, provision.Peer{Name: one.Name, Addresses: one.Addresses})
	if err := m.Start(ctx); err != nil {
		return errors.Join(err, os.RemoveAll(filepath.Join(t.Dir, one.Name)))
	}
	t.mu.Lock()
	t.Servers = append(slices.Clone(t.Servers), m)
	t.mu.Unlock()
	return m.poll(ctx, "/status", func(body []byte) bool {
		var s struct{ Voter, Ready bool }
		return json.Unmarshal(body, &s) == nil && s.Voter && s.Ready
	})
}

// nextName is a name that no server has had, so that logs are not mixed up: one above
// the highest number.
func (t *Testnet) nextName() string {
	highest := 0
	logs, _ := filepath.Glob(filepath.Join(t.Dir, "logs", "s*.log")) // the pattern is a good one
	for _, path := range logs {
		if n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "s"), ".log")); err == nil {
			highest = max(highest, n)
		}
	}
	return serverName(highest)
}

// Shrink has servers leave the cluster in good order, by name, one after the other.
// Their folders are removed.
func (t *Testnet) Shrink(ctx context.Context, names ...string) error {
	t.changing.Lock()
	defer t.changing.Unlock()
	for _, name := range names {
		if err := t.leave(ctx, name); err != nil {
			return err
		}
	}
	return t.settled(ctx)
}

func (t *Testnet) leave(ctx context.Context, name string) error {
	servers := t.servers()
	at := slices.IndexFunc(servers, func(m *Machine) bool { return m.Name == name })
	if at < 0 {
		return fmt.Errorf("testnet: there is no server %q", name)
	}
	m, dir := servers[at], filepath.Join(t.Dir, name)
	p, _ := m.current(false) // its end is meant
	out, err := exec.CommandContext(ctx, m.program, "leave", "--dir", dir).CombinedOutput()
	if err != nil {
		m.current(true)
		return fmt.Errorf("testnet: %s does not leave: %s", name, strings.TrimSpace(string(out)))
	}
	if err := p.wait(stopTimeout); err != nil {
		return err
	}
	if p.status() != 0 {
		return fmt.Errorf("testnet: %s left and ended with status %d: %s", name, p.status(), lastLine(m.logFile))
	}
	t.mu.Lock()
	t.Servers = slices.Delete(slices.Clone(t.Servers), at, at+1)
	t.mu.Unlock()
	return os.RemoveAll(dir)
}

// Roll restarts all servers, one after the other, as an upgrade does: each is stopped in
// good order, and the next one only once it takes nodes again.
func (t *Testnet) Roll(ctx context.Context) error {
	t.changing.Lock()
	defer t.changing.Unlock()
	for _, m := range t.servers() {
		if err := m.Stop(); err != nil {
			return err
		}
		if err := m.Start(ctx); err != nil {
			return err
		}
		if err := t.Ready(ctx); err != nil {
			return err
		}
	}
	return t.settled(ctx)
}

// settled waits until all servers are ready, and writes down which there are.
func (t *Testnet) settled(ctx context.Context) error {
	if err := t.Ready(ctx); err != nil {
		return err
	}
	return beacon.Write(t.Dir, t.Describe())
}

// servers returns the servers that there are now.
func (t *Testnet) servers() []*Machine {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Servers // replaced as a whole
}
