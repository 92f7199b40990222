package testnet_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/harness/programs"
	"github.com/tryst-chat/tryst/testnet/tour"
)

// The end-to-end tests drive the real programs. They are built once; one
// testnet is shared by all tests that leave it as it is, each with names of
// its own.

// together is how many tests run at a time at least: they wait for other
// processes most of their time, also on a machine with two cores.
const together = 6

func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); runtime.GOMAXPROCS(0) < together && parallel.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = parallel.Value.Set(fmt.Sprint(together)) // unless somebody asked for another number
	}
	status := m.Run()
	if err := suite.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// suite is what the tests share.
var suite = &shared{}

type shared struct {
	built programs.Once

	start   sync.Once
	net     *testnet.Testnet
	started error
}

// bin returns the folder of the programs.
func (s *shared) bin(t *testing.T) string { return s.built.Bin(t) }

// testnet returns the shared testnet of three servers.
func (s *shared) testnet(t *testing.T) *testnet.Testnet {
	t.Helper()
	bin := s.bin(t)
	s.start.Do(func() {
		s.net, s.started = testnet.Start(context.Background(), testnet.Config{Bin: bin})
	})
	if s.started != nil {
		t.Fatal(s.started)
	}
	return s.net
}

func (s *shared) close() error {
	var err error
	if s.net != nil {
		err = s.net.Stop()
	}
	s.built.Remove()
	return err
}

// own starts a testnet for one test that breaks things.
func own(t *testing.T, config testnet.Config) *testnet.Testnet {
	t.Helper()
	if config.Bin == "" {
		config.Bin = suite.bin(t)
	}
	net, err := testnet.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Stop(); err != nil {
			t.Error(err)
		}
	})
	return net
}

// user is a person's node in a test.
type user struct {
	*testnet.Node
	t        *testing.T
	net      *testnet.Testnet
	account  string
	password string
}

// open starts a node on which nobody is logged in.
func open(t *testing.T, net *testnet.Testnet, account, home string, flags ...string) *user {
	t.Helper()
	node, err := net.Node(account, home, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Kill)
	return &user{Node: node, t: t, net: net, account: account, password: "secret of " + account}
}

// enter starts a node with a new account and logs in.
func enter(t *testing.T, net *testnet.Testnet, name, roll string, flags ...string) *user {
	t.Helper()
	u := open(t, net, name+roll, t.TempDir(), flags...)
	u.do("sign up "+name+" "+roll+" "+u.password, testnet.Event{Event: "signed_up", Account: u.account})
	u.login()
	return u
}

func (u *user) login() {
	u.t.Helper()
	u.do("login "+u.account+" "+u.password, testnet.Event{Event: "logged_in", Account: u.account})
}

// again starts a node on the same home, once the last has ended, and logs in.
func (u *user) again() *user {
	u.t.Helper()
	next := open(u.t, u.net, u.account, u.Home)
	next.login()
	return next
}

// do types a line and returns the event that must come of it.
func (u *user) do(line string, want testnet.Event) testnet.Event {
	u.t.Helper()
	e, err := u.Do(u.t.Context(), line, want)
	if err != nil {
		u.t.Fatal(err)
	}
	return e
}

// refuses types a line that must fail, with a sentence and a hint.
func (u *user) refuses(line, code string) testnet.Event {
	u.t.Helper()
	e := u.do(line, testnet.Event{Event: "error", Code: code})
	if e.Message == "" || e.Hint == "" {
		u.t.Errorf("%.60q: %v does not say what happened and what to do", line, e)
	}
	return e
}

// sees returns an event that must appear.
func (u *user) sees(want testnet.Event) testnet.Event {
	u.t.Helper()
	e, err := u.Expect(u.t.Context(), want)
	if err != nil {
		u.t.Fatal(err)
	}
	return e
}

// tells sends a message and checks that it arrives.
func (u *user) tells(to *user, text string) {
	u.t.Helper()
	sent := u.do("send "+to.account+" "+text, testnet.Event{Event: "sending", To: to.account})
	to.sees(testnet.Event{Event: "message", ID: sent.ID, From: u.account, To: to.account, Text: text})
	u.sees(testnet.Event{Event: "delivered", ID: sent.ID, By: to.account})
}

// silent fails if anything was shown that should not have been.
func (u *user) silent(unwanted testnet.Event) {
	u.t.Helper()
	if seen := u.Seen(unwanted); len(seen) > 0 {
		u.t.Errorf("%s saw %v", u.account, seen)
	}
}

// printer sends what the tour prints to the test's log.
type printer struct{ t *testing.T }

func (p printer) Write(b []byte) (int, error) {
	p.t.Logf("%s", b)
	return len(b), nil
}

func TestTour(t *testing.T) {
	t.Parallel()
	if err := tour.Run(t.Context(), suite.testnet(t), printer{t}); err != nil {
		t.Fatal(err)
	}
}

func TestTourWithOneServerReachedDirectly(t *testing.T) {
	t.Parallel()
	net := own(t, testnet.Config{Servers: 1, Reach: testnet.ReachDirect})
	if err := tour.Run(t.Context(), net, printer{t}); err != nil {
		t.Fatal(err)
	}
}
