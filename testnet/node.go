package testnet

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Node is a tryst process in --json mode: lines in, events out.
type Node struct {
	Name string
	Home string

	process *process
	watch   func(Event) // or nil

	mu      sync.Mutex
	events  []Event       // all, in order
	taken   []bool        // which of them Expect has returned
	broken  error         // a line that was no event
	changed chan struct{} // closed, and made anew, at every event
}

// NodeConfig says how to start a node.
type NodeConfig struct {
	// Name is for logs and messages.
	Name string
	// Home is the folder of its state. The same may be used again once its node has
	// ended.
	Home string
	// Flags are given to the program beside those that make it a node of the testnet.
	Flags []string
	// Place is where it runs. Default: on this machine.
	Place Place
	// Watch is called for every event, in order, from one goroutine, before Expect
	// finds it. Default: nobody watches.
	Watch func(Event)
}

// Node starts a node of this testnet on this machine.
func (t *Testnet) Node(name, home string, flags ...string) (*Node, error) {
	return t.StartNode(NodeConfig{Name: name, Home: home, Flags: flags})
}

// StartNode starts a node of this testnet.
func (t *Testnet) StartNode(c NodeConfig) (*Node, error) {
	n := &Node{Name: c.Name, Home: c.Home, watch: c.Watch, changed: make(chan struct{})}
	program, args := c.Place.command(t.Tryst, append([]string{
		"--json", "--home", c.Home, "--cluster-key", t.ClusterKey,
		"--log", filepath.Join(t.Dir, "logs", "node-"+c.Name+".log"),
	}, slices.Concat(t.balancerFlags(), c.Flags)...))
	var err error
	n.process, err = launch(filepath.Join(t.Dir, "logs", "node-"+c.Name+".err"), n.take, program, args...)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nodes = append(t.nodes, n)
	return n, nil
}

// balancerFlags tell a node of all balancers.
func (t *Testnet) balancerFlags() (flags []string) {
	for _, address := range t.Balancers {
		flags = append(flags, "--balancer", address)
	}
	return flags
}

// take notes a line of output.
func (n *Node) take(line []byte) {
	e, err := parseEvent(line)
	if err == nil && n.watch != nil {
		n.watch(e)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		n.broken = err
	} else {
		n.events = append(n.events, e)
		n.taken = append(n.taken, false)
	}
	close(n.changed)
	n.changed = make(chan struct{})
}

// Send types a line.
func (n *Node) Send(line string) error {
	if _, err := io.WriteString(n.process.input, line+"\n"); err != nil {
		return fmt.Errorf("testnet: %s takes no more lines: %w", n.Name, err)
	}
	return nil
}

// Do types a line and waits for an event. Any other error that the node shows
// before it ends the wait.
func (n *Node) Do(ctx context.Context, line string, want Event) (Event, error) {
	if err := n.Send(line); err != nil {
		return Event{}, err
	}
	e, err := n.expect(ctx, want, true)
	if err != nil {
		return e, fmt.Errorf("after %.60q: %w", line, err)
	}
	return e, nil
}

// Expect waits, a bounded time, for the first event not yet taken that has
// every field of want, and takes it. Events of different kinds may come in any
// order.
func (n *Node) Expect(ctx context.Context, want Event) (Event, error) {
	return n.expect(ctx, want, false)
}

func (n *Node) expect(ctx context.Context, want Event, orError bool) (Event, error) {
	ctx, cancel := context.WithTimeout(ctx, expectTimeout)
	defer cancel()
	for {
		e, ok, changed, err := n.look(want, orError)
		switch {
		case err != nil:
			return e, err
		case ok:
			return e, nil
		}
		select {
		case <-changed:
		case <-n.process.ended:
			if e, ok, _, err := n.look(want, orError); ok || err != nil {
				return e, err
			}
			return Event{}, fmt.Errorf("testnet: %s ended (status %d) without %v; %s", n.Name, n.process.status(), want, n.recent())
		case <-ctx.Done():
			return Event{}, fmt.Errorf("testnet: %s did not show %v: %w; %s", n.Name, want, ctx.Err(), n.recent())
		}
	}
}

// look searches once.
func (n *Node) look(want Event, orError bool) (found Event, ok bool, changed <-chan struct{}, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken != nil {
		return found, false, nil, n.broken
	}
	for i, e := range n.events {
		switch {
		case n.taken[i]:
		case e.matches(want):
			n.taken[i] = true
			return e, true, nil, nil
		case orError && e.Event == "error":
			n.taken[i] = true
			return e, false, nil, fmt.Errorf("testnet: %s: %w", n.Name, &Refusal{e})
		}
	}
	return found, false, n.changed, nil
}

// Refusal is an error that a node showed.
type Refusal struct{ Event Event }

// Error returns the node's words.
func (r *Refusal) Error() string {
	return strings.TrimSpace(r.Event.Code + ": " + r.Event.Message + " " + r.Event.Hint)
}

// Seen returns every event so far that has all fields of want, taken or not.
func (n *Node) Seen(want Event) []Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	var seen []Event
	for _, e := range n.events {
		if e.matches(want) {
			seen = append(seen, e)
		}
	}
	return seen
}

// recent shows the last events, for an error's explanation.
func (n *Node) recent() string {
	const last = 6
	n.mu.Lock()
	defer n.mu.Unlock()
	var out strings.Builder
	out.WriteString("it last showed:")
	for _, e := range n.events[max(0, len(n.events)-last):] {
		fmt.Fprintf(&out, "\n    %v", e)
	}
	return out.String()
}

// PID returns the node's process ID.
func (n *Node) PID() int { return n.process.pid() }

// Close ends the node's input, waits until it has ended, and fails unless it
// said goodbye with status 0.
func (n *Node) Close() error {
	n.process.closeInput()
	if err := n.process.wait(stopTimeout); err != nil {
		return err
	}
	if n.process.status() != 0 || len(n.Seen(Event{Event: "bye"})) != 1 {
		return fmt.Errorf("testnet: %s ended with status %d; %s", n.Name, n.process.status(), n.recent())
	}
	return nil
}

// Kill ends the node without any warning.
func (n *Node) Kill() { n.process.kill() }

// Freeze leaves the node's connections open and silent; Thaw wakes it.
func (n *Node) Freeze() error { return n.process.freeze() }

// Thaw lets a frozen node go on.
func (n *Node) Thaw() error { return n.process.thaw() }

// Ended is closed when the node's process has ended and all its events are here.
func (n *Node) Ended() <-chan struct{} { return n.process.ended }

// Broken returns why a line of the node's output was no event, or nil.
func (n *Node) Broken() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.broken
}
