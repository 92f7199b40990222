package rendezvous_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/terms"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// asks sets the terms at a server, and waits until all know them.
func (w *world) asks(server int, t terms.Terms) {
	w.Helper()
	if err := w.servers[server].SetTerms(harness.Within(w), t); err != nil {
		w.Fatal(err)
	}
	for _, s := range w.servers {
		is, err := s.Terms(harness.Within(w))
		if err != nil || is.Invitation != t.Invitation || is.Bits != t.Bits {
			w.Fatalf("%s has %+v, %v", s.Name(), is, err)
		}
	}
}

// invites has a server give out an invitation.
func (w *world) invites(server int) string {
	w.Helper()
	codes, err := w.servers[server].Invite(harness.Within(w), 1, time.Hour)
	if err != nil {
		w.Fatal(err)
	}
	return codes[0].Text()
}

// signsUp returns the second half of a sign-up by this device, as the name with roll
// number 1.
func (n *node) signsUp(name string, pass *pb.Pass) *pb.Request {
	n.Helper()
	opaqueRecord, err := anyRecord()
	if err != nil {
		n.Fatal(err)
	}
	account, err := record.NewAccount(name, "1")
	if err != nil {
		n.Fatal(err)
	}
	identity := directorytest.NewKey()
	first := record.NewDeviceLog(account, identity.Public()).Next(record.AddDevice, n.host.ID(), "first", time.Now())
	return &pb.Request{Kind: &pb.Request_SignUp{SignUp: &pb.SignUp{
		Name: name, Roll: "1", OpaqueRecord: opaqueRecord, Identity: identity.Public(), Device: first.Sign(identity), Pass: pass,
	}}}
}

// registers is the first half.
func registers(name string, pass *pb.Pass) *pb.Request {
	element := make([]byte, 32) // what cannot be one: a server that comes to look says so
	return &pb.Request{Kind: &pb.Request_StartRegistration{StartRegistration: &pb.StartRegistration{Name: name, Roll: "1", Request: element, Pass: pass}}}
}

// enter signs up as people's nodes do, with whatever is asked for, and does the work.
func (n *node) enter(ctx context.Context, name, invitation string) error {
	asked, err := n.Terms(ctx)
	if err != nil {
		return err
	}
	account, err := record.NewAccount(name, "1")
	if err != nil {
		return err
	}
	var work *client.Work
	if asked.Bits > 0 {
		if work, err = n.Work(asked, account); err != nil {
			return err
		}
		for !work.Try(1 << 10) {
		}
	}
	_, err = n.SignUpWith(ctx, asked.Pass(work, invitation), name, "1", []byte(password), func(account record.Account, _ client.ExportKey) (client.Enrolment, error) {
		n.identity = directorytest.NewKey()
		first := record.NewDeviceLog(account, n.identity.Public()).Next(record.AddDevice, n.host.ID(), "first", time.Now())
		return client.Enrolment{
			Vault: ed25519.PrivateKey(n.identity).Seed(), Identity: n.identity.Public(), Device: first.Sign(n.identity),
		}, nil
	})
	return err
}

