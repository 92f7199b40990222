package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tryst-chat/tryst/node"
)

// drained returns how long drain takes when events come at given times.
func drained(t *testing.T, events map[time.Duration][]node.Event) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		p := newPending()
		for at, list := range events {
			time.AfterFunc(at, func() {
				for _, e := range list {
					p.note(e)
				}
			})
		}
		time.Sleep(time.Second) // of the bubble's clock: what comes at 0 has come
		start := time.Now()
		p.drain(t.Context())
		took = time.Since(start) + time.Second
	})
	return took
}

// Whichever comes first, the command's return or its events: nothing is
// forgotten, and nothing is waited for twice.
func TestBegin(t *testing.T) {
	events := []node.Event{{Kind: node.EventSending, ID: "1", To: "bob7"}, {Kind: node.EventDelivered, ID: "1", By: "bob7"}}
	for early := range len(events) + 1 { // how many events precede the return
		p := newPending()
		for i := range len(events) + 1 {
			if i == early {
				p.begin("1", false)
				if wait, _ := p.state(time.Now()); (wait > 0) != (early < len(events)) {
					t.Errorf("after %d events: wait %v", early, wait)
				}
			}
			if i < len(events) {
				p.note(events[i])
			}
		}
		if len(p.open)+len(p.early) > 0 {
			t.Errorf("after %d events: %v %v are left", early, p.open, p.early)
		}
	}
}

func TestDrain(t *testing.T) {
	sending := node.Event{Kind: node.EventSending, ID: "1", To: "bob7"}
	delivered := node.Event{Kind: node.EventDelivered, ID: "1", By: "bob7"}
	toGroup := node.Event{Kind: node.EventSending, ID: "2", Group: "g1"}
	fileToGroup := node.Event{Kind: node.EventSending, ID: "2", Group: "g1", Name: "map.png"}
	all := node.Event{Kind: node.EventDelivered, ID: "2", Group: "g1"}
	sent := node.Event{Kind: node.EventSent, ID: "2", Group: "g1"}
	progress := node.Event{Kind: node.EventProgress, ID: "1", Done: 1, Total: 2}
	for name, test := range map[string]struct {
		events map[time.Duration][]node.Event
		want   time.Duration
	}{
		"nothing":     {nil, time.Second},
		"delivered":   {map[time.Duration][]node.Event{0: {sending}, 3 * time.Second: {delivered}}, 3 * time.Second},
		"away":        {map[time.Duration][]node.Event{0: {sending}}, drainQuiet},
		"stored":      {map[time.Duration][]node.Event{0: {sending}, 2 * time.Second: {{Kind: node.EventStored, ID: "1"}}}, 2 * time.Second},
		"group":       {map[time.Duration][]node.Event{0: {toGroup}, 2 * time.Second: {sent}, 3 * time.Second: {all}}, 3 * time.Second},
		"group away":  {map[time.Duration][]node.Event{0: {toGroup}, 2 * time.Second: {sent}}, 2*time.Second + drainQuiet},
		"group file":  {map[time.Duration][]node.Event{0: {fileToGroup}, 2 * time.Second: {sent}}, 2*time.Second + groupSettle},
		"slow file":   {map[time.Duration][]node.Event{0: {sending}, 4 * time.Second: {progress}, 8 * time.Second: {delivered}}, 8 * time.Second},
		"gave it up":  {map[time.Duration][]node.Event{0: {sending}, 2 * time.Second: {{Kind: node.EventError, ID: "1"}}}, 2 * time.Second},
		"both at now": {map[time.Duration][]node.Event{0: {sending, delivered}}, time.Second},
	} {
		if got := drained(t, test.events).Round(time.Millisecond); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
