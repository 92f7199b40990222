//go:build unix

package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// process is a running server.
type process struct {
	*exec.Cmd
	listening struct {
		Event, Name, Peer, Metrics string
		Addresses                  []string
	}
	log    string // the file of its standard error
	exited chan error
}

func start(t *testing.T, dir string) *process {
	t.Helper()
	p := &process{Cmd: command(context.Background(), "run", "--dir", dir), exited: make(chan error, 1)}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.log = filepath.Join(t.TempDir(), "log")
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the process has it too
	p.Stderr = log
	t.Cleanup(func() { p.show(t) })
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		p.Process.Kill()
		t.Fatalf("%s said nothing: %v", dir, p.Wait())
	}
	if err := json.Unmarshal(lines.Bytes(), &p.listening); err != nil || p.listening.Event != "listening" {
		t.Errorf("%s said %s: %v", dir, lines.Bytes(), err)
	}
	go func() {
		for lines.Scan() {
			t.Errorf("a second line: %s", lines.Bytes())
		}
		p.exited <- p.Wait()
	}()
	t.Cleanup(func() {
		p.Process.Signal(syscall.SIGCONT)
		p.Process.Kill()
	})
	return p
}

// show shows the log of a test that failed.
func (p *process) show(t *testing.T) {
	if !t.Failed() || !testing.Verbose() {
		return
	}
	logged, err := os.ReadFile(p.log)
	t.Logf("%s: %s%v", p.listening.Name, logged, err)
}

func (p *process) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.exited:
		return err
	case <-time.After(harness.Timeout):
		t.Fatalf("%s does not end", p.listening.Name)
		return nil
	}
}

func newHost(t *testing.T, k directorytest.Key) host.Host {
	t.Helper()
	private, err := crypto.UnmarshalEd25519PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(private), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.DisableMetrics(), libp2p.NoListenAddrs, libp2p.EnableRelay())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// cluster is server processes behind a balancer, from what init made.
type cluster struct {
	dir          string
	servers      map[string]*process
	balancers    []peer.AddrInfo
	balancer     *balancer.Balancer
	stopBalancer func()
	key          ed25519.PublicKey
}

func newCluster(t *testing.T, names ...string) *cluster {
	t.Helper()
	c := &cluster{dir: filepath.Join(t.TempDir(), "tryst"), servers: make(map[string]*process)}
	args := []string{"init", "--cluster", c.dir, "--balancer", "b1=" + harness.Address(t).String()}
	for _, name := range names {
		args = append(args, "--server", name+"="+harness.Address(t).String())
	}
	if _, errs, status := say(t, args...); status != 0 {
		t.Fatal(errs)
	}
	c.startBalancer(t)
	s, err := provision.LoadServer(filepath.Join(c.dir, "s1"))
	if err != nil {
		t.Fatal(err)
	}
	c.balancers, c.key = s.Balancers, s.ClusterKey
	for _, name := range names {
		c.servers[name] = start(t, filepath.Join(c.dir, name))
	}
	return c
}

