//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// add makes one more server's folder and starts it.
func (c *cluster) add(t *testing.T, name string) {
	t.Helper()
	if out, errs, status := say(t, "add", "--cluster", c.dir, "--server", name+"="+harness.Address(t).String()); status != 0 || !strings.Contains(out, "rendezvous run --dir "+name) {
		t.Fatal(out, errs)
	}
	c.servers[name] = start(t, filepath.Join(c.dir, name))
}

// status waits until the status of a server's cluster has all of some lines.
func (c *cluster) status(t *testing.T, name string, want ...string) string {
	t.Helper()
	var out, errs string
	holds := func() bool {
		var status int
		out, errs, status = say(t, "status", "--dir", filepath.Join(c.dir, name))
		for _, line := range want {
			if !strings.Contains(out, line) {
				return false
			}
		}
		return status == 0
	}
	defer func() {
		if t.Failed() {
			t.Logf("the last status: %s%s", out, errs)
		}
	}()
	harness.Await(t, fmt.Sprintf("%q in the status", want), holds)
	return out
}

// votes waits until just these servers vote, as one of them sees it.
func (c *cluster) votes(t *testing.T, at string, names ...string) {
	t.Helper()
	c.status(t, at, "cluster    "+strings.Join(names, ", ")+"\n")
	harness.Await(t, "all to vote", func() bool {
		out, _, _ := say(t, "status", "--dir", filepath.Join(c.dir, at))
		return !strings.Contains(out, "joining") && !strings.Contains(out, "does not answer")
	})
}

// leave has a server leave, and waits until it has ended in good order.
func (c *cluster) leave(t *testing.T, name string) {
	t.Helper()
	if out, errs, status := say(t, "leave", "--dir", filepath.Join(c.dir, name)); status != 0 || !strings.Contains(out, "has left") {
		t.Fatalf("%s does not leave: %s%s", name, out, errs)
	}
	if err := c.servers[name].end(t); err != nil {
		t.Errorf("%s ends with %v", name, err)
	}
	delete(c.servers, name)
}

// writer changes whom an account lets in, again and again, and fails the test if a
// change is not made.
type writer struct {
	*member
	made atomic.Int64
	done chan struct{}
	stop context.CancelFunc
}

func (c *cluster) writer(t *testing.T, ctx context.Context, name string) *writer {
	t.Helper()
	w := &writer{member: c.member(t, ctx, name), done: make(chan struct{})}
	asking, stop := context.WithCancel(ctx)
	w.stop = stop
	go func() {
		defer close(w.done)
		for n := uint64(1); asking.Err() == nil; n++ {
			if err := w.change(ctx, n); err != nil {
				t.Errorf("change %d: %v", n, err)
				return
			}
			w.made.Add(1)
		}
	}()
	return w
}

// change makes the n-th change.
func (m *member) change(ctx context.Context, n uint64) error {
	return m.SetContacts(ctx, client.ContactChange{Version: n - 1, Policy: []client.Policy{client.PolicyOpen, client.PolicyAsk}[n%2]})
}

// changes is how many the servers know of.
func (m *member) changes(ctx context.Context) (int64, error) {
	found, err := m.Contacts(ctx)
	return int64(found.Version), err
}

// end stops the writing.
func (w *writer) end() { w.stop(); <-w.done }

// goesOn waits until the writer has made some more.
func (w *writer) goesOn(t *testing.T) {
	t.Helper()
	before := w.made.Load()
	harness.Await(t, "more changes", func() bool { return w.made.Load() >= before+3 || t.Failed() })
}

