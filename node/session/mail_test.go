package session

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// maxRenewals is how often one message asks for a new session before its sender is
// told that it cannot be delivered, as in node/outbox.
const maxRenewals = 5

// home is what one device keeps on its disk: its sessions and prekeys, what it has
// still to deliver, and what it has received. A copy of it is an old home.
type home struct {
	*device
	outbox []entry
	seen   map[int]bool    // numbers of messages that have come
	inbox  map[string]int  // text -> how often it was shown
	told   map[string]bool // texts whose sender was told that they cannot be delivered
}

// entry is a message that has not been acknowledged.
type entry struct {
	id       int
	text     string
	envelope []byte // nil: to be sealed anew
	renewals int
}

func newHome(t fataler, name record.Account) home {
	return home{device: newDevice(t, name), seen: map[int]bool{}, inbox: map[string]int{}, told: map[string]bool{}}
}

func (h home) copied() home {
	d := *h.device
	d.oneTime = maps.Clone(d.oneTime)
	return home{&d, slices.Clone(h.outbox), maps.Clone(h.seen), maps.Clone(h.inbox), maps.Clone(h.told)}
}

// post is what went over the network: it can come again at any time.
type post struct {
	from, to int
	id       int
	text     string
	envelope []byte
}

// mail is two people who write to each other as nodes do, a third who listens in,
// and everything that ever went over the network between them.
type mail struct {
	t       *rapid.T
	homes   [2]home
	copies  [2][]home
	shelf   [2][]record.OneTimePrekey // at the directory, in the order in which they are given out
	third   *device
	posted  []post
	sent    int
	streams map[string]bool // the beginnings of all keystreams
	rolled  map[string]bool // texts that were sent or received after a copy that came back
	twice   int             // messages that came under a key used before
}

func newMail(t *rapid.T) *mail {
	return &mail{
		t: t, homes: [2]home{newHome(t, "alice42"), newHome(t, "bob7")}, third: newDevice(t, "carol3"),
		streams: map[string]bool{}, rolled: map[string]bool{},
	}
}

func (m *mail) side() int { return rapid.IntRange(0, 1).Draw(m.t, "side") }

// write puts a message into the outbox, sealed at once if there is a session.
func (m *mail) write() { m.writeFrom(m.side()) }

func (m *mail) writeFrom(from int) string {
	h := &m.homes[from]
	e := entry{id: m.sent, text: fmt.Sprintf("%s says %d", h.local.Account, m.sent)}
	m.sent++
	if h.record.Ready() {
		e.envelope = m.seal(from, e.text)
	}
	h.outbox = append(h.outbox, e)
	return e.text
}

func (m *mail) seal(from int, text string) []byte {
	envelope := m.homes[from].encrypt(m.t, m.homes[1-from].device, text)
	m.checkKeystream(envelope, text)
	return envelope
}

// checkKeystream takes the plaintext off an envelope: what is left of its body never
// comes twice, nor does a salt, whichever keys come twice.
func (m *mail) checkKeystream(envelope []byte, text string) {
	const sealedHeaderSize = 40 + seal.Overhead
	message := envelope[headSize:]
	if envelope[1] == kindPrekey {
		message = message[pqxdh.InitialSize:]
	}
	body := message[sealedHeaderSize:]
	stream := bytes.Clone(body[seal.SaltSize : len(body)-seal.TagSize])
	for i, b := range seal.Pad([]byte(text)) {
		stream[i] ^= b
	}
	for _, secret := range []string{string(stream[:16]), string(body[:seal.SaltSize]), string(message[:seal.SaltSize])} {
		if m.streams[secret] {
			m.t.Fatalf("%q repeats a keystream or a salt", text)
		}
		m.streams[secret] = true
	}
}

// begin takes keys from the directory. It has the peer's current bundle, but one-time
// prekeys in the order in which they were ever published: those of a home that was
// restored since too, whose private halves are gone and whose numbers come again.
func (m *mail) begin(from int) {
	to := m.homes[1-from].device
	shelf := &m.shelf[1-from]
	if len(*shelf) == 0 && rapid.Bool().Draw(m.t, "refilled") {
		for range 2 {
			_, prekey := to.published(m.t, true)
			*shelf = append(*shelf, *prekey)
		}
	}
	bundle, _ := to.published(m.t, false)
	var prekey *record.OneTimePrekey
	if len(*shelf) > 0 {
		prekey, *shelf = &(*shelf)[0], (*shelf)[1:]
	}
	h := m.homes[from]
	next, err := Begin(h.record, h.local, to.identity(), bundle, prekey)
	if err != nil {
		m.t.Fatal(err)
	}
	h.record = next
}

