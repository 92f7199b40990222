package node

import (
	"context"
	"log/slog"
	"sync"
)

const (
	// maxWorkers bounds what is done at a time about notices and peers.
	maxWorkers = 32
	// maxErrands bounds what waits to be done. Beyond it the newest is dropped:
	// all of it is to look something up again, which the next resync does too.
	maxErrands = 4096
)

// workers do errands beside the loops that think of them. Giving one never
// waits, so that an errand may give others.
type workers struct {
	log *slog.Logger

	mu      sync.Mutex
	spawn   func(f func(context.Context)) // starts a worker; nil before start and after wait
	active  int
	waiting []func(context.Context)
	running sync.WaitGroup
}

// start lets errands be done, as long as ctx lasts.
func (w *workers) start(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spawn = func(f func(context.Context)) { w.running.Go(func() { w.work(ctx, f) }) }
}

// do has f done soon. Before start and after the end nothing is done.
func (w *workers) do(f func(context.Context)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.spawn == nil:
	case w.active < maxWorkers:
		w.active++
		w.spawn(f)
	case len(w.waiting) < maxErrands:
		w.waiting = append(w.waiting, f)
	default:
		w.log.Warn("too much to do at once; an errand is dropped")
	}
}

func (w *workers) work(ctx context.Context, f func(context.Context)) {
	for f != nil {
		f(ctx)
		f = w.next()
	}
}

// next returns an errand that waits, or nil, and then the worker is gone.
func (w *workers) next() func(context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.active--
		return nil
	}
	f := w.waiting[0]
	w.waiting = w.waiting[1:]
	return f
}

// wait ends it, after ctx has ended, and waits for what is being done.
func (w *workers) wait() {
	w.mu.Lock()
	w.spawn, w.waiting = nil, nil
	w.mu.Unlock()
	w.running.Wait()
}
