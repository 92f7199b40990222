package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parse runs the flags alone and returns what they were understood as.
func parsed(t *testing.T, args ...string) (options, error) {
	t.Helper()
	var got options
	root := newRoot(func(_ context.Context, o options) error { got = o; return nil })
	root.SetArgs(args)
	return got, root.ExecuteContext(t.Context())
}

func TestFlagsAndEnvironment(t *testing.T) {
	home := t.TempDir()
	t.Setenv("TRYST_HOME", "/from/environment")
	t.Setenv("TRYST_BALANCER", "4000 example.org:4001")
	t.Setenv("TRYST_JSON", "true")
	var got options
	root := newRoot(func(_ context.Context, o options) error { got = o; return nil })
	root.SetArgs([]string{"--home", home, "--listen", "4002"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := options{home: home, homeGiven: true, balancers: []string{"4000", "example.org:4001"}, json: true, listen: 4002}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(options{})); diff != "" {
		t.Error(diff)
	}
}

func TestWrongFlags(t *testing.T) {
	for _, args := range [][]string{
		{"--nosuchflag"}, {"send"}, {"--listen", "70000"}, {"--listen", "x"}, {"--cluster-key", "abcd"},
		{"--balancer", "nowhere"}, {"--balancer", "0"}, {"--balancer", "/ip4/1.2.3"}, {"--balancer", ":4000"},
	} {
		if _, err := parsed(t, args...); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	t.Setenv("TRYST_PLAIN", "perhaps")
	if _, err := parsed(t); !errors.Is(err, errUsage) {
		t.Errorf("TRYST_PLAIN: %v", err)
	}
}

func TestParseBalancer(t *testing.T) {
	for in, want := range map[string]string{
		"4000":                         "/ip4/127.0.0.1/tcp/4000",
		"192.0.2.1:4000":               "/ip4/192.0.2.1/tcp/4000",
		"[2001:db8::1]:4000":           "/ip6/2001:db8::1/tcp/4000",
		"example.org:4000":             "/dns/example.org/tcp/4000",
		"/dns4/example.org/tcp/4000":   "/dns4/example.org/tcp/4000",
		"/ip4/192.0.2.1/udp/1/quic-v1": "/ip4/192.0.2.1/udp/1/quic-v1",
	} {
		if got, err := parseBalancer(in); err != nil || got.String() != want {
			t.Errorf("parseBalancer(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
}

func TestRememberedBalancers(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // no testnet is found there
	home := t.TempDir()
	if _, err := findPlace(options{home: home, homeGiven: true}); !errors.Is(err, errNoBalancer) {
		t.Fatalf("without any balancer: %v", err)
	}
	first, err := findPlace(options{home: home, homeGiven: true, balancers: []string{"4000", "example.org:4001"}})
	if err != nil {
		t.Fatal(err)
	}
	first.remember()
	again, err := findPlace(options{home: home, homeGiven: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(again.balancers) != 2 || !again.balancers[0].Equal(first.balancers[0]) || !again.balancers[1].Equal(first.balancers[1]) {
		t.Errorf("remembered %v", again.balancers)
	}
}

func TestExpand(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip("no home folder:", err)
	}
	for in, want := range map[string]string{
		"~/a b": filepath.Join(home, "a b"), "~": home, "~other/x": "~other/x", "a/~": "a/~", "/x": "/x",
	} {
		if got := expand(in); got != want {
			t.Errorf("expand(%q) = %q, want %q", in, got, want)
		}
	}
}
