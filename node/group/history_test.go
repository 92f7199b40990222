package group

import (
	"bytes"
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// passedOn is a message with its opening, as a member passes it on.
type passedOn struct {
	message, opening []byte
	keys             map[peer.ID][]byte // that its author handed out with it
}

// says lets device i say something as nodes do, naming the chain that it knows.
func (c *circle) says(t testing.TB, i int, text string) passedOn {
	t.Helper()
	chain := c.states[i].Chain()
	return c.saysAsOf(t, i, text, chain.Len(), chain.Head())
}

func (c *circle) saysAsOf(t testing.TB, i int, text string, length uint64, head record.Hash) passedOn {
	t.Helper()
	content, err := wire.GroupContent{ID: wire.NewMessageID(), SentAt: now, ChainLength: length, ChainHead: head, Body: wire.Text(text)}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s, out, err := c.states[i].Send(c.selves[i], content, members(c.selves...))
	if err != nil {
		t.Fatal(err)
	}
	c.states[i] = s
	return passedOn{out.Sealed.Message, marshalled(t, out.Opening), out.SenderKeys}
}

func marshalled(t testing.TB, o Opening) []byte {
	t.Helper()
	b, err := o.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c *circle) everybody(t testing.TB, form func(State) []byte) {
	t.Helper()
	statement := form(c.states[0])
	for i := range c.states {
		s, _, err := c.states[i].Extend([][]byte{statement}, c.acts)
		if err != nil {
			t.Fatal(err)
		}
		c.states[i] = s
	}
}

func history(t testing.TB, s State, acts Acts) *History {
	t.Helper()
	h, err := s.History(acts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// What was said before is opened by who came later with nothing but the message, its
// opening and the chain, also when its author has left meanwhile; and receivers make
// the same openings as the author.
func TestHistory(t *testing.T) {
	alice, bob, carol, dave := newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "carol3"), newSelf(t, "dave4")
	c := newCircle(t, alice, bob, carol)
	c.acts = actsFor(alice, bob, carol, dave)
	one := c.says(t, 0, "one")
	c.hand(t, 0, 1, one.keys[bob.Device])
	two := c.says(t, 1, "two")
	three := c.says(t, 0, "three")
	delivered, _ := c.receive(t, 0, 1, three.message)
	if len(delivered) != 1 || !bytes.Equal(marshalled(t, delivered[0].Opening), three.opening) {
		t.Errorf("a receiver's opening differs from the author's")
	}
	c.everybody(t, func(s State) []byte { return s.Leave(bob, now) })
	four := c.says(t, 0, "four")
	c.everybody(t, func(s State) []byte {
		joined, err := Join(s.Statements(), c.acts, dave, now)
		if err != nil {
			t.Fatal(err)
		}
		return joined
	})
	newcomer, err := FromChain(c.states[0].Statements(), c.acts, dave.Member)
	if err != nil {
		t.Fatal(err)
	}
	h := history(t, newcomer, c.acts)
	for text, m := range map[string]passedOn{"one": one, "two": two, "three": three, "four": four} {
		from := alice.Member
		if text == "two" {
			from = bob.Member
		}
		p, err := h.Open(m.message, m.opening)
		if err != nil || !p.Certain || p.Said.Body != wire.Text(text) || p.From != from || h.Behind(p) {
			t.Errorf("%q opens as %+v of %v, certain %t, %v", text, p.Said.Body, p.From, p.Certain, err)
		}
	}
	// One opening is not another's.
	if p, err := h.Open(one.message, three.opening); !errors.Is(err, ErrMessage) {
		t.Errorf("opened %+v, %v", p.Said, err)
	}
	for i := range one.message {
		changed := bytes.Clone(one.message)
		changed[i] ^= 1 << (i % 8)
		if p, err := h.Open(changed, one.opening); err == nil && p.Said.Body != wire.Text("one") {
			t.Errorf("byte %d of a message changed, and it says %v", i, p.Said.Body)
		}
	}
	for i := range one.opening {
		changed := bytes.Clone(one.opening)
		changed[i] ^= 1 << (i % 8)
		if p, err := h.Open(one.message, changed); err == nil {
			t.Errorf("byte %d of an opening changed, and it opens %+v", i, p)
		}
	}
}

// A member who passes on what nobody said is not believed: neither with another's
// name over their own words, nor for a time when the author was no member.
func TestForgedHistory(t *testing.T) {
	alice, bob, eve := newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "eve3")
	c := newCircle(t, alice, bob, eve)
	genuine := c.says(t, 0, "genuine")
	h := history(t, c.states[1], c.acts)
	early := c.states[0].Statements()[0]

	// Eve's own chain under alice's name: with her certificate, and with alice's of
	// another chain.
	parsed := func(b []byte) Opening {
		t.Helper()
		o, err := ParseOpening(b)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	masked := &circle{selves: []Self{{alice.Member, eve.Signer}}, acts: c.acts}
	s, err := FromChain(c.states[0].Statements(), c.acts, alice.Member)
	if err != nil {
		t.Fatal(err)
	}
	masked.states = []State{s}
	forged := masked.says(t, 0, "forged")
	stolen := parsed(forged.opening)
	stolen.certificate = parsed(genuine.opening).certificate
	for what, m := range map[string]passedOn{
		"signed by another device":              forged,
		"with the certificate of another chain": {message: forged.message, opening: marshalled(t, stolen)},
	} {
		if p, err := h.Open(m.message, m.opening); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %+v, certain %t, %v", what, p.Said, p.Certain, err)
		}
	}

	// A device that eve has made up for alice certifies what it likes; nobody but eve
	// says that it is alice's.
	device := newSelf(t, "alice1")
	madeUp := &circle{selves: []Self{device}, acts: c.acts}
	if s, err = FromChain(c.states[0].Statements(), c.acts, device.Member); err != nil {
		t.Fatal(err)
	}
	madeUp.states = []State{s}
	uncertain := map[string]passedOn{
		"a device that is not alice's":    madeUp.says(t, 0, "made up"),
		"a time before eve was a member":  c.saysAsOf(t, 2, "too early", 1, record.HashOf(early)),
		"a chain that is longer than it":  c.saysAsOf(t, 2, "too late", 99, record.Hash{1}),
		"a chain that does not exist":     c.saysAsOf(t, 2, "a fork", 3, record.Hash{1}),
		"a chain with nothing in it":      c.saysAsOf(t, 2, "nothing", 0, record.Hash{}),
		"an epoch that had not begun yet": ofEpoch(t, c, 2),
	}
	for what, m := range uncertain {
		if p, err := h.Open(m.message, m.opening); err != nil || p.Certain {
			t.Errorf("%s: %+v, certain %t, %v", what, p.Said, p.Certain, err)
		} else if h.Behind(p) != (p.Said.ChainLength == 99) {
			t.Errorf("%s: behind is %t", what, h.Behind(p))
		}
	}
	if p, err := h.Open(genuine.message, genuine.opening); err != nil || !p.Certain {
		t.Errorf("the genuine one: %+v, %v", p, err)
	}
	other := newCircle(t, alice, bob)
	elsewhere := other.says(t, 0, "elsewhere")
	if p, err := h.Open(elsewhere.message, elsewhere.opening); !errors.Is(err, ErrMessage) {
		t.Errorf("of another group: %+v, %v", p.Said, err)
	}
}

// ofEpoch lets device i say something in an epoch of its own making, as of the chain
// before it.
func ofEpoch(t testing.TB, c *circle, i int) passedOn {
	t.Helper()
	chain := c.states[i].Chain()
	s, _, _, err := c.states[i].Rekey(c.selves[i], now)
	if err != nil {
		t.Fatal(err)
	}
	ahead := &circle{selves: c.selves, acts: c.acts, states: make([]State, len(c.states))}
	ahead.states[i] = s
	return ahead.saysAsOf(t, i, "too soon", chain.Len(), chain.Head())
}

// Who has left and says something for a time when they were there is believed as far
// as that time goes; what they say for now is not.
func TestHistoryOfWhoHasLeft(t *testing.T) {
	alice, bob := newSelf(t, "alice1"), newSelf(t, "bob2")
	c := newCircle(t, alice, bob)
	c.everybody(t, func(s State) []byte { return s.Leave(bob, now) })
	gone := c.says(t, 1, "after I left")
	h := history(t, c.states[0], c.acts)
	if p, err := h.Open(gone.message, gone.opening); err != nil || p.Certain {
		t.Errorf("%+v, certain %t, %v", p.Said, p.Certain, err)
	}
	c.everybody(t, func(s State) []byte {
		joined, err := Join(s.Statements(), c.acts, bob, now)
		if err != nil {
			t.Fatal(err)
		}
		return joined
	})
	back := c.says(t, 1, "back")
	h = history(t, c.states[0], c.acts)
	if p, err := h.Open(back.message, back.opening); err != nil || !p.Certain {
		t.Errorf("%+v, certain %t, %v", p.Said, p.Certain, err)
	}
	if p, err := h.Open(gone.message, gone.opening); err != nil || p.Certain {
		t.Errorf("%+v, certain %t, %v", p.Said, p.Certain, err)
	}
}

func FuzzOpening(f *testing.F) {
	c := newCircle(f, newSelf(f, "alice1"), newSelf(f, "bob2"))
	m := c.says(f, 0, "hello")
	h := history(f, c.states[1], c.acts)
	f.Add(m.message, m.opening)
	f.Fuzz(func(t *testing.T, message, opening []byte) {
		if o, err := ParseOpening(opening); err == nil && !bytes.Equal(marshalled(t, o), opening) {
			t.Error("an opening with two encodings")
		}
		if p, err := h.Open(message, opening); err == nil && p.Certain && p.Said.Body != wire.Text("hello") {
			t.Errorf("forged: %+v", p.Said)
		}
	})
}
