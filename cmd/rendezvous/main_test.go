package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/testnet/harness"
)

// asCommand makes this test binary the command itself, so that the processes
// of these tests are the real thing.
const asCommand = "TRYST_TEST_AS_RENDEZVOUS"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

// say runs the command to its end and returns what it said and its exit status.
func say(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	var out, errs bytes.Buffer
	c := command(ctx, args...)
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tryst")
	args := []string{"init", "--cluster", dir, "--server", "s1=/ip4/192.0.2.1/tcp/4001", "--balancer", "b1=/ip4/192.0.2.9/tcp/4100"}
	out, errs, status := say(t, args...)
	if status != 0 {
		t.Fatal(errs)
	}
	for _, want := range []string{"fingerprint", "rendezvous run --dir s1", "balancer run --dir b1", "tryst --balancer /ip4/192.0.2.9/tcp/4100/p2p/", "off the servers"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	secret, err := os.ReadFile(filepath.Join(dir, "cluster.key"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, strings.TrimSpace(string(secret))) {
		t.Error("it prints the cluster's private key")
	}
	if _, errs, status := say(t, args...); status != 1 || !strings.Contains(errs, "nothing was changed") {
		t.Errorf("again: exit status %d, %s", status, errs)
	}
}

// Each mistake gets one line that says what is wrong, and exit status 1.
func TestMistakes(t *testing.T) {
	empty := t.TempDir()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no such command":     {[]string{"walk"}, "walk"},
		"init without folder": {[]string{"init", "--server", "s1=/ip4/192.0.2.1/tcp/1"}, "cluster"},
		"init without server": {[]string{"init", "--cluster", empty}, "server"},
		"init with nonsense":  {[]string{"init", "--cluster", empty, "--server", "s1:4001"}, "NAME=MULTIADDR"},
		"renew nothing":       {[]string{"renew", "--cluster", empty}, "cluster.key"},
		"run without folder":  {[]string{"run"}, "dir"},
		"run in nothing":      {[]string{"run", "--dir", empty}, "server.key"},
		"run with a format":   {[]string{"run", "--dir", empty, "--log-format", "xml"}, "xml"},
		"status of nobody":    {[]string{"status", "--metrics", "127.0.0.1:1"}, "no server answers"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := say(t, c.args...)
			if status != 1 || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("exit status %d, out %q, err %q", status, out, errs)
			}
		})
	}
}
