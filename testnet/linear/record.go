package linear

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/testnet/linear/check"
)

// recorder writes down what is asked and answered.
type recorder struct {
	began time.Time // immutable

	mu      sync.Mutex
	history []check.Op        // guarded by mu, by the time of the answer
	counts  map[string]*Count // guarded by mu, by kind
	wrong   []check.Violation // guarded by mu: what no request may come to
	written time.Time         // guarded by mu: when a write was last acknowledged
	longest time.Duration     // guarded by mu: without one
	failed  []string          // guarded by mu: requests whose outcome is unknown, and why
	first   *firstWrite       // guarded by mu: who waits for a write; nil for nobody
}

// firstWrite waits for the first acknowledgement of a write that began after a time.
type firstWrite struct {
	since time.Duration
	done  chan struct{} // closed then
}

func newRecorder() *recorder {
	now := time.Now()
	return &recorder{began: now, counts: make(map[string]*Count), written: now}
}

// asking is one request before it is answered.
type asking struct {
	client   int
	object   string
	what     any     // as check takes it, complete but for what is found
	refusals []error // that may be answered
}

// ask has a request asked and writes down what came of it. do returns what was found,
// or nil for a request that finds nothing.
func (r *recorder) ask(ctx context.Context, a asking, do func(context.Context) (found any, err error)) check.Outcome {
	op := check.Op{Client: a.client, Object: a.object, What: a.what, Call: time.Since(r.began)}
	found, err := do(ctx)
	op.Return = time.Since(r.began)
	if found != nil {
		op.What = found
	}
	switch {
	case err == nil:
		op.Outcome = check.Done
	case isOneOf(err, a.refusals):
		op.Outcome = check.Refused
	default:
		op.Outcome, op.Return = check.Unknown, check.Never
		r.fail(fmt.Sprintf("client %d asked for a %s: %v", a.client, kindOf(op.What), err))
		if !errors.Is(err, client.ErrOffline) && !errors.Is(err, context.Canceled) {
			r.blame(a.object, fmt.Sprintf("client %d asked for a %s and got: %v", a.client, kindOf(op.What), err))
		}
	}
	r.add(op)
	return op.Outcome
}

func isOneOf(err error, sentinels []error) bool {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

func (r *recorder) add(op check.Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, op)
	count := r.counts[kindOf(op.What)]
	if count == nil {
		count = &Count{}
		r.counts[kindOf(op.What)] = count
	}
	switch op.Outcome {
	case check.Done:
		count.Done++
		if writes(op.What) {
			r.wrote(op.Call)
		}
	case check.Refused:
		count.Refused++
	case check.Unknown:
		count.Unknown++
	}
}

// begin starts to measure the time between writes.
func (r *recorder) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written, r.longest = time.Now(), 0
}

// nextWrite returns a channel that is closed at the next acknowledgement of a write
// that begins from now on.
func (r *recorder) nextWrite() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.first = &firstWrite{time.Since(r.began), make(chan struct{})}
	return r.first.done
}

func (r *recorder) fail(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, what)
}

// wrote notes that a write was acknowledged now; mu is held.
func (r *recorder) wrote(call time.Duration) {
	now := time.Now()
	if r.first != nil && call >= r.first.since {
		close(r.first.done)
		r.first = nil
	}
	r.longest = max(r.longest, now.Sub(r.written))
	r.written = now
}

func writes(what any) bool {
	switch w := what.(type) {
	case check.SignUp, check.Publish, check.Take, check.Append, check.Put:
		return true
	case check.Fetch:
		return w.Took
	}
	return false
}

// blame writes down something that must not be.
func (r *recorder) blame(object, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, check.Violation{Object: object, What: what})
}

func (r *recorder) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.history)
}

// kindOf names a kind of request: "sign-up", "look-up", "publish" and so on.
func kindOf(what any) string {
	switch what.(type) {
	case check.SignUp:
		return "sign up"
	case check.LookUp:
		return "look up"
	case check.Fetch:
		return "fetch mail"
	case check.Put:
		return "put mail"
	case check.Take:
		return "take keys"
	case check.Publish:
		return "publish keys"
	case check.Append:
		return "append to group"
	case check.Read:
		return "read group"
	default:
		return reflect.TypeOf(what).Name()
	}
}
