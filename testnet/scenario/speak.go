package scenario

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

// send types a message of a size to an account or "#group", and waits until the
// program has taken it: again, under another number, where it is refused.
func (d *device) send(ctx context.Context, to string, size int) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	var err error
	for range tries {
		var taken bool
		if taken, err = d.sendOnce(ctx, to, size); taken || err != nil && !errors.Is(err, errRefused) {
			return err
		}
		if err := sleep(ctx, retryDelay); err != nil {
			return err
		}
	}
	return err
}

// errRefused is that the program did not take a message.
var errRefused = errors.New("scenario: the program did not take the message")

// sendOnce types a message once. It counts as taken too if the program went down
// before it said: nobody knows.
func (d *device) sendOnce(ctx context.Context, to string, size int) (taken bool, err error) {
	r, err := d.up(ctx)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	d.sent[to]++
	line := d.text(to).Line(size)
	events := make(chan testnet.Event, 16) // more than one command says
	r.listen(func(e testnet.Event) {
		switch e.Event {
		case "sending", "whoami", "error":
			select {
			case events <- e:
			default: // the command is answered already
			}
		}
	})
	defer r.listen(nil)
	d.stage.record.add(check.Step{Device: d.label, Kind: check.Typed, Conversation: to, Text: line})
	// What a command says comes before the answer to the next.
	if r.node.Send("send "+to+" "+line) != nil || r.node.Send("whoami") != nil {
		return true, nil
	}
	why, answered := "", false
	var late <-chan time.Time
	for {
		select {
		case e := <-events:
			switch {
			case e.Event == "sending":
				taken = true
			case e.Event == "whoami":
				answered = true
			case e.ID == "":
				why = (&testnet.Refusal{Event: e}).Error()
			}
			if answered && taken {
				return true, nil
			}
			if answered && late == nil {
				timer := time.NewTimer(lateAnswer)
				defer timer.Stop()
				late = timer.C
			}
		case <-late:
			if why == "" {
				return false, fmt.Errorf("scenario: %s says nothing about a message to %s", d.label, to)
			}
			d.stage.record.add(check.Step{Device: d.label, Kind: check.Refused, Text: why})
			d.stage.say("%s does not take a message to %s, which is typed again: %s", d.label, to, why)
			return false, fmt.Errorf("%w: %s: %s", errRefused, d.label, why)
		case <-r.node.Ended():
			return true, nil
		case <-ctx.Done():
			return false, fmt.Errorf("scenario: %s does not answer a message to %s: %w", d.label, to, ctx.Err())
		}
	}
}

// burst types short messages without waiting for the answers, and then waits until the
// program has taken all of them.
func (d *device) burst(ctx context.Context, to string, messages int) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	r, err := d.up(ctx)
	if err != nil {
		return err
	}
	taken := make(chan struct{}, messages)
	r.listen(func(e testnet.Event) {
		if e.Event == "sending" {
			taken <- struct{}{}
		}
	})
	defer r.listen(nil)
	for range messages {
		d.sent[to]++
		line := d.text(to).Line(0)
		d.stage.record.add(check.Step{Device: d.label, Kind: check.Typed, Conversation: to, Text: line})
		if err := r.node.Send("send " + to + " " + line); err != nil {
			return err
		}
	}
	late := time.NewTimer(answerTimeout)
	defer late.Stop()
	for n := range messages {
		select {
		case <-taken:
			late.Reset(answerTimeout)
		case <-r.node.Ended():
			return fmt.Errorf("%w: %s", errDown, d.label)
		case <-late.C:
			return fmt.Errorf("scenario: %s takes %d of %d messages to %s", d.label, n, messages, to)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// text is what the next message says.
func (d *device) text(to string) check.Text {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := maps.Clone(d.read[to])
	delete(after, d.label)
	if len(after) == 0 {
		after = nil
	}
	return check.Text{Author: d.label, To: to, Number: d.sent[to], After: after}
}