// startBalancer starts the balancer, again after stopBalancer.
func (c *cluster) startBalancer(t *testing.T) {
	t.Helper()
	cfg, err := balancer.LoadDir(filepath.Join(c.dir, "b1"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := balancer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.balancer, c.stopBalancer = b, harness.Run(t, b.Run)
}

// member is a person's device that has signed up.
type member struct {
	*client.Client
	key     directorytest.Key
	id      peer.ID
	account record.Account
}

func (c *cluster) member(t *testing.T, ctx context.Context, name string) *member {
	t.Helper()
	m := &member{key: directorytest.NewKey()}
	h := newHost(t, m.key)
	m.id = h.ID()
	var err error
	if m.Client, err = client.New(client.Config{Host: h, Balancers: c.balancers, ClusterKey: c.key}); err != nil {
		t.Fatal(err)
	}
	harness.Run(t, m.Run)
	identity := directorytest.NewKey()
	public := ed25519.PrivateKey(identity).Public().(ed25519.PublicKey)
	m.account, err = m.SignUp(ctx, name, "1", []byte("password"), func(account record.Account, _ auth.ExportKey) (client.Enrolment, error) {
		first := record.NewDeviceLog(account, public).Next(record.AddDevice, m.id, "", time.Now())
		return client.Enrolment{Vault: []byte("sealed"), Identity: public, Device: first.Sign(identity)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// linked waits for a link and returns the server's name.
func (m *member) linked(t *testing.T) string {
	t.Helper()
	after := time.After(harness.Timeout)
	for {
		select {
		case notice := <-m.Notices():
			if linked, ok := notice.(client.Linked); ok {
				return m.moved(linked.Server)
			}
		case <-after:
			t.Fatal("not linked")
		}
	}
}

// moved returns where a node is now that was at a server: on a busy machine it
// may have taken its server for a frozen one and left.
func (m *member) moved(at string) string {
	for {
		select {
		case notice := <-m.Notices():
			if linked, ok := notice.(client.Linked); ok {
				at = linked.Server
			}
		default:
			return at
		}
	}
}

// Servers are killed and frozen under a node that goes on asking, behind the
// balancer. No request fails; who is told to leave leaves with exit status 0.
func TestServersDie(t *testing.T) {
	c := newCluster(t, "s1", "s2", "s3")
	ctx, cancel := context.WithTimeout(t.Context(), 3*harness.Timeout)
	defer cancel()
	m := c.member(t, ctx, "alice")
	m.Attend(true)
	at := m.linked(t)

	s := record.Chain{}.Next(record.CreateGroup, m.account, m.id, time.Now())
	s.Group, s.Name, s.Commitment = record.NewGroupID(), "chess", record.Hash{1}
	if err := m.AppendGroup(ctx, s.Sign(m.key)); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	failed := make(chan error, 1)
	asking, enough := context.WithCancel(ctx)
	go func() {
		for n := asked.Add(1); asking.Err() == nil; n = asked.Add(1) {
			if err := m.change(ctx, uint64(n)); err != nil {
				failed <- fmt.Errorf("request %d: %w", n, err)
				return
			}
		}
		failed <- nil
	}()

	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTERM} {
		at = m.moved(at)
		lost := c.servers[at]
		began, before := time.Now(), asked.Load()
		if err := lost.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		next := m.linked(t)
		if next == at {
			t.Errorf("%v: linked to the same server", signal)
		}
		t.Logf("%v: linked elsewhere after %s", signal, time.Since(began))
		harness.Await(t, "an answer elsewhere", func() bool { return asked.Load() >= before+5 || len(failed) > 0 })
		t.Logf("%v: asking again after %s", signal, time.Since(began))
		switch signal {
		case syscall.SIGKILL:
			lost.end(t)
			c.servers[at] = start(t, filepath.Join(c.dir, at))
		case syscall.SIGSTOP:
			if err := lost.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
		case syscall.SIGTERM:
			if err := lost.end(t); err != nil {
				t.Errorf("%v: %v", signal, err)
			}
		}
		at = next
	}
	enough()
	if err := <-failed; err != nil {
		t.Error(err)
	}
	letter := client.Letter{To: m.id, Envelope: make([]byte, 2<<10)}
	if errs, err := m.PutMail(ctx, m.account, []client.Letter{letter}); err != nil || errs[0] != nil {
		t.Fatal(errs, err)
	}
	at = m.moved(at)
	changes, err := m.changes(ctx)
	var out string
	harness.Await(t, "a server that takes nodes", func() bool {
		var status int
		out, _, status = say(t, "status", "--metrics", c.servers[at].listening.Metrics)
		return status == 0
	})
	for _, want := range []string{
		"server     " + at + " (12D3Koo", "nodes      are taken\n", "cluster    s1, s2, s3\n", "accounts   1\n", "groups     1\n",
		"mail       1 waiting for devices (2.0 KiB), 0 in groups (0 B)\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if want := asked.Load() - 1; err != nil || changes != want {
		t.Errorf("%d changes of %d, %v", changes, want, err)
	}
}

// All circuits end with the balancer. When it is back on its key and port the
// server stands behind it again and the node finds its way, by themselves.
func TestBalancerReturns(t *testing.T) {
	c := newCluster(t, "s1")
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	m := c.member(t, ctx, "alice")
	m.linked(t)
	c.stopBalancer()
	harness.Await(t, "the loss of the link", func() bool { return !m.Linked() })
	c.startBalancer(t)
	began := time.Now()
	if _, err := m.LookUp(ctx, m.account); err != nil {
		t.Fatal(err)
	}
	t.Logf("answered %s after the balancer's return", time.Since(began))
}
