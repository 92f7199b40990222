package transport

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/tryst-chat/tryst/node/wire"
)

func TestInboxIsBoundedAndKeepsOrder(t *testing.T) {
	for name, size := range map[string]int{"by count": 1, "by bytes": 10 << 10, "one large": wire.MaxEnvelope} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testInbox(t, size) })
		})
	}
}

func testInbox(t *testing.T, size int) {
	const n = 200
	box := newInbox()
	go func() {
		for i := range n {
			if err := box.put(t.Context(), Delivery{ID: id(i), Envelope: make([]byte, size)}); err != nil {
				t.Error(err)
			}
		}
	}()
	for next := 0; next < n; {
		synctest.Wait() // the other goroutine has put what it can
		batch, err := box.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		bytes := 0
		for _, d := range batch {
			if d.ID != id(next) {
				t.Fatalf("got %s, want number %d", d.ID, next)
			}
			bytes += len(d.Envelope)
			next++
		}
		if len(batch) > MaxBatch || bytes > max(maxInboxBytes, size) {
			t.Errorf("a batch of %d with %d bytes", len(batch), bytes)
		}
		if next < n && len(batch) < MaxBatch && bytes+size <= maxInboxBytes {
			t.Errorf("a batch of only %d with %d bytes", len(batch), bytes)
		}
	}
}

func TestInboxGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	box := newInbox()
	if _, err := box.take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("take: %v", err)
	}
	for i := range MaxBatch {
		if err := box.put(ctx, Delivery{ID: id(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := box.put(ctx, Delivery{}); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
}
