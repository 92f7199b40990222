package main

import (
	"context"
	"sync"
	"time"

	"github.com/tryst-chat/tryst/node"
)

const (
	// drainQuiet is how long after the last sign of progress the end of the
	// program still waits for what was sent to be delivered, or stored by the servers:
	// a member who seems to be there and says nothing is given five seconds. What is
	// left goes out another time.
	drainQuiet = 8 * time.Second
	// groupSettle is what members have to begin fetching a file.
	groupSettle = 500 * time.Millisecond
)

// way is what is on its way.
type way struct{ group, file bool }

// pending knows which messages and files of this run are still on their way.
type pending struct {
	mu      sync.Mutex
	open    map[string]way  // by ID
	early   map[string]bool // IDs whose first event came before their command returned
	moved   time.Time       // the last sign of progress
	settled time.Time       // when the last group message is surely out
	changed chan struct{}   // closed, and made anew, at every sign of progress
}

func newPending() *pending {
	return &pending{open: make(map[string]way), early: make(map[string]bool), changed: make(chan struct{})}
}

// begin notes what a command returned. The node's events come by another way:
// the first of them may be here already, or be seen only later.
func (p *pending) begin(id string, group bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.early[id] {
		delete(p.early, id)
		return
	}
	if _, known := p.open[id]; !known {
		p.open[id] = way{group: group}
	}
	p.moved = time.Now()
}

// note looks at every event of the node.
func (p *pending) note(e node.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case node.EventSending:
		if _, begun := p.open[e.ID]; !begun {
			p.early[e.ID] = true
		}
		p.open[e.ID] = way{group: e.Group != "", file: e.Name != ""}
	case node.EventSent:
		if w := p.open[e.ID]; w.group && w.file { // who fetches it shows in its progress
			delete(p.open, e.ID)
			p.settled = time.Now().Add(groupSettle)
		}
	case node.EventStored, node.EventDelivered, node.EventError:
		delete(p.open, e.ID)
	case node.EventProgress:
		if e.Done < e.Total {
			p.settled = time.Now().Add(groupSettle) // a member still fetches
		}
	default:
		return
	}
	p.moved = time.Now()
	close(p.changed)
	p.changed = make(chan struct{})
}

// state returns how long to wait at most without news, 0 for not at all.
func (p *pending) state(now time.Time) (wait time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	until := p.settled
	if len(p.open) > 0 {
		until = p.moved.Add(drainQuiet)
	}
	return max(0, until.Sub(now)), p.changed
}

// drain waits until everything is delivered, nothing has moved for a while, or
// the context ends.
func (p *pending) drain(ctx context.Context) {
	for {
		wait, changed := p.state(time.Now())
		if wait == 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
			timer.Stop()
		case <-timer.C:
			return
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
