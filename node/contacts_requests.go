package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tryst-chat/tryst/node/roster"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// requestPause is how long a stranger's first message is alone: what somebody writes
// in one go is told of as one request.
const requestPause = time.Second

func (c *contacts) signal() { signal(c.nudge) }

// holds reports whether a message has to wait for the person's word, or for those of
// the same sender that wait.
func (c *contacts) holds(a arrival) bool {
	switch a.content.Body.(type) {
	case wire.Text, wire.FileOffer:
	default:
		return false
	}
	if a.own(c.d) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.own.LetsIn(a.from.Account) || c.waits[a.from.Account].Messages > 0
}

func (c *contacts) hasRoom(a arrival) bool {
	content, err := a.content.Marshal()
	c.mu.Lock()
	defer c.mu.Unlock()
	return err == nil && c.load.Admits(c.waits[a.from.Account].Messages, len(content))
}

// hold keeps a message until the person has said a word about its sender.
func (c *contacts) hold(tx *store.Tx, fx *effects, a arrival) error {
	content, err := a.content.Marshal()
	if err != nil {
		return err
	}
	from := a.from.Account
	tx.Hold(from, store.Held{Device: a.device, Content: content})
	c.count(fx, from, roster.Load{Messages: 1, Bytes: len(content)})
	fx.after(c.signal)
	return nil
}

// count notes that more waits of a stranger, unless the transaction fails.
func (c *contacts) count(fx *effects, from record.Account, more roster.Load) {
	add := func(sign int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		of := c.waits[from]
		of.Messages, of.Bytes = of.Messages+sign*more.Messages, of.Bytes+sign*more.Bytes
		if c.waits[from] = of; of.Messages == 0 {
			delete(c.waits, from)
		}
		c.load.Messages, c.load.Bytes = c.load.Messages+sign*more.Messages, c.load.Bytes+sign*more.Bytes
	}
	add(1)
	fx.otherwise(func() { add(-1) })
}

// run looks after requests until the context ends: it lets through what waits no
// longer, and tells of those who have come to wait.
func (c *contacts) run(ctx context.Context) {
	for {
		select {
		case <-c.nudge:
		case <-ctx.Done():
			return
		}
		c.settle()
		if len(c.untold()) == 0 {
			continue
		}
		pause := time.NewTimer(requestPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		for _, r := range c.untold() {
			c.mu.Lock()
			c.told[r.Account] = true
			c.mu.Unlock()
			c.d.emit(Event{Kind: EventRequest, Account: r.Account, Count: r.Messages})
		}
	}
}

// requests returns who waits for the person's word, by name.
func (c *contacts) requests() (all []Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range slices.Sorted(maps.Keys(c.waits)) {
		if c.own.Standing(a) == roster.Stranger && c.own.Policy() == roster.Ask {
			all = append(all, Request{Account: a, Messages: c.waits[a].Messages})
		}
	}
	return all
}

func (c *contacts) untold() []Request {
	all := c.requests()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(all, func(r Request) bool { return c.told[r.Account] })
}

// settle lets through what waits of those who are let in by now, and drops what waits
// of those who are blocked.
func (c *contacts) settle() {
	c.mu.Lock()
	waiting := slices.Sorted(maps.Keys(c.waits))
	c.mu.Unlock()
	for _, a := range waiting {
		err := c.d.commit(func(tx *store.Tx, fx *effects) error { return c.decide(tx, fx, a) })
		if err != nil {
			c.d.log.Error("messages of somebody who was let in or blocked still wait", "err", err)
		}
	}
}

// decide does for one account what settle does.
func (c *contacts) decide(tx *store.Tx, fx *effects, a record.Account) error {
	own := c.roster()
	if own.Standing(a) == roster.Stranger && !own.LetsIn(a) {
		return nil
	}
	held := tx.Held(a)
	tx.DropHeld(a)
	c.mu.Lock()
	load := c.waits[a]
	delete(c.told, a) // should they ever have to ask again
	c.mu.Unlock()
	c.count(fx, a, roster.Load{Messages: -load.Messages, Bytes: -load.Bytes})
	if own.Standing(a) == roster.Blocked {
		return nil
	}
	from, known := c.d.people.contact(a)
	if !known {
		return fmt.Errorf("messages of an account that is not known wait")
	}
	answers := newAnswers() // which strangers were not given
	for _, h := range held {
		content, err := wire.ParseContent(h.Content)
		if err != nil {
			return fmt.Errorf("a message that waits: %w", err)
		}
		if err := (&inbox{c.d}).act(tx, fx, arrival{from, h.Device, content}); err != nil {
			return err
		}
		if _, acts := c.d.people.owner(h.Device); acts {
			answers.received(letter{from: a, device: h.Device, id: content.ID})
		}
	}
	return answers.send(c.d, tx, fx)
}