func TestSignUpByInvitation(t *testing.T) {
	w := newWorld(t, 3)
	ctx := harness.Within(t)
	early := w.nodeAt(0)
	if err := early.enrol(ctx, "early", "1"); err != nil {
		t.Fatal(err)
	}
	w.asks(1, terms.Terms{Invitation: true})
	n := w.nodeAt(2)
	server := w.servers[2].ID()
	refuses := func(what string, pass *pb.Pass, want error) {
		t.Helper()
		for _, req := range []*pb.Request{registers("alice", pass), n.signsUp("alice", pass)} {
			if _, err := exchange(ctx, n.host, server, req); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
	}
	for round := range 10 { // a code is good at once, also at servers that lag behind
		for i := range w.servers {
			code := w.invites((i + 1) % 3)
			if _, err := exchange(ctx, w.nodeAt(i).host, w.servers[i].ID(), registers(fmt.Sprintf("soon-%d-%d", round, i), &pb.Pass{Invitation: code})); !errors.Is(err, wire.ErrBadRequest) {
				t.Fatalf("a code that was given out a moment ago: %v", err)
			}
		}
	}
	guesser := w.nodeAt(0)
	harness.Await(t, "the end of guessing", func() bool {
		_, err := exchange(ctx, guesser.host, w.servers[0].ID(), registers("guess", &pb.Pass{Invitation: terms.NewCode().Text()}))
		return errors.Is(err, wire.ErrTooMany)
	})
	code := w.invites(1)
	refuses("nothing", nil, wire.ErrTerms)
	refuses("an empty pass", &pb.Pass{}, wire.ErrTerms)
	refuses("something mistyped", &pb.Pass{Invitation: "Z" + code}, wire.ErrInvitation)
	refuses("a code of nobody", &pb.Pass{Invitation: terms.NewCode().Text()}, wire.ErrInvitation)
	if err := n.enter(ctx, "early", code); !errors.Is(err, wire.ErrNameTaken) {
		t.Errorf("a taken name: %v", err)
	}
	if err := n.enter(ctx, "alice", strings.ToLower(code)); err != nil {
		t.Errorf("with an invitation that is still good: %v", err)
	}
	if err := w.nodeAt(0).enter(ctx, "bob", code); !errors.Is(err, wire.ErrInvitation) {
		t.Errorf("with the same: %v", err)
	}
	if err := w.nodeAt(0).enter(ctx, "early", code); !errors.Is(err, wire.ErrInvitation) {
		t.Errorf("whether a name is taken is told to who has no invitation: %v", err)
	}
	// What is there already goes on.
	if err := w.nodeAt(1).login(ctx, "early1"); err != nil {
		t.Errorf("a login: %v", err)
	}
	w.asks(0, terms.Terms{})
	if err := w.nodeAt(1).enrol(ctx, "carol", "1"); err != nil {
		t.Errorf("on open terms again: %v", err)
	}
}

// A code is used at several servers at the same moment: it makes one account, and
// whoever gets that may lose the answer and ask again, anywhere.
func TestOneInvitationAtSeveralServers(t *testing.T) {
	const rounds = 5
	w := newWorld(t, 3)
	ctx := harness.Within(t)
	w.asks(0, terms.Terms{Invitation: true})
	nodes := []*node{w.nodeAt(0), w.nodeAt(1), w.nodeAt(2)}
	for round := range rounds {
		pass := &pb.Pass{Invitation: w.invites(round % 3)}
		requests, errs := make([]*pb.Request, len(nodes)), make([]error, len(nodes))
		var racing sync.WaitGroup
		for i := range nodes {
			nodes[i] = w.nodeAt(i)
			requests[i] = nodes[i].signsUp(fmt.Sprintf("racer-%d-%d", round, i), pass)
		}
		for i, n := range nodes {
			racing.Go(func() { _, errs[i] = exchange(ctx, n.host, w.servers[i].ID(), requests[i]) })
		}
		racing.Wait()
		won := 0
		for i, err := range errs {
			switch {
			case err == nil:
				won++
				if _, err := exchange(ctx, nodes[i].host, w.servers[i].ID(), requests[i]); err != nil {
					t.Errorf("the same sign-up again: %v", err)
				}
			case !errors.Is(err, wire.ErrInvitation):
				t.Error(err)
			}
		}
		if won != 1 {
			t.Fatalf("one invitation made %d accounts: %v", won, errs)
		}
	}
	size, err := w.servers[0].Terms(ctx)
	if err != nil || size.Invitations != 0 {
		t.Errorf("%d invitations are out, %v", size.Invitations, err)
	}
}

func TestSignUpByWork(t *testing.T) {
	const bits = 12
	w := newWorld(t, 2)
	ctx := harness.Within(t)
	w.asks(0, terms.Terms{Bits: bits})
	n, other := w.nodeAt(0), w.nodeAt(1)
	challengeOf := func(n *node, server int) []byte {
		t.Helper()
		resp, err := exchange(ctx, n.host, w.servers[server].ID(), &pb.Request{Kind: &pb.Request_GetTerms{GetTerms: &pb.GetTerms{}}})
		if err != nil || resp.GetTerms().GetBits() != bits {
			t.Fatalf("asked for %v, %v", resp.GetTerms(), err)
		}
		return resp.GetTerms().GetChallenge()
	}
	proofOf := func(n *node, challenge []byte, account string) *pb.Pass {
		t.Helper()
		work, err := terms.NewPuzzle(challenge, []byte(n.host.ID()), account).Solver(bits)
		if err != nil {
			t.Fatal(err)
		}
		for !work.Try(1 << 10) {
		}
		return &pb.Pass{Challenge: challenge, Proof: work.Proof()}
	}
	good := proofOf(n, challengeOf(n, 0), "alice1")
	for what, pass := range map[string]*pb.Pass{
		"nothing":             nil,
		"no work":             {Challenge: good.GetChallenge(), Proof: make([]byte, terms.ProofSize)},
		"another account's":   proofOf(n, challengeOf(n, 0), "bob1"),
		"another device's":    proofOf(other, challengeOf(other, 1), "alice1"),
		"a challenge made up": proofOf(n, make([]byte, terms.ChallengeSize), "alice1"),
		"an invitation":       {Invitation: w.invites(0)},
	} {
		for _, req := range []*pb.Request{registers("alice", pass), n.signsUp("alice", pass)} {
			if _, err := exchange(ctx, n.host, w.servers[0].ID(), req); !errors.Is(err, wire.ErrTerms) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	// With the work the server looks at what is asked of it.
	if _, err := exchange(ctx, n.host, w.servers[0].ID(), registers("alice", good)); !errors.Is(err, wire.ErrBadRequest) {
		t.Errorf("with the work: %v", err)
	}
	if err := other.enter(ctx, "carol", ""); err != nil {
		t.Errorf("carol: %v", err)
	}
	w.asks(1, terms.Terms{Bits: bits + 8})
	if _, err := exchange(ctx, n.host, w.servers[0].ID(), n.signsUp("alice", good)); !errors.Is(err, wire.ErrTerms) {
		t.Errorf("with less than is asked for now: %v", err)
	}
	// The challenge is another server's, and less is asked for by now.
	w.asks(1, terms.Terms{Bits: bits - 1})
	w.prefer(1)
	n.host.Network().ClosePeer(w.servers[0].ID())
	harness.Await(t, "the other server", func() bool {
		_, err := exchange(ctx, n.host, w.servers[1].ID(), &pb.Request{Kind: &pb.Request_Hello{Hello: &pb.Hello{}}})
		return err == nil
	})
	if _, err := exchange(ctx, n.host, w.servers[1].ID(), n.signsUp("alice", good)); err != nil {
		t.Errorf("at another server: %v", err)
	}
}

func TestOperatorMistakes(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	s := w.servers[0]
	for what, err := range map[string]error{
		"too much work": s.SetTerms(ctx, terms.Terms{Bits: terms.MaxBits + 1}),
		"no invitation": second(s.Invite(ctx, 0, time.Hour)),
		"too many":      second(s.Invite(ctx, 1001, time.Hour)),
		"for a moment":  second(s.Invite(ctx, 1, time.Second)),
	} {
		if !errors.Is(err, wire.ErrBadRequest) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.Invite(ctx, 600, time.Hour); err != nil {
		t.Fatal(err)
	}
	code := w.invites(0)
	if is, err := s.Terms(ctx); err != nil || is.Invitations != 601 {
		t.Errorf("%+v, %v", is, err)
	}
	if err := s.RevokeInvitations(ctx); err != nil {
		t.Fatal(err)
	}
	w.asks(0, terms.Terms{Invitation: true})
	if is, err := s.Terms(ctx); err != nil || is.Invitations != 0 {
		t.Errorf("%+v, %v", is, err)
	}
	if err := w.nodeAt(0).enter(ctx, "late", code); !errors.Is(err, wire.ErrInvitation) {
		t.Errorf("with one that was taken back: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// What a sign-up costs a server and the way to it that is refused by the terms, beside a
// request for nothing and, on open terms, the first half of one that is not refused.
func BenchmarkRefusedSignUp(b *testing.B) {
	w := newWorld(b, 3)
	n := w.nodeAt(0)
	_, element, err := auth.RegistrationStart([]byte(password))
	if err != nil {
		b.Fatal(err)
	}
	first := func(pass *pb.Pass) *pb.Request {
		return &pb.Request{Kind: &pb.Request_StartRegistration{StartRegistration: &pb.StartRegistration{Name: "alice", Roll: "1", Request: element, Pass: pass}}}
	}
	for _, c := range []struct {
		name  string
		terms terms.Terms
		req   *pb.Request
	}{
		{"hello", terms.Terms{}, &pb.Request{Kind: &pb.Request_Hello{Hello: &pb.Hello{}}}},
		{"no work", terms.Terms{Bits: 22}, first(nil)},
		{"no work, second half", terms.Terms{Bits: 22}, n.signsUp("alice", nil)},
		{"no invitation", terms.Terms{Invitation: true}, first(nil)},
		{"an invitation made up", terms.Terms{Invitation: true}, first(&pb.Pass{Invitation: terms.NewCode().Text()})},
		{"open", terms.Terms{}, first(nil)},
	} {
		w.asks(0, c.terms)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				exchange(b.Context(), n.host, w.servers[0].ID(), c.req) // whatever is said: the limiter takes the most of "open"
			}
		})
	}
}
