package rendezvous_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// A server leaves, whichever it is, while its nodes ask: they find another, and
// no request fails. It comes back and is as good as before.
func TestServerLeavesAndReturns(t *testing.T) {
	w := newWorld(t, 3)
	ctx := harness.Within(t)
	for i := range w.servers {
		n := w.member(i, string(rune('a'+i))+"lice")
		n.Attend(true)
		next[client.Resync](n)

		var asked atomic.Int64
		failed := make(chan error, 1)
		asking, enough := context.WithCancel(ctx)
		go func() {
			for asking.Err() == nil {
				group := record.GroupName("g" + string(rune('a'+i)) + string('a'+rune(asked.Add(1)%26)))
				if err := n.AppendGroup(ctx, n.newGroup(group, record.NewGroupID())); err != nil && asked.Load() <= 26 {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
		harness.Await(t, "some requests", func() bool { return asked.Load() > 3 })
		w.stops[i]()
		if linked := next[client.Linked](n); linked.Server == w.made.Servers[i].Name {
			t.Error("linked to the server that left")
		}
		before := asked.Load()
		harness.Await(t, "requests elsewhere", func() bool { return asked.Load() > before+3 })
		enough()
		if err := <-failed; err != nil {
			t.Errorf("while server %d left: %v", i, err)
		}
		n.stop()
		w.start(i)
		harness.Await(t, "the server's return", w.servers[i].Ready)
	}
}

// Without a quorum nothing is believed and nothing is lost.
func TestNoQuorum(t *testing.T) {
	w := newWorld(t, 3)
	n := w.member(0, "alice")
	w.stops[1]()
	w.stops[2]()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := n.AppendGroup(ctx, n.newGroup("chess", record.NewGroupID())); !errors.Is(err, client.ErrOffline) {
		t.Errorf("without a quorum: %v", err)
	}
	if !n.Linked() {
		t.Error("the caller's impatience cost the link")
	}
	w.start(1)
	if err := n.AppendGroup(harness.Within(t), n.newGroup("go", record.NewGroupID())); err != nil {
		t.Errorf("with a quorum again: %v", err)
	}
}

// A balancer can refuse service, and nothing else.
func TestLyingBalancer(t *testing.T) {
	w := newWorld(t, 2)
	stranger := newWorld(t, 1)
	impostor := stranger.made.Servers[0]
	for name, lie := range map[string]func(*pb.Assignment){
		"another cluster": func(a *pb.Assignment) {
			a.Cluster, a.Certificate = stranger.made.Key, stranger.certs[impostor.ID]
			a.Addresses = [][]byte{impostor.Addresses[0].Bytes()}
		},
		"another cluster's server": func(a *pb.Assignment) { a.Certificate = stranger.certs[impostor.ID] },
		"another server's address": func(a *pb.Assignment) { a.Addresses = [][]byte{impostor.Addresses[0].Bytes()} },
		"a spoiled certificate":    func(a *pb.Assignment) { a.Certificate = append(bytes.Clone(a.Certificate), 0) },
		"no certificate":           func(a *pb.Assignment) { a.Certificate = nil },
		"no address":               func(a *pb.Assignment) { a.Addresses = nil },
		"nonsense for an address":  func(a *pb.Assignment) { a.Addresses = [][]byte{{1, 2, 3}} },
	} {
		t.Run(name, func(t *testing.T) {
			w.spoil(lie)
			n := w.node()
			if first := next[client.Unlinked](n); first.Err == nil {
				t.Error("no reason is given")
			}
			if n.Linked() {
				t.Error("it was believed")
			}
			w.spoil(nil)
			next[client.Linked](n)
		})
	}
}

func TestHealthAndMetrics(t *testing.T) {
	w := newWorld(t, 1)
	n := w.member(0, "alice")
	n.Attend(true)
	next[client.Resync](n)
	if code, body := w.get(0, "/healthz"); code != http.StatusOK {
		t.Errorf("health: %d %s", code, body)
	}
	_, metrics := w.get(0, "/metrics")
	for _, line := range []string{
		`tryst_rendezvous_requests_total{kind="sign_up",outcome="ok"} 1`,
		`tryst_rendezvous_sessions 1`,
		`tryst_rendezvous_leader 1`,
		`tryst_rendezvous_accounts 1`,
		`tryst_rendezvous_groups 0`,
	} {
		if !bytes.Contains(metrics, []byte(line+"\n")) {
			t.Errorf("no %s", line)
		}
	}
	_, body := w.get(0, "/status")
	var status rendezvous.Status
	if err := json.Unmarshal(body, &status); err != nil {
		t.Fatal(err)
	}
	want := rendezvous.Status{
		Name: "s1", Peer: w.servers[0].ID().String(), Ready: true, State: "leader", Leader: "s1",
		Term: status.Term, Log: status.Log, Applied: status.Applied, Handled: status.Handled, Servers: []string{"s1"}, Accounts: 1, Sessions: 1,
		Voter: true, Version: rendezvous.Version(), Clock: status.Clock, // which it may not have looked at yet
	}
	if diff := cmp.Diff(want, status); diff != "" || status.Term == 0 || status.Applied == 0 || status.Applied > status.Log {
		t.Error(diff, status)
	}
	if bytes.Contains(append(metrics, body...), []byte("alice")) {
		t.Error("the metrics name an account")
	}
}
