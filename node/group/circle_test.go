package group

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newSelf makes a device of an account.
func newSelf(t testing.TB, account string) Self {
	t.Helper()
	device := key.NewDevice()
	public, err := crypto.UnmarshalEd25519PublicKey(ed25519.PublicKey(device.Public()))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return Self{Member{record.Account(account), id}, device}
}

// actsFor is Acts of a fixed set of devices.
func actsFor(devices ...Self) Acts {
	return func(a record.Account, d peer.ID) bool {
		return slices.ContainsFunc(devices, func(s Self) bool { return s.Account == a && s.Device == d })
	}
}

func members(devices ...Self) []Member {
	out := make([]Member, len(devices))
	for i, d := range devices {
		out[i] = d.Member
	}
	return out
}

// circle is a group whose members all have the chain and the secret.
type circle struct {
	selves []Self
	states []State
	acts   Acts
}

// newCircle makes an open group of devices; the first creates it.
func newCircle(t testing.TB, selves ...Self) *circle {
	t.Helper()
	return newCircleWith(t, record.Settings{}, selves...)
}

// newCircleWith makes a group of devices; the first creates it, and invites the others
// if it is private.
func newCircleWith(t testing.TB, settings record.Settings, selves ...Self) *circle {
	t.Helper()
	c := &circle{selves: selves, acts: actsFor(selves...)}
	first, statement, err := Create("walkers", settings, selves[0], now)
	if err != nil {
		t.Fatal(err)
	}
	statements := [][]byte{statement}
	for _, self := range selves[1:] {
		if settings.Private {
			if first, _, err = first.Extend(statements, c.acts); err != nil {
				t.Fatal(err)
			}
			if !first.Chain().Member(self.Account) {
				statements = append(statements, first.Invite(selves[0], self.Account, now))
			}
		}
		joined, err := Join(statements, c.acts, self, now)
		if errors.Is(err, ErrMember) { // a second device
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, joined)
	}
	secret, err := first.SecretFor(1, selves[0].Account)
	if err != nil {
		t.Fatal(err)
	}
	for _, self := range selves {
		s, err := FromChain(statements, c.acts, self.Member)
		if err != nil {
			t.Fatal(err)
		}
		if s, err = s.AcceptSecret(1, secret); err != nil {
			t.Fatal(err)
		}
		c.states = append(c.states, s)
	}
	return c
}

// send lets device i send to all, and hands its sender keys out.
func (c *circle) send(t testing.TB, i int, content string) []byte {
	t.Helper()
	out := c.sendOnly(t, i, content)
	for k := range c.states {
		if distribution, ok := out.SenderKeys[c.selves[k].Device]; ok {
			c.hand(t, i, k, distribution)
		}
	}
	return out.Sealed.Message
}

func (c *circle) sendOnly(t testing.TB, i int, content string) Outgoing {
	t.Helper()
	s, out, err := c.states[i].Send(c.selves[i], []byte(content), members(c.selves...))
	if err != nil {
		t.Fatal(err)
	}
	c.states[i] = s
	return out
}

func (c *circle) hand(t testing.TB, from, to int, distribution []byte) []Delivered {
	t.Helper()
	s, delivered, err := c.states[to].AcceptSenderKey(c.selves[from].Member, c.states[from].Epoch(), distribution)
	if err != nil {
		t.Fatal(err)
	}
	c.states[to] = s
	return delivered
}

func (c *circle) receive(t testing.TB, from, to int, message []byte) ([]Delivered, Effect) {
	t.Helper()
	s, delivered, effect, err := c.states[to].Receive(c.selves[from].Member, message)
	if err != nil {
		t.Fatal(err)
	}
	c.states[to] = s
	return delivered, effect
}
