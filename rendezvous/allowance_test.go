package rendezvous

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

func TestRefusalSaysHowLong(t *testing.T) {
	for want, wait := range map[string]time.Duration{
		"too many letters: wait 1s":   time.Millisecond,
		"too many letters: wait 2s":   2 * time.Second,
		"too many letters: wait 1m1s": time.Minute + time.Nanosecond,
		"too many letters":            quota.Never,
	} {
		err := error(&refused{quota.Limit{Name: "letters"}, wait})
		back := wire.FromWire(wire.ToWire(err))
		if err.Error() != want || !errors.Is(back, wire.ErrTooMany) || errors.Is(back, wire.ErrSoon) != (wait <= soon) || wire.Words(back) != want {
			t.Errorf("%v is %q", wait, err)
		}
	}
}

// What is refused because the account has had enough costs its device nothing.
func TestBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no time passes but what is waited for
		b := newBoth(quota.Limit{Burst: 3, Rate: 1}, quota.Limit{Burst: 4, Rate: 1})
		take := func(want bool, device, account string) {
			t.Helper()
			if got := b.take(caller{nobody(int(device[0])), "a1"}, 1) == nil; got != want {
				t.Errorf("%s of %s takes one: %t", device, account, got)
			}
		}
		for range 3 {
			take(true, "x", "a1")
		}
		take(false, "x", "a1")
		take(true, "y", "a1")
		take(false, "y", "a1")
		<-time.After(time.Second)
		take(true, "y", "a1")
		<-time.After(time.Second)
		take(true, "y", "a1") // its third: the one that was refused was not counted
	})
}

// Few are reckoned at a time, some wait in turn, and the rest is sent away at once.
func TestBench(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bench{make(chan struct{}, 1), make(chan struct{}, 2)}
		rise, err := b.sit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		ends := make(chan error, 2)
		wait := func(ctx context.Context) {
			rise, err := b.sit(ctx)
			if err == nil {
				rise()
			}
			ends <- err
		}
		go wait(ctx)
		go wait(t.Context())
		synctest.Wait()
		var full *refused
		if _, err := b.sit(t.Context()); !errors.As(err, &full) || full.limit.Name != quota.StrangersWaiting.Name {
			t.Errorf("one too many: %v", err)
		}
		leave()
		if err := <-ends; !errors.Is(err, context.Canceled) {
			t.Errorf("one who left: %v", err)
		}
		rise()
		if err := <-ends; err != nil {
			t.Errorf("whose turn it was: %v", err)
		}
		rise, err = b.sit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer rise()
		if _, err := b.sit(t.Context()); !errors.As(err, &full) || full.limit.Name != quota.StrangersWork.Name {
			t.Errorf("who waited too long: %v", err)
		}
		if len(b.queue) > 0 {
			t.Errorf("%d wait", len(b.queue))
		}
	})
}
