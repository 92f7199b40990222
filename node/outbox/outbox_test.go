package outbox

import (
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func newEntry() Entry {
	return New(wire.NewMessageID(), "bob7", "device", []byte("hello"), now)
}

func TestOutcomes(t *testing.T) {
	sealed := newEntry()
	sealed.Envelope = []byte("sealed")
	acknowledgement := sealed
	acknowledgement.NoReceipt = true
	kept := sealed.After(OutcomeStored, now)
	worn := sealed
	worn.Renewals = MaxRenewals
	for _, test := range []struct {
		name    string
		entry   Entry
		outcome Outcome
		state   State
		reason  Reason
		sealed  bool // the envelope is still there
		waits   bool
	}{
		{"taken", sealed, OutcomeDelivered, Delivered, ReasonNone, false, false},
		{"not reached", sealed, OutcomeFailed, Queued, ReasonNone, true, true},
		{"busy", sealed, OutcomeLater, Queued, ReasonNone, true, true},
		{"does not open", sealed, OutcomeRenew, Queued, ReasonNone, false, false},
		{"never opens", worn, OutcomeRenew, Expired, ReasonNoSession, false, false},
		{"unknown", sealed, OutcomeUnknown, Expired, ReasonUnknown, false, false},
		{"blocked", sealed, OutcomeBlocked, Expired, ReasonBlocked, false, false},
		{"kept by the servers", sealed, OutcomeStored, Stored, ReasonNone, true, false},
		{"an acknowledgement kept by the servers", acknowledgement, OutcomeStored, Delivered, ReasonNone, false, false},
		{"kept, and does not open", kept, OutcomeRenew, Queued, ReasonNone, false, false},
		{"kept, and taken", kept, OutcomeDelivered, Delivered, ReasonNone, false, false},
		{"unheard-of outcome", sealed, Outcome(99), Queued, ReasonNone, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.entry.After(test.outcome, now)
			if got.State != test.state || got.Reason != test.reason {
				t.Errorf("state %d for reason %d, want %d for %d", got.State, got.Reason, test.state, test.reason)
			}
			if (got.Envelope != nil) != test.sealed {
				t.Errorf("envelope kept: %v, want %v", got.Envelope != nil, test.sealed)
			}
			if got.Next.After(now) != test.waits {
				t.Errorf("next try %v", got.Next)
			}
			if got.Done() == (got.Content != nil) {
				t.Error("content is kept until the end, and not longer")
			}
			if again := got.After(OutcomeBlocked, now); got.Done() && again.State != got.State {
				t.Error("a late answer changed a finished entry")
			}
		})
	}
}

// The servers are given a message again while no receipt comes, ever more rarely.
func TestStoredAgain(t *testing.T) {
	e := newEntry()
	if !e.ToStore(now) {
		t.Fatal("a new entry is not for the servers")
	}
	at, times := now, 0
	for ; at.Sub(now) < Lifetime; times++ {
		e = e.After(OutcomeStored, at)
		wait := e.Again.Sub(at)
		if wait < FirstAgain || wait > MaxAgain || e.ToStore(at.Add(wait-1)) || !e.ToStore(at.Add(wait)) {
			t.Fatalf("after %v again in %v", at.Sub(now), wait)
		}
		at = at.Add(wait)
	}
	if times < 30 || times > 60 {
		t.Errorf("%d times in all", times)
	}
	if e = e.After(OutcomeDelivered, at); e.ToStore(at.Add(Lifetime)) {
		t.Error("what was delivered is stored again")
	}
}

func TestAnswered(t *testing.T) {
	for refusal, want := range map[pb.Refusal]Outcome{
		pb.Refusal_NONE:    OutcomeDelivered,
		pb.Refusal_LATER:   OutcomeLater,
		pb.Refusal_RENEW:   OutcomeRenew,
		pb.Refusal_UNKNOWN: OutcomeUnknown,
		pb.Refusal_BLOCKED: OutcomeBlocked,
		pb.Refusal(99):     OutcomeLater,
	} {
		if got := Answered(refusal); got != want {
			t.Errorf("%v is taken as %d, want %d", refusal, got, want)
		}
	}
}

func TestDelays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := newEntry()
		longest := FirstDelay
		for range rapid.IntRange(1, 100).Draw(t, "failures") {
			e = e.After(OutcomeFailed, now)
			delay := e.Next.Sub(now)
			if delay > longest || delay < longest*3/4 {
				t.Fatalf("attempt %d waits %v, want %v less up to a quarter", e.Attempts, delay, longest)
			}
			longest = min(2*longest, MaxDelay)
		}
		if e = e.Reachable(); !e.Next.IsZero() {
			t.Fatal("a reachable device is made to wait")
		}
		if delay := e.After(OutcomeFailed, now).Next.Sub(now); delay > FirstDelay {
			t.Fatalf("delays do not begin anew: %v", delay)
		}
	})
}

func TestTooOld(t *testing.T) {
	young, old, done := newEntry(), newEntry(), newEntry()
	young.Made = now.Add(-Lifetime + time.Second)
	old.Made = now.Add(-Lifetime)
	done.Made = old.Made
	done = done.After(OutcomeDelivered, now)
	got := TooOld([]Entry{young, old, done}, now)
	if len(got) != 1 || got[0].ID != old.ID || got[0].State != Expired || got[0].Reason != ReasonTooOld {
		t.Errorf("too old: %+v", got)
	}
}

func TestSummarise(t *testing.T) {
	queued, delivered := Status{State: Queued}, Status{State: Delivered}
	blocked := Status{State: Expired, Reason: ReasonBlocked}
	for _, test := range []struct {
		name    string
		entries []Status
		want    Summary
	}{
		{"nothing", nil, Summary{State: Queued}},
		{"waiting", []Status{queued, queued}, Summary{State: Queued}},
		{"one gave up", []Status{queued, blocked}, Summary{State: Queued}},
		{"kept for one", []Status{queued, {State: Stored}}, Summary{State: Stored}},
		{"kept for one, another has it", []Status{delivered, {State: Stored}}, Summary{State: Sent}},
		{"one has it", []Status{queued, delivered}, Summary{State: Sent}},
		{"all have it", []Status{delivered, delivered}, Summary{State: Delivered}},
		{"all who will have it", []Status{blocked, delivered}, Summary{State: Delivered}},
		{"none will", []Status{blocked, blocked}, Summary{State: Expired, Reason: ReasonBlocked}},
	} {
		if got := Summarise(test.entries); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestFanAndAdmit(t *testing.T) {
	e := newEntry()
	e.Device, e.Copy = "", true
	for i, fanned := range Fan(e, []peer.ID{"a", "b"}) {
		if fanned.Device != []peer.ID{"a", "b"}[i] || fanned.ID != e.ID || !fanned.Copy || !fanned.Made.Equal(e.Made) {
			t.Errorf("fanned: %+v", fanned)
		}
	}
	for _, load := range []Load{{Entries: MaxQueued}, {Bytes: MaxQueuedBytes}} {
		if err := load.Admit(1); !errors.Is(err, ErrFull) {
			t.Errorf("%+v admits more: %v", load, err)
		}
	}
	if err := (Load{Entries: MaxQueued - 1, Bytes: MaxQueuedBytes - 1}).Admit(1); err != nil {
		t.Error(err)
	}
}