// attempt sends the oldest message in an outbox. The network loses it, or the answer,
// or neither; what it loses may still come later.
func (m *mail) attempt(from int, lossy bool) {
	h := &m.homes[from]
	if len(h.outbox) == 0 {
		return
	}
	e := &h.outbox[0]
	if e.envelope == nil {
		if e.renewals > 0 || !h.record.Ready() {
			m.begin(from)
			for i := range h.outbox {
				h.outbox[i].envelope = nil // what waits goes into the new session
			}
		}
		e.envelope = m.seal(from, e.text)
	}
	p := post{from, 1 - from, e.id, e.text, e.envelope}
	m.posted = append(m.posted, p)
	if lossy && rapid.IntRange(0, 3).Draw(m.t, "lost") == 0 {
		return
	}
	taken := m.arrive(p)
	if lossy && rapid.IntRange(0, 3).Draw(m.t, "answer lost") == 0 {
		return
	}
	switch {
	case taken:
		h.outbox = h.outbox[1:]
	case e.renewals == maxRenewals:
		h.told[e.text] = true
		h.outbox = h.outbox[1:]
	default:
		e.renewals++
		for i := range h.outbox {
			h.outbox[i].envelope = nil
		}
	}
}

// arrive brings something that was posted, now or long ago, and tells whether it is
// there then.
func (m *mail) arrive(p post) bool {
	h := &m.homes[p.to]
	if h.seen[p.id] {
		return true
	}
	text, err := h.decrypt(m.homes[p.from].device, p.envelope)
	switch {
	case errors.Is(err, ErrDuplicate):
		m.twice++
		return false
	case err != nil:
		return false
	case text != p.text:
		m.t.Fatalf("%q came as %q", p.text, text)
	}
	h.seen[p.id] = true
	h.inbox[text]++
	return true
}

// again brings anything that was ever on the network, and nobody waits for the answer.
func (m *mail) again() {
	if len(m.posted) > 0 {
		m.arrive(rapid.SampledFrom(m.posted).Draw(m.t, "post"))
	}
}

