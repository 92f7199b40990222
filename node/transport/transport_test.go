package transport

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// patience bounds every wait of these tests for something that is bound to happen.
const patience = 20 * time.Second

func newHost(t testing.TB) *Host {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Config{Key: key, LoopbackOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func newHosts(t testing.TB, n int) []*Host {
	t.Helper()
	hosts := make([]*Host, n)
	for i := range hosts {
		hosts[i] = newHost(t)
	}
	return hosts
}

func info(h *Host) peer.AddrInfo {
	return peer.AddrInfo{ID: h.ID(), Addrs: h.host.Addrs()}
}

func reach(t testing.TB, from, to *Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := from.Reach(ctx, info(to)); err != nil {
		t.Fatal(err)
	}
}

func reachAll(t testing.TB, hosts []*Host) {
	t.Helper()
	for i, a := range hosts {
		for _, b := range hosts[i+1:] {
			reach(t, a, b)
		}
	}
}

// eventually polls until ok, which must become true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(patience)
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("never: %s", what)
		}
	}
}

func helloOf(account string) func() Hello {
	return func() Hello {
		return Hello{Account: record.Account(account), LogLength: 3, LogHead: record.HashOf([]byte(account))}
	}
}

// post is a Receiver that writes down what it gets and answers as told.
type post struct {
	answer func(Delivery) pb.Refusal // nil: takes everything

	mu      sync.Mutex
	got     []Delivery
	hellos  []Hello
	largest int // of the batches
}

func (p *post) Receive(_ context.Context, from peer.ID, hello Hello, batch []Delivery) []pb.Refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, batch...)
	p.hellos = append(p.hellos, hello)
	p.largest = max(p.largest, len(batch))
	outcomes := make([]pb.Refusal, len(batch))
	for i, d := range batch {
		if p.answer != nil {
			outcomes[i] = p.answer(d)
		}
	}
	return outcomes
}

func (p *post) deliveries() []Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Delivery(nil), p.got...)
}

// id makes a message ID of a number.
func id(n int) (id wire.MessageID) {
	copy(id[:], fmt.Sprintf("message %08d", n))
	return id
}

// within returns a context that ends with patience.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await receives from a channel within patience.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("never: %s", what)
		panic("unreachable")
	}
}
