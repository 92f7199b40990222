package testnet_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/wrongclock"
)

// A server whose clock is wrong says by how much and how to mend it, and leaves; people do
// not notice, and the others go on. When the clock is right it is one of them again.
func TestWrongClock(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs anew, and Go's own packages with them")
	}
	t.Parallel()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := wrongclock.Build(t.Context(), bin); err != nil {
		t.Fatal(err)
	}
	clockOf := func(name string) wrongclock.Clock { return wrongclock.Clock(filepath.Join(dir, name)) }
	net := own(t, testnet.Config{Servers: 3, Bin: bin, Place: func(name string) testnet.Place { return clockOf(name).Place() }})
	third := net.Servers[2]
	clock := clockOf(third.Name)
	traffic := begin(t, net, "clocked")
	const hour = time.Hour
	for _, c := range []struct {
		by      time.Duration
		running bool // set while the server runs, and leads
		says    string
	}{
		{hour, false, "clock is 1h0m ahead of the other servers'"},
		{30 * hour, false, "clock is 30h0m ahead of the other servers'"},
		{-hour, true, "clock is 1h0m behind the other servers'"},
	} {
		if c.running {
			lead(t, net, third)
		} else if err := third.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := clock.Set(c.by); err != nil {
			t.Fatal(err)
		}
		if !c.running {
			if err := third.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		leaves(t, net, third, "rendezvous: this server's "+c.says+"; set it (timedatectl set-ntp true) and start the server again")
		if err := errors.Join(clock.Set(0), third.Start(t.Context()), net.Ready(t.Context())); err != nil {
			t.Fatalf("%v: %v", c.by, err)
		}
		hasAll(t, third, net.Servers[0])
	}
	// So far behind, the certificate is of the future.
	if err := errors.Join(third.Stop(), clock.Set(-30*hour)); err != nil {
		t.Fatal(err)
	}
	refusesToStart(t, third, "long before the certificate", "this machine's clock says", "timedatectl set-ntp true")
	if err := errors.Join(clock.Set(0), third.Start(t.Context()), net.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
	traffic.end()
}

// leaves waits until a server ends by itself, with status 1 and a sentence that has
// some parts.
func leaves(t *testing.T, net *testnet.Testnet, m *testnet.Machine, says ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if net.Lost(ctx, map[string]bool{}) != m.Name {
		t.Fatalf("%s does not leave", m.Name)
	}
	if status, _ := m.ExitStatus(); status != 1 {
		t.Errorf("%s ended with status %d", m.Name, status)
	}
	words := m.LastWords()
	for _, part := range says {
		if !strings.Contains(words, part) {
			t.Errorf("%s says %q, and nothing of %q", m.Name, words, part)
		}
	}
}