// astray brings a message to somebody else, as from its sender and as from another,
// or back to its sender, and changed to its recipient.
func (m *mail) astray() {
	if len(m.posted) == 0 {
		return
	}
	p := rapid.SampledFrom(m.posted).Draw(m.t, "post")
	from, to := m.homes[p.from].device, m.homes[p.to].device
	forged := bytes.Clone(p.envelope)
	forged[rapid.IntRange(0, len(forged)-1).Draw(m.t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(m.t, "bit")
	for what, try := range map[string]func() (string, error){
		"a third":          func() (string, error) { return m.third.decrypt(from, p.envelope) },
		"in a third name":  func() (string, error) { return to.decrypt(m.third, p.envelope) },
		"its sender":       func() (string, error) { return from.decrypt(to, p.envelope) },
		"one bit, changed": func() (string, error) { return to.decrypt(from, forged) },
	} {
		before := encoded(m.t, m.third.record) + encoded(m.t, from.record) + encoded(m.t, to.record)
		if text, err := try(); err == nil {
			m.t.Fatalf("%s: %q opened", what, text)
		}
		if encoded(m.t, m.third.record)+encoded(m.t, from.record)+encoded(m.t, to.record) != before {
			m.t.Fatalf("%s: a record changed", what)
		}
	}
}

func (m *mail) copy() {
	i := m.side()
	m.copies[i] = append(m.copies[i], m.homes[i].copied())
}

// restore puts an old copy of a home in the place of the home.
func (m *mail) restore() {
	i := m.side()
	if len(m.copies[i]) == 0 {
		return
	}
	old := rapid.SampledFrom(m.copies[i]).Draw(m.t, "copy").copied()
	now := m.homes[i]
	for text := range now.inbox {
		if old.inbox[text] == 0 {
			m.rolled[text] = true
		}
	}
	known := map[int]bool{}
	for _, e := range old.outbox {
		known[e.id] = true
	}
	for _, e := range now.outbox {
		m.rolled[e.text] = m.rolled[e.text] || !known[e.id]
	}
	m.homes[i] = old
}

func (m *mail) check() {
	for _, h := range m.homes {
		for text, times := range h.inbox {
			if times > 1 || strings.HasPrefix(text, string(h.local.Account)) {
				m.t.Fatalf("%s was shown %q %d times", h.local.Account, text, times)
			}
		}
		if len(h.record.sessions) > MaxSessions || len(h.record.ended) > MaxEnded {
			m.t.Fatal("the record outgrew its limits")
		}
	}
}

// settle lets the network be good, and both sides once more write and be read.
func (m *mail) settle(restored bool) {
	last := [2]string{m.writeFrom(0), m.writeFrom(1)}
	for len(m.homes[0].outbox)+len(m.homes[1].outbox) > 0 {
		m.attempt(0, false)
		m.attempt(1, false)
	}
	m.check()
	for from, text := range last {
		if m.homes[1-from].inbox[text] != 1 {
			m.t.Fatalf("%q did not arrive in the end", text)
		}
	}
	for _, p := range m.posted {
		if m.homes[p.to].inbox[p.text] == 0 && !m.rolled[p.text] && !m.homes[p.from].told[p.text] {
			m.t.Fatalf("%q was lost without a word", p.text)
		}
	}
	for _, h := range m.homes {
		if len(h.told) > 0 && !restored {
			m.t.Fatalf("given up without need: %v", h.told)
		}
	}
	// The one who spoke last in the settled session has been heard: both are in it.
	m.homes[0].mustDecrypt(m.t, m.homes[1].device, m.seal(1, "ping"), "ping")
	m.homes[1].mustDecrypt(m.t, m.homes[0].device, m.seal(0, "pong"), "pong")
	if m.homes[0].record.sessions[0].began != m.homes[1].record.sessions[0].began {
		m.t.Fatal("they do not agree on a session")
	}
}

// correspond lets anything happen in any order, and then settles.
func correspond(t *rapid.T, restores bool) *mail {
	m := newMail(t)
	send := func() { m.attempt(m.side(), true) }
	steps := []func(){m.write, m.write, m.write, send, send, send, send, m.again, m.again, m.astray}
	if restores {
		steps = append(steps, m.copy, m.copy, m.restore)
	}
	for range rapid.IntRange(1, 50).Draw(t, "steps") {
		steps[rapid.IntRange(0, len(steps)-1).Draw(t, "step")]()
		m.check()
	}
	m.settle(restores)
	return m
}

// Over a network that loses, doubles, reorders, delays, forges and misleads, each
// message is shown once to whom it was for, as it was written.
func TestMail(t *testing.T) {
	manyTimes(t, func(t *rapid.T) { correspond(t, false) })
}

// The same while homes are replaced by old copies of themselves, so that message keys
// and prekey numbers are used twice. What the copy does not know of is lost with the
// home; everything else arrives, or its sender is told. No keystream comes twice, and
// both sides understand each other again.
func TestMailFromRestoredHomes(t *testing.T) {
	twice := 0
	manyTimes(t, func(t *rapid.T) { twice += correspond(t, true).twice })
	if twice == 0 {
		t.Error("no message key was ever used twice: the test does not try what it says")
	}
}

// manyTimes runs a property on twice as many interleavings as rapid does by itself,
// but for -short. -rapid.checks=10000 makes it an afternoon of work.
func manyTimes(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	times := 2
	if testing.Short() {
		times = 1
	}
	for range times {
		rapid.Check(t, property)
	}
}

// A restored home uses a message key again, for another text. The keystreams differ;
// the peer, which has used the key, says so, and a new session makes up for it.
func TestRestoredHome(t *testing.T) {
	alice, bob := newPair(t)
	talk(t, alice, bob)
	copied, bobs := alice.record, bob.record
	first := alice.encrypt(t, bob, "written before")
	bob.mustDecrypt(t, alice, first, "written before")

	alice.record = copied
	second := alice.encrypt(t, bob, "written after!")
	if _, err := bob.decrypt(alice, second); !errors.Is(err, ErrDuplicate) {
		t.Fatalf("under a key that was used: %v", err)
	}
	opened, err := bobs.Decrypt(bob.local, alice.identity(), bob, second, now)
	if err != nil || string(opened.Plaintext) != "written after!" {
		t.Fatalf("it is not the same key: %v", err)
	}
	body := func(envelope []byte) []byte { return envelope[headSize+40+2*seal.Overhead-seal.TagSize:][:256] }
	a, b := body(first), body(second)
	texts := make([]byte, len("written before"))
	for i := range texts {
		texts[i] = a[i] ^ b[i] ^ "written before"[i] ^ "written after!"[i]
	}
	if bytes.Equal(texts, make([]byte, len(texts))) {
		t.Error("two texts lie under one keystream")
	}

	alice.begin(t, bob, true) // since bob has refused it
	bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "written after!"), "written after!")
	alice.mustDecrypt(t, bob, bob.encrypt(t, alice, "good"), "good")

	// And the other way round: what bob says in the session that the copy has not seen.
	alice.record = copied
	if _, err := alice.decrypt(bob, bob.encrypt(t, alice, "lost on you")); !errors.Is(err, ErrOpen) {
		t.Fatalf("of a session that is not here: %v", err)
	}
	bob.begin(t, alice, true)
	alice.mustDecrypt(t, bob, bob.encrypt(t, alice, "lost on you"), "lost on you")
	bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "understood"), "understood")
}
