// Package harness is what the tests of several packages do alike: wait for what
// happens beside them, run what runs until the test ends, and find ports. Only
// tests import it.
package harness

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/testnet/freeport"
)

// Timeout bounds every wait. Nothing takes nearly as long unless it is broken or
// the machine is overloaded.
const Timeout = time.Minute

// look is how often Await looks.
const look = 5 * time.Millisecond

// Await looks until something holds, or fails the test.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for end := time.Now().Add(Timeout); !holds(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Receive receives from a channel, or fails the test when nothing comes.
func Receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Timeout):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}

// Within returns a context that ends with the test, and after Timeout.
func Within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	t.Cleanup(cancel)
	return ctx
}

// Run runs something until the test ends, and returns how to end it sooner and
// wait for that. That it fails, or does not end, fails the test.
func Run(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(Timeout):
			t.Error("run does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

// Port returns a TCP port of loopback that nobody listens on at the moment.
func Port(t testing.TB) int {
	t.Helper()
	ports, err := freeport.Draw(1)
	if err != nil {
		t.Fatal(err)
	}
	return ports[0]
}

// Address is Port as a multiaddr: the servers of a cluster must know each
// other's before any of them listens.
func Address(t testing.TB) ma.Multiaddr {
	t.Helper()
	return ma.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", Port(t)))
}