// A cluster of one grows to three and shrinks to the one that came last, while
// somebody goes on writing. No request fails, and all that was written is there in the
// end.
func TestGrowAndShrink(t *testing.T) {
	c := newCluster(t, "s1")
	ctx, cancel := context.WithTimeout(t.Context(), 4*harness.Timeout)
	defer cancel()
	w := c.writer(t, ctx, "alice")
	defer w.end()

	c.add(t, "s2")
	c.add(t, "s3") // at the same time
	c.votes(t, "s1", "s1", "s2", "s3")
	c.votes(t, "s3", "s1", "s2", "s3")
	w.goesOn(t)

	c.leave(t, "s1") // which led
	c.votes(t, "s2", "s2", "s3")
	w.goesOn(t)
	c.leave(t, "s2")
	c.votes(t, "s3", "s3")
	w.goesOn(t)
	if _, errs, status := say(t, "leave", "--dir", filepath.Join(c.dir, "s3")); status != 1 || !strings.Contains(errs, "the only server") {
		t.Errorf("the last one leaves: %d, %s", status, errs)
	}
	w.goesOn(t)

	// Who has left does not come back.
	again := command(ctx, "run", "--dir", filepath.Join(c.dir, "s1"))
	if out, err := again.CombinedOutput(); err == nil || !strings.Contains(string(out), "rendezvous add") {
		t.Errorf("one that has left starts again: %v, %s", err, out)
	}
	w.end()
	if changes, err := w.changes(ctx); err != nil || changes != w.made.Load() {
		t.Errorf("%d changes of %d, %v", changes, w.made.Load(), err)
	}
}

// A dead server is taken out by its name. What would leave no majority is refused.
func TestRemoveTheDead(t *testing.T) {
	c := newCluster(t, "s1", "s2", "s3")
	ctx, cancel := context.WithTimeout(t.Context(), 4*harness.Timeout)
	defer cancel()
	c.votes(t, "s1", "s1", "s2", "s3")
	w := c.writer(t, ctx, "bob")
	defer w.end()
	w.goesOn(t)

	if err := c.servers["s3"].Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.servers["s3"].end(t)
	dir1 := filepath.Join(c.dir, "s1")
	c.status(t, "s1", "it does not answer")
	// Two of three answer: none of them may go.
	if _, errs, status := say(t, "leave", "--dir", filepath.Join(c.dir, "s2")); status != 1 || !strings.Contains(errs, "2 must answer and 1 do") {
		t.Errorf("s2 leaves: %d, %s", status, errs)
	}
	for _, one := range []struct{ name, want string }{
		{"s2", "2 must answer and 1 do"}, {"s1", "rendezvous leave"}, {"s9", "no server"},
	} {
		if _, errs, status := say(t, "remove", one.name, "--dir", dir1); status != 1 || !strings.Contains(errs, one.want) {
			t.Errorf("remove %s: %d, %s", one.name, status, errs)
		}
	}
	w.goesOn(t)
	if out, errs, status := say(t, "remove", "s3", "--dir", dir1); status != 0 {
		t.Fatal(out, errs)
	}
	c.votes(t, "s2", "s1", "s2")
	w.goesOn(t)

	// One that comes back is told, and ends.
	back := command(ctx, "run", "--dir", filepath.Join(c.dir, "s3"))
	if out, err := back.CombinedOutput(); err == nil || !strings.Contains(string(out), "taken out of the cluster") {
		t.Errorf("the dead one is back: %v, %s", err, out)
	}
}

// Nobody but the owner opens the socket, and without a server it says so.
func TestAdminSocket(t *testing.T) {
	c := newCluster(t, "s1")
	dir := filepath.Join(c.dir, "s1")
	c.status(t, "s1", "are taken")
	socket := filepath.Join(dir, "data", "admin.sock")
	for path, want := range map[string]os.FileMode{socket: 0o600, filepath.Dir(socket): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	c.servers["s1"].Process.Kill() // it leaves the socket behind
	c.servers["s1"].end(t)
	if _, errs, status := say(t, "status", "--dir", dir); status != 1 || !strings.Contains(errs, "rendezvous run --dir") {
		t.Errorf("of a dead one: %d, %s", status, errs)
	}
	c.servers["s1"] = start(t, dir)
	c.status(t, "s1", "are taken")
}
