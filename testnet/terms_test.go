package testnet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2ptcp "github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// operate runs a command of the operator's at a server, and returns what it prints.
func operate(t *testing.T, net *testnet.Testnet, server *testnet.Machine, command string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), filepath.Join(suite.bin(t), "rendezvous"), append([]string{command, "--dir", filepath.Join(net.Dir, server.Name)}, args...)...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("rendezvous %s %v: %v: %s", command, args, err, &errs)
	}
	return string(out)
}

// An operator makes a running cluster one of invitations, and later one of work. Who is
// there already notices nothing.
func TestSignUpOnTerms(t *testing.T) {
	t.Parallel()
	net := own(t, testnet.Config{})
	first, second := net.Servers[0], net.Servers[1]
	erika, felix := enter(t, net, "erika", "1"), enter(t, net, "felix", "1")

	operate(t, net, first, "signup", "invitation")
	codes := strings.Fields(operate(t, net, second, "invite", "--count", "2", "--valid", "1d"))
	if len(codes) != 2 {
		t.Fatalf("codes %q", codes)
	}
	u := open(t, net, "greta1", t.TempDir())
	if e := u.refuses("sign up greta 1 pw", "invitation"); !strings.Contains(e.Message, "by invitation only") || !strings.Contains(e.Hint, "--invitation") {
		t.Errorf("without a code: %v", e)
	}
	if e := u.refuses("sign up greta 1 pw --invitation "+swapped(codes[0]), "invitation"); !strings.Contains(e.Message, "mistyped") {
		t.Errorf("with a code that was mistyped: %v", e)
	}
	u.refuses("sign up erika 1 pw --invitation "+codes[0], "name_taken") // which does not use it up
	u.do("sign up greta 1 pw --invitation "+codes[0], testnet.Event{Event: "signed_up", Account: "greta1"})
	if e := u.refuses("sign up hans 1 pw --invitation "+codes[0], "invitation"); !strings.Contains(e.Message, "used before") {
		t.Errorf("with the same again: %v", e)
	}
	u.do("sign up --invitation "+strings.ToLower(codes[1])+" hans 1 two words", testnet.Event{Event: "signed_up", Account: "hans1"})
	u.do("login hans1 two words", testnet.Event{Event: "logged_in", Account: "hans1"})
	erika.tells(felix, "they ask for invitations now")
	anew := open(t, net, felix.account, t.TempDir()) // a login on another machine is none of the terms' business
	anew.password = felix.password
	anew.login()
	if shown := operate(t, net, second, "signup"); !strings.Contains(shown, "Invitations that are out: 0") {
		t.Errorf("the operator sees %q", shown)
	}

	operate(t, net, second, "signup", "work", "--bits", "18")
	f := flood(t, net)
	ida := open(t, net, "ida1", t.TempDir())
	ida.do("sign up ida 1 pw", testnet.Event{Event: "signed_up", Account: "ida1"})
	shown := ida.Seen(testnet.Event{Event: "work", Account: "ida1"})
	if len(shown) < 2 || !strings.Contains(shown[0].Text, "asks for some work before a sign-up; about") || shown[len(shown)-1].Done != shown[0].Total {
		t.Errorf("what is shown of the work: %v", shown)
	}
	f.end(100)

	operate(t, net, first, "signup", "open")
	open(t, net, "jan1", t.TempDir()).do("sign up jan 1 pw", testnet.Event{Event: "signed_up", Account: "jan1"})
}

// swapped is a code with two letters in the wrong order.
func swapped(code string) string {
	for i := 1; i < len(code); i++ {
		if a, b := code[i-1], code[i]; a != b && a != '-' && b != '-' {
			return code[:i-1] + string(b) + string(a) + code[i+1:]
		}
	}
	return "0" + code
}

// flooding is strangers who sign up at all servers, without the work, as fast as they
// can.
type flooding struct {
	t       *testing.T
	net     *testnet.Testnet
	stop    context.CancelFunc
	all     sync.WaitGroup
	refused atomic.Int64
}

func flood(t *testing.T, net *testnet.Testnet) *flooding {
	t.Helper()
	f := &flooding{t: t, net: net}
	ctx, stop := context.WithCancel(t.Context())
	f.stop = stop
	for i, server := range net.Servers {
		address, err := multiaddr.NewMultiaddr(server.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		to, err := peer.AddrInfoFromP2pAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		stranger, err := libp2p.New(libp2p.NoListenAddrs, libp2p.Transport(libp2ptcp.NewTCPTransport))
		if err != nil {
			t.Fatal(err)
		}
		if err := stranger.Connect(ctx, *to); err != nil {
			t.Fatal(err)
		}
		f.all.Go(func() {
			defer stranger.Close()
			for n := 0; ctx.Err() == nil; n++ {
				f.try(ctx, stranger, to.ID, fmt.Sprintf("flood-%d-%d", i, n))
			}
		})
	}
	return f
}

// try asks for both halves of a sign-up.
func (f *flooding) try(ctx context.Context, stranger host.Host, server peer.ID, name string) {
	made := &pb.Pass{Challenge: make([]byte, 24), Proof: make([]byte, 128)}
	for _, req := range []*pb.Request{
		{Kind: &pb.Request_StartRegistration{StartRegistration: &pb.StartRegistration{Name: name, Roll: "1", Request: make([]byte, 32)}}},
		{Kind: &pb.Request_StartRegistration{StartRegistration: &pb.StartRegistration{Name: name, Roll: "1", Request: make([]byte, 32), Pass: made}}},
		{Kind: &pb.Request_SignUp{SignUp: &pb.SignUp{Name: name, Roll: "1", Pass: made}}},
	} {
		s, err := stranger.NewStream(ctx, server, wire.Rendezvous)
		if err != nil {
			return // there are too many, or it is enough
		}
		resp := new(pb.Response)
		err = wire.WriteFrame(s, req)
		if err == nil {
			err = wire.NewReader(s, wire.MaxResponse).Read(resp)
		}
		s.Reset()
		if err != nil {
			return
		}
		switch err := wire.FromWire(resp.GetError()); {
		case errors.Is(err, wire.ErrTerms):
			f.refused.Add(1)
		case !errors.Is(err, wire.ErrTooMany): // one device alone may not ask for ever
			f.t.Errorf("%T without work: %v", req.GetKind(), err)
			return
		}
	}
}

// end ends the flood, once so many sign-ups were refused, which the operator sees.
func (f *flooding) end(least int64) {
	f.t.Helper()
	harness.Await(f.t, "a flood", func() bool { return f.refused.Load() >= least || f.t.Failed() })
	f.stop()
	f.all.Wait()
	f.t.Logf("%d were refused", f.refused.Load())
	for _, s := range f.net.Servers {
		resp, err := http.Get("http://" + s.Metrics() + "/metrics")
		if err != nil {
			f.t.Fatal(err)
		}
		shown, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		const want = `tryst_rendezvous_requests_total{kind="sign_up",outcome="the terms of signing up are not met"}`
		if err != nil || !strings.Contains(string(shown), want) {
			f.t.Errorf("%s does not count them: %v", s.Name, err)
		}
	}
}
