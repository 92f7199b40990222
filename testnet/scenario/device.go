package scenario

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

// device is one device of a person: a program that is started, killed, and started
// again on the same home.
type device struct {
	label    string // the account, a dot and a letter
	account  string
	password string
	home     string
	place    testnet.Place

	stage *stage
	turn  sync.Mutex     // held by whoever types a line, until it is answered
	sent  map[string]int // the last number, by addressee; owned by who has the turn

	mu    sync.Mutex
	now   *run                      // guarded by mu; nil while it is down
	moved chan struct{}             // closed, and made anew, when it comes up or goes down
	read  map[string]map[string]int // the newest message shown, by conversation and author; guarded by mu
}

// run is the program from one start to its end.
type run struct {
	device *device
	node   *testnet.Node

	mu     sync.Mutex
	heard  func(testnet.Event)      // whoever waits for an answer; guarded by mu
	errors map[string]testnet.Event // the last of each code; guarded by mu
}

// errDown is that a program went down before it answered.
var errDown = errors.New("scenario: the program went down before it answered")

func (s *stage) newDevice(account, letter string) *device {
	d := &device{
		label: account + "." + letter, account: account, password: "secret of " + account, place: s.seat(account),
		stage: s, sent: make(map[string]int), moved: make(chan struct{}), read: make(map[string]map[string]int),
	}
	d.home = filepath.Join(s.dir, "homes", d.label)
	s.record.enter(d.label, account)
	s.devices = append(s.devices, d)
	return d
}

// start starts the program and logs in; prepare does what comes before that, such as
// signing up, or nothing.
func (d *device) start(ctx context.Context, prepare ...string) error {
	r := &run{device: d, errors: make(map[string]testnet.Event)}
	d.stage.record.add(check.Step{Device: d.label, Kind: check.Began})
	var err error
	r.node, err = d.stage.net.StartNode(testnet.NodeConfig{Name: d.label, Home: d.home, Place: d.place, Watch: r.watch})
	if err != nil {
		return err
	}
	for _, line := range prepare {
		if _, err := r.insist(ctx, line, of("signed_up")); err != nil {
			return err
		}
	}
	if _, err := r.insist(ctx, "login "+d.account+" "+d.password, of("logged_in")); err != nil {
		return fmt.Errorf("scenario: %s cannot log in: %w", d.label, err)
	}
	d.move(r)
	return nil
}

// move notes that the program is up, or down where r is nil.
func (d *device) move(r *run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = r
	close(d.moved)
	d.moved = make(chan struct{})
}

