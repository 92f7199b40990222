package testnet_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/testnet"
)

// traffic is people who talk, make groups and sign up until it is told to end. Any
// command that fails, and any message that does not arrive, fails the test.
type traffic struct {
	t      *testing.T
	net    *testnet.Testnet
	name   string
	enough chan struct{}
	all    sync.WaitGroup
	done   atomic.Int64 // commands

	mu       sync.Mutex
	accounts []string
	groups   []string
}

// begin starts the traffic. Names are unique by the given one.
func begin(t *testing.T, net *testnet.Testnet, name string) *traffic {
	t.Helper()
	tr := &traffic{t: t, net: net, name: name, enough: make(chan struct{})}
	a, b := enter(t, net, name+"a", "1"), enter(t, net, name+"b", "1")
	tr.accounts = []string{a.account, b.account}
	tr.all.Go(func() { tr.talk(a, b) })
	tr.all.Go(func() { tr.signUp() })
	return tr
}

func (tr *traffic) goesOn() bool {
	select {
	case <-tr.enough:
		return false
	default:
		return !tr.t.Failed()
	}
}

// talk has two people write to each other and make groups, as many as each may.
func (tr *traffic) talk(a, b *user) {
	for n := 0; tr.goesOn(); n++ {
		more := n < 2*quota.NewGroups.Burst
		text, group := fmt.Sprintf("number %d", n), fmt.Sprintf("%s-%d", tr.name, n)
		sent, err := a.Do(tr.t.Context(), "send "+b.account+" "+text, testnet.Event{Event: "sending", To: b.account})
		if err == nil {
			_, err = b.Expect(tr.t.Context(), testnet.Event{Event: "message", ID: sent.ID, From: a.account, Text: text})
		}
		if err == nil && more {
			_, err = b.Do(tr.t.Context(), "create "+group, testnet.Event{Event: "created", Group: group})
			tr.done.Add(1)
		}
		if err != nil {
			tr.t.Error(err)
			return
		}
		tr.mu.Lock()
		if more {
			tr.groups = append(tr.groups, group)
		}
		tr.mu.Unlock()
		tr.done.Add(1)
		a, b = b, a
	}
}

// signUp has one person after the other sign up on one device.
func (tr *traffic) signUp() {
	u := open(tr.t, tr.net, tr.name+"z", tr.t.TempDir())
	for n := 1; tr.goesOn(); n++ {
		line := fmt.Sprintf("sign up %sz %d pw", tr.name, n)
		account := fmt.Sprintf("%sz%d", tr.name, n)
		if _, err := u.Do(tr.t.Context(), line, testnet.Event{Event: "signed_up", Account: account}); err != nil {
			tr.t.Error(err)
			return
		}
		tr.mu.Lock()
		tr.accounts = append(tr.accounts, account)
		tr.mu.Unlock()
		tr.done.Add(1)
	}
}

// end ends the traffic and checks that everything that was acknowledged is there.
func (tr *traffic) end() {
	tr.t.Helper()
	close(tr.enough)
	tr.all.Wait()
	late := enter(tr.t, tr.net, tr.name+"late", "1")
	listed := late.do("list", testnet.Event{Event: "groups"})
	there := make(map[string]bool)
	for _, g := range listed.Groups {
		there[g.Name] = true
	}
	for _, group := range tr.groups {
		if !there[group] {
			tr.t.Errorf("group %s is lost", group)
		}
	}
	for _, account := range tr.accounts {
		name, roll := account[:len(tr.name)+1], account[len(tr.name)+1:]
		late.refuses("sign up "+name+" "+roll+" pw", "name_taken")
	}
	tr.t.Logf("%d commands, %d accounts and %d groups", tr.done.Load(), len(tr.accounts), len(tr.groups))
}

// A cluster grows from one server to five and shrinks to one again, which is none of
// those that it began with, while people talk and sign up.
func TestGrowAndShrink(t *testing.T) {
	t.Parallel()
	net := own(t, testnet.Config{Servers: 1})
	tr := begin(t, net, "grow")
	for _, change := range []func() error{
		func() error { return net.Grow(t.Context(), 2) },
		func() error { return net.Grow(t.Context(), 2) },
		func() error { return net.Shrink(t.Context(), "s1", "s3") },
		func() error { return net.Shrink(t.Context(), "s2", "s4") },
	} {
		if err := change(); err != nil {
			t.Error(err)
			break
		}
		var names []string
		for _, s := range net.Describe().Servers {
			names = append(names, s.Name)
		}
		t.Logf("now %v", names)
	}
	tr.end()
	if err := net.Shrink(t.Context(), "s5"); err == nil {
		t.Error("the last one left")
	}
	if left := net.Describe().Servers; len(left) != 1 || left[0].Name != "s5" {
		t.Errorf("left are %v", left)
	}
}

// All servers are restarted, one after the other, while people talk and sign up.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	net := own(t, testnet.Config{Servers: 3})
	tr := begin(t, net, "roll")
	for range 2 {
		if err := net.Roll(t.Context()); err != nil {
			t.Error(err)
			break
		}
	}
	tr.end()
}
