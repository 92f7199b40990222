package testnet_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/testnet"
)

// One server after the other is killed while people are busy: no command
// fails. Then one freezes, and then the balancer goes and comes back.
func TestServersFail(t *testing.T) {
	t.Parallel()
	net := own(t, testnet.Config{Servers: 3})
	var people []*user
	for i := range 3 {
		people = append(people, enter(t, net, "p", fmt.Sprint(i)))
	}
	for i, server := range net.Servers[:2] {
		busy(t, people, fmt.Sprintf("killed-%d", i), server.Kill)
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := net.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	busy(t, people, "frozen", func() {
		if err := net.Servers[2].Freeze(); err != nil {
			t.Error(err)
		}
	})
	if err := net.Servers[2].Thaw(); err != nil {
		t.Fatal(err)
	}

	people[0].tells(people[1], "before")
	net.Front.Kill()
	people[0].tells(people[1], "two nodes that have met need nobody")
	people[2].refuses("list", "offline")
	if err := net.Front.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	people[2].do("list", testnet.Event{Event: "groups"})
}

// busy lets everybody create groups, breaks something in between, and wants
// every command to succeed.
func busy(t *testing.T, people []*user, name string, harm func()) {
	t.Helper()
	const rounds = 6
	start := time.Now()
	var all sync.WaitGroup
	halfway := make(chan struct{})
	var reached sync.Once
	for i, p := range people {
		all.Go(func() {
			for round := range rounds {
				if round == rounds/2 {
					reached.Do(func() { close(halfway) })
				}
				group := fmt.Sprintf("g-%s-%d-%d", name, i, round)
				if _, err := p.Do(t.Context(), "create "+group, testnet.Event{Event: "created", Group: group}); err != nil {
					t.Error(err)
					reached.Do(func() { close(halfway) })
					return
				}
			}
		})
	}
	<-halfway
	harm()
	all.Wait()
	t.Logf("%s: %d commands in %v", name, rounds*len(people), time.Since(start).Round(time.Millisecond))
}

// Without a balancer a command says so, and the program goes on.
func TestBalancerDown(t *testing.T) {
	t.Parallel()
	net := own(t, testnet.Config{Servers: 1})
	net.Front.Kill()
	u := open(t, net, "early1", t.TempDir())
	u.refuses("sign up early 1 pw", "offline")
	u.do("help", testnet.Event{Event: "help"})
	if err := net.Front.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	u.do("sign up early 1 pw", testnet.Event{Event: "signed_up", Account: "early1"})
}

// Of three servers two are dead: people are told that too few are left to agree on
// anything, and all goes on when one of them is back.
func TestTooFewServers(t *testing.T) {
	t.Parallel()
	net := own(t, testnet.Config{Servers: 3})
	u := enter(t, net, "quora", "1")
	for _, server := range net.Servers[:2] {
		server.Kill()
	}
	e := u.refuses("create minority", "no_quorum")
	if !strings.Contains(e.Message, "too few rendezvous servers are running") {
		t.Errorf("people are told: %s %s", e.Message, e.Hint)
	}
	if err := net.Servers[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	u.do("create majority", testnet.Event{Event: "created", Group: "majority"})
}
