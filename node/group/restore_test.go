package group

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
)

// TestRestoredMembers replaces homes by old copies of themselves while a group talks,
// so that places in chains are used twice. No keystream comes twice, no message is read
// twice or as another's, and once the one who came back has asked everybody for what it
// lacks, what it says is read by all again, and it reads what all say. What it said
// before it asked, in places that others have seen used, is lost on those.
func TestRestoredMembers(t *testing.T) {
	selves := []Self{newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "carol3")}
	usedTwice := 0
	rapid.Check(t, func(r *rapid.T) {
		g := &restored{circle: newCircle(t, selves...), r: r, logs: make([][]Sealed, len(selves)), streams: make(map[string]bool), places: make(map[place]bool)}
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			i := rapid.IntRange(0, len(selves)-1).Draw(r, "device")
			switch rapid.SampledFrom([]string{"say", "say", "say", "copy", "restore", "ask"}).Draw(r, "action") {
			case "say":
				g.say(i, func(int) bool { return rapid.IntRange(0, 3).Draw(r, "lost") > 0 })
			case "copy":
				g.copies = append(g.copies, homeOf{i, g.states[i], slices.Clone(g.logs[i])})
			case "restore":
				if len(g.copies) > 0 {
					old := g.copies[rapid.IntRange(0, len(g.copies)-1).Draw(r, "copy")]
					g.states[old.device], g.logs[old.device] = old.state, slices.Clone(old.log)
				}
			case "ask":
				g.askAll(i)
			}
		}
		// Twice, since a message that waited for its key shows only then where it stands.
		for _, last := range []bool{false, true} {
			for i := range selves {
				g.askAll(i)
			}
			for i := range selves {
				if opened := g.say(i, func(int) bool { return true }); last && opened != len(selves)-1 {
					r.Fatalf("%d of %d read what %d says in the end", opened, len(selves)-1, i)
				}
			}
		}
		usedTwice += g.usedTwice
	})
	if usedTwice == 0 {
		t.Error("no place in a chain was ever used twice: the test does not try what it says")
	}
}

type restored struct {
	*circle
	r         *rapid.T
	logs      [][]Sealed // by device, what it can pass on
	copies    []homeOf
	said      int
	streams   map[string]bool
	places    map[place]bool
	usedTwice int
}

// homeOf is an old copy of a device's home.
type homeOf struct {
	device int
	state  State
	log    []Sealed
}

type place struct {
	chain     chainID
	iteration uint32
}

// say lets a device say something, which arrives at some of the others, and returns at
// how many it opened.
func (g *restored) say(from int, arrives func(to int) bool) (opened int) {
	text := fmt.Sprintf("%d says %d", from, g.said)
	g.said++
	s, out, err := g.states[from].Send(g.selves[from], []byte(text), members(g.selves...))
	if err != nil {
		g.r.Fatal(err)
	}
	g.states[from] = s
	g.logs[from] = append(g.logs[from], out.Sealed)
	g.checkKeystream(out.Sealed, text)
	for to, self := range g.selves {
		if key, ok := out.SenderKeys[self.Device]; ok {
			s, delivered, err := g.states[to].AcceptSenderKey(g.selves[from].Member, 1, key)
			if err != nil {
				g.r.Fatal(err)
			}
			g.states[to] = s
			for _, d := range delivered {
				g.note(to, d)
			}
		}
		if to == from || !arrives(to) {
			continue
		}
		s, delivered, _, err := g.states[to].Receive(g.selves[from].Member, out.Sealed.Message)
		if err != nil && !errors.Is(err, ErrMessage) { // of before the key that it has
			g.r.Fatal(err)
		}
		g.states[to] = s
		for _, d := range delivered {
			g.note(to, d)
			if string(d.Content) == text {
				opened++
			}
		}
	}
	return opened
}

// checkKeystream takes the plaintext off a message, whose beginning is 16 bytes of
// chain ID, 4 of the number, and the salt.
func (g *restored) checkKeystream(sealed Sealed, text string) {
	var m pb.GroupMessage
	if err := proto.Unmarshal(sealed.Message, &m); err != nil {
		g.r.Fatal(err)
	}
	at := place{sealed.Chain, sealed.Iteration}
	if g.places[at] {
		g.usedTwice++
	}
	g.places[at] = true
	body := m.GetSealed()[20:]
	stream := bytes.Clone(body[seal.SaltSize : seal.SaltSize+16])
	for i, b := range seal.Pad([]byte(text))[:16] {
		stream[i] ^= b
	}
	if g.streams[string(stream)] {
		g.r.Fatalf("%q repeats a keystream", text)
	}
	g.streams[string(stream)] = true
}

// note keeps what a device has read for others. A home has each message once.
func (g *restored) note(at int, d Delivered) {
	if slices.ContainsFunc(g.logs[at], func(m Sealed) bool { return bytes.Equal(m.Message, d.Sealed.Message) }) {
		g.r.Fatalf("%d reads %q twice", at, d.Content)
	}
	var from, number int
	if _, err := fmt.Sscanf(string(d.Content), "%d says %d", &from, &number); err != nil || d.From != g.selves[from].Member {
		g.r.Fatalf("%q came from %v", d.Content, d.From)
	}
	g.logs[at] = append(g.logs[at], d.Sealed)
}

// askAll lets a device ask every other for what it lacks. What it has shows them too
// whether it has their chains, or had them and has lost them.
func (g *restored) askAll(asks int) {
	for answers := range g.states {
		if answers == asks {
			continue
		}
		have := g.states[asks].Have()
		if own := g.states[answers].sender; own != nil && !slices.ContainsFunc(have, func(h wire.Have) bool { return h.Chain == own.ChainID() }) {
			g.states[answers] = g.states[answers].Forget(g.selves[asks].Device)
		}
		for _, m := range slices.Clone(g.logs[answers]) {
			for _, h := range have {
				if m.Chain != h.Chain || m.Iteration < h.Next && !slices.Contains(h.Missing, m.Iteration) {
					continue
				}
				s, delivered, err := g.states[asks].Repair(m.Message)
				if err != nil {
					g.r.Fatalf("%d passes on to %d: %v", answers, asks, err)
				}
				g.states[asks] = s
				for _, d := range delivered {
					g.note(asks, d)
				}
			}
		}
	}
}
