//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tryst-chat/tryst/testnet/harness"
)

// A backup is made while somebody writes. Then all servers are lost. One is made from
// the backup, a device that has been there all the time goes on with it, and it grows.
func TestBackupAndRestore(t *testing.T) {
	c := newCluster(t, "s1", "s2", "s3")
	ctx, cancel := context.WithTimeout(t.Context(), 2*harness.Timeout)
	defer cancel()
	c.votes(t, "s2", "s1", "s2", "s3")
	w := c.writer(t, ctx, "alice")
	w.goesOn(t)

	file := filepath.Join(t.TempDir(), "tryst.backup")
	at := w.made.Load()
	if out, errs, status := say(t, "backup", file, "--dir", filepath.Join(c.dir, "s2")); status != 0 || !strings.Contains(out, "1 accounts") {
		t.Fatal(out, errs)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup's mode: %v, %v", info.Mode(), err)
	}
	if _, errs, status := say(t, "backup", file, "--dir", filepath.Join(c.dir, "s2")); status != 1 || !strings.Contains(errs, "nothing was changed") {
		t.Errorf("over a backup: %d, %s", status, errs)
	}
	w.goesOn(t) // which will be lost
	w.end()

	for _, name := range []string{"s1", "s3"} {
		c.servers[name].Process.Signal(syscall.SIGKILL)
		c.servers[name].end(t)
	}
	// Without a quorum what is left can still be saved.
	rest := filepath.Join(t.TempDir(), "rest.backup")
	dir2 := filepath.Join(c.dir, "s2")
	if _, errs, status := say(t, "backup", rest, "--dir", dir2); status != 1 || !strings.Contains(errs, "--stale") {
		t.Errorf("without a quorum: %d, %s", status, errs)
	}
	if out, errs, status := say(t, "backup", rest, "--stale", "--dir", dir2); status != 0 {
		t.Error(out, errs)
	}
	c.servers["s2"].Process.Signal(syscall.SIGKILL)
	c.servers["s2"].end(t)

	// Not over a state, and not from a file that is not whole.
	dir1 := filepath.Join(c.dir, "s1")
	if _, errs, status := say(t, "restore", file, "--dir", dir1); status != 1 || !strings.Contains(errs, "holds a state already") {
		t.Errorf("over a state: %d, %s", status, errs)
	}
	if err := os.RemoveAll(filepath.Join(dir1, "data")); err != nil {
		t.Fatal(err)
	}
	forgetful := command(ctx, "run", "--dir", dir1)
	if out, err := forgetful.CombinedOutput(); err == nil || !strings.Contains(string(out), "it is gone") {
		t.Errorf("without its state: %v, %s", err, out)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	half := file + ".half"
	if err := os.WriteFile(half, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := say(t, "restore", half, "--dir", dir1); status != 1 || !strings.Contains(errs, "cut short") {
		t.Errorf("from half a file: %d, %s", status, errs)
	}
	if out, _, status := say(t, "restore", "--check", file); status != 0 || !strings.Contains(out, "is whole") {
		t.Errorf("check: %d, %s", status, out)
	}
	if out, errs, status := say(t, "restore", file, "--dir", dir1); status != 0 {
		t.Fatal(out, errs)
	}
	c.servers = map[string]*process{"s1": start(t, dir1)}
	c.votes(t, "s1", "s1")

	// The device goes on, and finds what was there at the time of the backup.
	changes, err := w.changes(ctx)
	if err != nil || changes < at {
		t.Errorf("%d changes of at least %d, %v", changes, at, err)
	}
	if lost := w.made.Load() - changes; lost <= 0 {
		t.Errorf("%d changes are lost: was it not the backup that was put back?", lost)
	}
	again := c.writer(t, ctx, "bob")
	defer again.end()
	again.goesOn(t)

	// What was another server tells another story, and is not heard.
	old := command(ctx, "run", "--dir", dir2)
	if out, err := old.CombinedOutput(); err == nil || !strings.Contains(string(out), "taken out of the cluster") {
		t.Errorf("an old server is back: %v, %s", err, out)
	}
	c.add(t, "s4")
	c.votes(t, "s4", "s1", "s4")
	again.goesOn(t)
	if _, errs, status := say(t, "restore", rest, "--dir", filepath.Join(c.dir, "s3")); status != 1 || !strings.Contains(errs, "holds a state") {
		t.Errorf("over another state: %d, %s", status, errs)
	}
}
