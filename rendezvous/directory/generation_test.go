package directory_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

func token(c byte) []byte { return bytes.Repeat([]byte{c}, wire.TokenSize) }

func TestGeneration(t *testing.T) {
	b := newBench(t)
	alice := b.signUp("alice1")
	key, id := alice.Devices[0], alice.Devices[0].ID()
	prekeys := alice.Prekeys(key, 5)
	b.ok(directory.PublishKeys("alice1", id, alice.Bundle(key, 1), prekeys...))
	for _, c := range []struct {
		what    string
		last    uint64
		token   byte
		renew   bool
		number  uint64
		stepped bool
		left    int
	}{
		{"the first start", 0, 'a', false, 1, true, 5},
		{"the same again", 0, 'a', false, 1, true, 5},
		{"a copy from before it", 0, 'b', false, 1, false, 5}, // the number would fit
		{"the next start", 1, 'c', false, 2, true, 5},
		{"an answer that is late", 0, 'a', false, 2, false, 5},
		{"a copy that would renew", 1, 'd', true, 2, false, 5},
		{"a home from the future", 7, 'd', true, 2, false, 5},
		{"the copy, told of it", 2, 'd', true, 3, true, 0},
		{"the same again", 2, 'd', true, 3, true, 0},
		{"the original", 2, 'e', false, 3, false, 0},
	} {
		r := b.ok(directory.BeginGeneration("alice1", id, c.last, token(c.token), c.renew))
		want := directory.Generation{Number: c.number, HighestPrekey: 5, Stepped: c.stepped}
		if got, err := directory.ParseGeneration(r.Value); err != nil || got != want || r.Events != nil {
			t.Errorf("%s: %+v, %v, events %v; want %+v", c.what, got, err, r.Events, want)
		}
		if left, err := b.PrekeysLeft("alice1", id); err != nil || left != c.left {
			t.Errorf("%s: %d prekeys left, %v; want %d", c.what, left, err, c.left)
		}
	}
	// The prekeys do not come back by being published again, and the bundle stands.
	b.ok(directory.PublishKeys("alice1", id, nil, prekeys...))
	if got := b.take(alice, id); got.OneTime != nil || !bytes.Equal(got.Bundle, alice.Bundle(key, 1)) {
		t.Errorf("taken after a renewal: %+v", got)
	}
	// A device that starts for the first time with nothing published renews nothing.
	bob := b.signUp("bob1")
	b.ok(directory.BeginGeneration("bob1", bob.Devices[0].ID(), 0, token('a'), true))

	b.refused(wire.ErrNoAccount, "no account", directory.BeginGeneration("carol1", id, 3, token('f'), false))
	b.refused(wire.ErrRefused, "another's device", directory.BeginGeneration("bob1", id, 3, token('f'), false))
	b.refused(wire.ErrBadRequest, "no device", directory.BeginGeneration("alice1", "", 3, token('f'), false))
	b.refused(wire.ErrBadRequest, "no token", directory.BeginGeneration("alice1", id, 3, nil, false))
	b.refused(wire.ErrBadRequest, "a long token", directory.BeginGeneration("alice1", id, 3, append(token('f'), 0), false))
}

// start is how often a device has started, and what its last start was.
type start struct {
	number  uint64
	token   string
	highest uint32 // of its prekeys' IDs
}

// start has a device begin a generation: as it should, once more, from a copy that
// is behind, or from one that is ahead of the directory.
func (m *model) start(t *rapid.T) {
	name, p := m.person(t)
	if p == nil {
		m.queue(directory.BeginGeneration(name, directorytest.NewKey().ID(), 0, make([]byte, wire.TokenSize), false), wants(wire.ErrNoAccount))
		return
	}
	key, active := m.device(t, p)
	id := key.ID()
	known := m.starts[id]
	last := known.number + rapid.SampledFrom([]uint64{0, 0, 0, 1, ^uint64(0), ^uint64(1)}).Draw(t, "off by")
	token := rapid.SampledFrom([]string{known.token, "one of sixteen b", "sixteen bytes, 2"}).Draw(t, "token")
	renew := rapid.Bool().Draw(t, "renew")
	command := directory.BeginGeneration(name, id, last, []byte(token), renew)
	switch {
	case !active:
		m.queue(command, wants(wire.ErrRefused))
		return
	case token == "":
		m.queue(command, wants(wire.ErrBadRequest))
		return
	}
	want := directory.Generation{Number: known.number, HighestPrekey: known.highest}
	switch last {
	case known.number:
		want.Number, want.Stepped = known.number+1, true
		known.number, known.token = known.number+1, token
		m.starts[id] = known
		if renew {
			m.stock[id] = nil
		}
	case known.number - 1:
		want.Stepped = token == known.token
	}
	m.queue(command, func(t *rapid.T, r directory.Result) {
		wants(nil)(t, r)
		if got, err := directory.ParseGeneration(r.Value); err != nil || got != want {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
	})
}
