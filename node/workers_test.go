package node

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// More errands than workers, each of which gives another: none waits for room
// to give it, and all are done, at most maxWorkers at a time.
func TestErrandsGiveErrands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workers{log: slog.New(slog.DiscardHandler)}
		w.do(func(context.Context) { t.Error("done before start") })
		w.start(t.Context())
		var now, most, done atomic.Int64
		var all sync.WaitGroup
		gate := make(chan struct{})
		errand := func(next func(context.Context)) func(context.Context) {
			all.Add(1)
			return func(context.Context) {
				defer all.Done()
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				<-gate
				if next != nil {
					w.do(next)
				}
				now.Add(-1)
				done.Add(1)
			}
		}
		for range 2 * maxWorkers {
			w.do(errand(errand(nil)))
		}
		synctest.Wait()
		if n := now.Load(); n != maxWorkers {
			t.Errorf("%d errands are being done, want %d", n, maxWorkers)
		}
		close(gate)
		all.Wait()
		if n := done.Load(); n != 4*maxWorkers {
			t.Errorf("%d errands were done, want %d", n, 4*maxWorkers)
		}
		if n := most.Load(); n > maxWorkers {
			t.Errorf("%d errands were done at a time", n)
		}
		w.wait()
		w.do(func(context.Context) { t.Error("done after the end") })
	})
}

func TestErrandsAreBounded(t *testing.T) {
	w := &workers{log: slog.New(slog.DiscardHandler)}
	w.start(t.Context())
	gate := make(chan struct{})
	var done atomic.Int64
	for range maxWorkers + maxErrands + 10 {
		w.do(func(context.Context) { <-gate; done.Add(1) })
	}
	w.mu.Lock()
	waiting := len(w.waiting)
	w.mu.Unlock()
	if waiting != maxErrands {
		t.Errorf("%d errands wait, want %d", waiting, maxErrands)
	}
	close(gate)
	w.wait() // what waits is dropped with the end
	if n := done.Load(); n < maxWorkers || n > maxWorkers+maxErrands {
		t.Errorf("%d errands were done", n)
	}
}