// up waits until the program runs.
func (d *device) up(ctx context.Context) (*run, error) {
	for {
		d.mu.Lock()
		now, moved := d.now, d.moved
		d.mu.Unlock()
		if now != nil {
			return now, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// running returns the program, or nil while it is down.
func (d *device) running() *run {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// kill ends the program as a power cut would. What it has said is here afterwards.
func (d *device) kill() {
	if r := d.running(); r != nil {
		d.move(nil)
		r.node.Kill()
		d.stage.record.add(check.Step{Device: d.label, Kind: check.Killed})
	}
}

// close ends the program as a person does.
func (d *device) close() error {
	r := d.running()
	if r == nil {
		return nil
	}
	d.turn.Lock()
	defer d.turn.Unlock()
	d.move(nil)
	err := r.node.Close()
	d.stage.record.add(check.Step{Device: d.label, Kind: check.Ended})
	return err
}

// of matches events of a kind.
func of(kind string) func(testnet.Event) bool {
	return func(e testnet.Event) bool { return e.Event == kind }
}

// ask types a line and returns the first event that matches, or the first error that
// is about no message. The caller has the device's turn, or starts the program.
func (r *run) ask(ctx context.Context, line string, match func(testnet.Event) bool) (testnet.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	answers := make(chan testnet.Event, 1)
	r.listen(func(e testnet.Event) {
		if match(e) || e.Event == "error" && e.ID == "" {
			select {
			case answers <- e:
			default: // the first counts
			}
		}
	})
	defer r.listen(nil)
	if err := r.node.Send(line); err != nil {
		return testnet.Event{}, errors.Join(errDown, err)
	}
	label := r.device.label
	select {
	case e := <-answers:
		if !match(e) {
			return e, fmt.Errorf("scenario: %s: %.40q: %w", label, line, &testnet.Refusal{Event: e})
		}
		return e, nil
	case <-r.node.Ended():
		return testnet.Event{}, fmt.Errorf("%w: %s: %.40q", errDown, label, line)
	case <-ctx.Done():
		return testnet.Event{}, fmt.Errorf("scenario: %s: no answer to %.40q: %w", label, line, ctx.Err())
	}
}

// insist is ask, again and again while the program refuses it.
func (r *run) insist(ctx context.Context, line string, match func(testnet.Event) bool) (e testnet.Event, err error) {
	for range tries {
		var refusal *testnet.Refusal
		if e, err = r.ask(ctx, line, match); err == nil || !errors.As(err, &refusal) {
			return e, err
		}
		if err := sleep(ctx, retryDelay); err != nil {
			return e, err
		}
	}
	return e, err
}

// do types a line and waits for what comes of it: also across the program's end.
func (d *device) do(ctx context.Context, line string, match func(testnet.Event) bool) (e testnet.Event, err error) {
	d.turn.Lock()
	defer d.turn.Unlock()
	for range tries {
		var r *run
		if r, err = d.up(ctx); err != nil {
			return e, err
		}
		if e, err = r.insist(ctx, line, match); !errors.Is(err, errDown) {
			return e, err
		}
	}
	return e, err
}

func (r *run) listen(heard func(testnet.Event)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = heard
}

// watch turns what the program says into steps.
func (r *run) watch(e testnet.Event) {
	for _, step := range r.device.steps(e) {
		step.Device = r.device.label
		r.device.stage.record.add(step)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Event == "error" {
		r.errors[e.Code] = e
	}
	if r.heard != nil {
		r.heard(e)
	}
}

// complained returns the last error of a code that the program has shown.
func (r *run) complained(code string) (testnet.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.errors[code]
	return e, ok
}

// steps are what an event means to the record.
func (d *device) steps(e testnet.Event) []check.Step {
	about := "#" + e.Group
	conversation := e.To
	if e.Group != "" {
		conversation = about
	}
	switch e.Event {
	case "logged_in":
		return []check.Step{{Kind: check.LoggedIn}}
	case "sending":
		return []check.Step{{Kind: check.Sending, ID: e.ID, Conversation: conversation}}
	case "sent":
		return []check.Step{{Kind: check.Sent, ID: e.ID, Conversation: conversation}}
	case "stored":
		return []check.Step{{Kind: check.Stored, ID: e.ID, Conversation: conversation}}
	case "delivered":
		return []check.Step{{Kind: check.Delivered, ID: e.ID, Account: e.By, Conversation: conversation}}
	case "message":
		d.note(e, conversation)
		return []check.Step{{Kind: check.Shown, ID: e.ID, Account: e.From, Conversation: conversation, Text: e.Text}}
	case "error":
		if e.ID != "" {
			return []check.Step{{Kind: check.Failed, ID: e.ID, Text: (&testnet.Refusal{Event: e}).Error()}}
		}
	case "created":
		return []check.Step{{Kind: check.Joined, Conversation: about}}
	case "joined":
		if e.Account == d.account {
			return []check.Step{{Kind: check.Joined, Conversation: about}}
		}
		return []check.Step{{Kind: check.Knows, Conversation: about, Account: e.Account}}
	case "left", "removed":
		return []check.Step{{Kind: check.Gone, Conversation: about, Account: e.Account}}
	case "members":
		var steps []check.Step
		for _, m := range e.Members {
			steps = append(steps, check.Step{Kind: check.Knows, Conversation: about, Account: m.Account})
		}
		return steps
	}
	return nil
}

// note remembers the newest message that is shown, for what is written after it.
func (d *device) note(e testnet.Event, conversation string) {
	t, err := check.ParseText(e.Text)
	if err != nil {
		return
	}
	if e.Group == "" && e.From != d.account {
		conversation = e.From
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.read[conversation] == nil {
		d.read[conversation] = make(map[string]int)
	}
	d.read[conversation][t.Author] = t.Number
}

// shelf asks the device what it keeps of a conversation.
func (d *device) shelf(ctx context.Context, conversation string) (check.Shelf, error) {
	e, err := d.do(ctx, fmt.Sprintf("history %s %d", conversation, shelfLength), of("history"))
	shelf := check.Shelf{Device: d.label, Conversation: conversation}
	for _, m := range e.Messages {
		if m.Missing > 0 {
			continue
		}
		shelf.Lines = append(shelf.Lines, check.Line{ID: m.ID, From: m.From, Text: m.Text, State: m.State})
	}
	return shelf, err
}

// sleep waits, unless the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
