package testnet_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/confine"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// A server whose files are not what they were says in one sentence what is wrong and
// what to do, and does not start; the others go on meanwhile. Once that is done, it is
// one of them again.
func TestDamagedServers(t *testing.T) {
	t.Parallel()
	net := own(t, testnet.Config{Servers: 3})
	u := enter(t, net, "damon", "1")
	third := net.Servers[2]
	dir := filepath.Join(net.Dir, third.Name)
	data := filepath.Join(dir, "data")
	for i, c := range []struct {
		name string
		harm string   // a pattern of files in the server's folder that are damaged
		says []string // parts of the sentence
	}{
		{"state's manifest", "data/state/generation-*/MANIFEST", []string{"this server's state in " + data + " cannot be opened", "rendezvous remove", "rendezvous add"}},
		{"state's table", "data/state/generation-*/*.sst", []string{"this server's state in " + data + " cannot be opened", ".sst", "rendezvous remove"}},
		{"log's index", "data/log/wal-meta.db", []string{"this server's log in " + data + " cannot be opened", "rendezvous remove"}},
	} {
		u.do(fmt.Sprintf("create whole-%d", i), testnet.Event{Event: "created"})
		if err := third.Stop(); err != nil {
			t.Fatal(err)
		}
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(data)); err != nil {
			t.Fatal(err)
		}
		damage(t, filepath.Join(dir, c.harm))
		refusesToStart(t, third, c.name, c.says...)
		u.do(fmt.Sprintf("create damaged-%d", i), testnet.Event{Event: "created"})
		if err := errors.Join(os.RemoveAll(data), os.CopyFS(data, os.DirFS(copied)), third.Start(t.Context()), net.Ready(t.Context())); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		hasAll(t, third, net.Servers[0])
	}
}

// hasAll waits until a server has what another one has now.
func hasAll(t *testing.T, m, other *testnet.Machine) {
	t.Helper()
	wanted, err := other.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	harness.Await(t, m.Name+" to catch up", func() bool {
		s, err := m.Status(t.Context())
		return err == nil && s.Applied >= wanted.Applied
	})
}

// damage overwrites a part of every block of files.
func damage(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		there, _ := filepath.Glob(filepath.Join(filepath.Dir(pattern), "*"))
		t.Fatalf("no files %s, but %v: %v", pattern, there, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		const block = 1 << 10
		for at := 0; at < len(content); at += block {
			copy(content[at:], "this is not what was written here")
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// refusesToStart wants a server to end at once, with status 1 and a sentence.
func refusesToStart(t *testing.T, m *testnet.Machine, why string, says ...string) {
	t.Helper()
	err := m.Start(t.Context())
	if err == nil {
		t.Fatalf("%s: it started all the same", why)
	}
	for _, part := range append(says, "status 1", "rendezvous: ") {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: it says nothing of %q: %v", why, part, err)
		}
	}
}

// A log that is damaged is dropped: the state has what was in it, and the others have
// the rest.
func TestDamagedLog(t *testing.T) {
	t.Parallel()
	net := own(t, testnet.Config{Servers: 3})
	u := enter(t, net, "lodge", "1")
	third := net.Servers[2]
	if err := third.Stop(); err != nil {
		t.Fatal(err)
	}
	damage(t, filepath.Join(net.Dir, third.Name, "data/log/*.wal"))
	u.do("create logged", testnet.Event{Event: "created"})
	if err := errors.Join(third.Start(t.Context()), net.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, other := range net.Servers[:2] { // one of which has to do with the third one
		other.Kill()
		if _, err := net.Leader(t.Context()); err != nil {
			t.Fatal(err)
		}
		u.do("members logged", testnet.Event{Event: "members", Group: "logged"})
		u.do("create after-"+other.Name, testnet.Event{Event: "created"})
		if err := errors.Join(other.Start(t.Context()), net.Ready(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
}

// A certificate that another cluster's key has signed is nobody's.
func TestWrongClusterKey(t *testing.T) {
	t.Parallel()
	net, other := own(t, testnet.Config{Servers: 3}), own(t, testnet.Config{Servers: 1})
	u := enter(t, net, "keystone", "1")
	third := net.Servers[2]
	if err := third.Stop(); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(net.Dir, third.Name, "cluster.pub")
	right, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := os.ReadFile(filepath.Join(other.Dir, other.Servers[0].Name, "cluster.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	refusesToStart(t, third, "a wrong cluster key", "certificate", "rendezvous renew")
	u.do("create keyed", testnet.Event{Event: "created"})
	if err := os.WriteFile(own, right, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(third.Start(t.Context()), net.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// A server whose disk is full says so, and leaves in order; the others go on. When there
// is room it comes back.
func TestServersDiskIsFull(t *testing.T) {
	t.Parallel()
	const size = 512 << 20 // above what a server wants to have left
	dir := t.TempDir()
	disk, err := confine.NewDisk(dir, size)
	if errors.Is(err, confine.ErrUnavailable) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	net := own(t, testnet.Config{Servers: 3, Place: func(name string) testnet.Place {
		if name == "s3" {
			return disk.Place
		}
		return testnet.Place{}
	}})
	third := net.Servers[2]
	data := filepath.Join(net.Dir, third.Name, "data")
	if err := errors.Join(third.Stop(), disk.Copy(data), os.RemoveAll(data), os.Symlink(dir, data), third.Start(t.Context()), net.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
	u := enter(t, net, "fuller", "1")
	lead(t, net, third)
	if err := disk.Fill(); err != nil {
		t.Fatal(err)
	}
	u.do("create crowded", testnet.Event{Event: "created"})
	leaves(t, net, third, "rendezvous: this server leaves the others: the disk is nearly full", data, "make room there and start the server again")
	refusesToStart(t, third, "still full", "the disk is nearly full")
	u.do("create without", testnet.Event{Event: "created"})
	if err := errors.Join(disk.Free(), third.Start(t.Context()), net.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// lead has a server lead the others, if chance allows: whoever leads is started anew
// until it does.
func lead(t *testing.T, net *testnet.Testnet, wanted *testnet.Machine) {
	t.Helper()
	const tries = 10
	for range tries {
		leader, err := net.Leader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if leader == wanted {
			return
		}
		if err := errors.Join(leader.Stop(), leader.Start(t.Context()), net.Ready(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s does not lead", wanted.Name)
}
