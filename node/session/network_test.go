package session

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// letter is an envelope under way. Copies of one envelope share a text.
type letter struct {
	from, to *device
	envelope []byte
	text     string
}

// network is two devices and everything that is between them.
type network struct {
	t         *rapid.T
	ends      [2]*device
	under     []letter
	delivered map[string]int // text -> how often
	dropped   map[string]bool
	sent      []string
	begun     int
}

func newNetwork(t *rapid.T) *network {
	alice, bob := newPair(t)
	return &network{t: t, ends: [2]*device{alice, bob}, delivered: map[string]int{}, dropped: map[string]bool{}}
}

func (n *network) pick() (from, to *device) {
	i := rapid.IntRange(0, 1).Draw(n.t, "end")
	return n.ends[i], n.ends[1-i]
}

func (n *network) begin() {
	from, to := n.pick()
	from.begin(n.t, to, rapid.Bool().Draw(n.t, "one-time"))
	n.begun++
}

func (n *network) send() {
	from, to := n.pick()
	if !from.record.Ready() {
		from.begin(n.t, to, rapid.Bool().Draw(n.t, "one-time"))
		n.begun++
	}
	text := fmt.Sprintf("%s says %d", from.local.Account, len(n.sent))
	n.sent = append(n.sent, text)
	n.under = append(n.under, letter{from, to, from.encrypt(n.t, to, text), text})
}

func (n *network) draw() (int, bool) {
	if len(n.under) == 0 {
		return 0, false
	}
	return rapid.IntRange(0, len(n.under)-1).Draw(n.t, "letter"), true
}

func (n *network) drop() {
	if i, ok := n.draw(); ok {
		n.dropped[n.under[i].text] = true
		n.under = append(n.under[:i], n.under[i+1:]...)
	}
}

func (n *network) double() {
	if i, ok := n.draw(); ok {
		n.under = append(n.under, n.under[i])
	}
}

func (n *network) forge() {
	i, ok := n.draw()
	if !ok {
		return
	}
	l := n.under[i]
	forged := append([]byte(nil), l.envelope...)
	forged[rapid.IntRange(0, len(forged)-1).Draw(n.t, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(n.t, "mask"))
	before := encoded(n.t, l.to.record)
	if _, err := l.to.decrypt(l.from, forged); err == nil {
		n.t.Fatal("a forged envelope opened")
	}
	if encoded(n.t, l.to.record) != before {
		n.t.Fatal("a forged envelope changed the record")
	}
}

// restart puts a device's record through its stored form.
func (n *network) restart() {
	d, _ := n.pick()
	r, err := ParseRecord([]byte(encoded(n.t, d.record)))
	if err != nil {
		n.t.Fatal(err)
	}
	d.record = r
}

func (n *network) deliver() {
	i, ok := n.draw()
	if !ok {
		return
	}
	l := n.under[i]
	n.under = append(n.under[:i], n.under[i+1:]...)
	text, err := l.to.decrypt(l.from, l.envelope)
	switch {
	case err == nil && text != l.text:
		n.t.Fatalf("%q came as %q", l.text, text)
	case err == nil:
		n.delivered[text]++
	case errors.Is(err, ErrDuplicate) && n.delivered[l.text] > 0:
	case n.begun > MaxSessions && (errors.Is(err, ErrOpen) || errors.Is(err, ErrNoPrekey)):
		// Its session may have been pushed out.
	default:
		n.t.Fatalf("%q: %v", l.text, err)
	}
}

func (n *network) check() {
	for text, times := range n.delivered {
		if times > 1 {
			n.t.Fatalf("%q was delivered %d times", text, times)
		}
	}
	for _, d := range n.ends {
		if len(d.record.sessions) > MaxSessions || len(d.record.ended) > MaxEnded {
			n.t.Fatal("the record outgrew its limits")
		}
	}
}

// settle delivers all that is under way and lets the two find to one session.
func (n *network) settle() {
	for len(n.under) > 0 {
		n.deliver()
	}
	n.check()
	for _, text := range n.sent {
		if n.begun <= MaxSessions && n.delivered[text] == 0 && !n.dropped[text] {
			n.t.Fatalf("%q was lost", text)
		}
	}
	alice, bob := n.ends[0], n.ends[1]
	if !alice.record.Ready() {
		alice.begin(n.t, bob, true)
	}
	if text, err := bob.decrypt(alice, alice.encrypt(n.t, bob, "ping")); err != nil || text != "ping" {
		// Alice's active session has been pushed out at bob's: he asks for a new one.
		if n.begun <= MaxSessions {
			n.t.Fatal(err)
		}
		alice.begin(n.t, bob, true)
		bob.mustDecrypt(n.t, alice, alice.encrypt(n.t, bob, "ping"), "ping")
	}
	alice.mustDecrypt(n.t, bob, bob.encrypt(n.t, alice, "pong"), "pong")
	if alice.record.sessions[0].began != bob.record.sessions[0].began {
		n.t.Fatal("they do not agree on a session")
	}
}

// Whatever the network does, a message arrives at most once and unchanged; and
// it does arrive unless it was dropped, or its session was pushed out by more
// than MaxSessions others.
func TestAnyNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := newNetwork(t)
		steps := []func(){n.send, n.send, n.send, n.deliver, n.deliver, n.deliver, n.double, n.drop, n.forge, n.restart, n.begin}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			steps[rapid.IntRange(0, len(steps)-1).Draw(t, "step")]()
			n.check()
		}
		n.settle()
	})
}
