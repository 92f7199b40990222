package node

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/node/transport"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// newHidden is newPerson for somebody whose node listens nowhere.
func (w *world) newHidden(name, roll string) *person {
	w.Helper()
	p := w.open("")
	p.cfg.noListen = true
	if _, err := p.SignUp(w.Context(), name, roll, []byte(password)); err != nil {
		w.Fatalf("sign up %s: %v", name, err)
	}
	p.login(name + roll)
	return p
}

func (p *person) peerID() peer.ID { return p.device.link.host.ID() }

// whereabouts returns the addresses that the servers give out for a person.
func (p *person) whereabouts(of *person) (direct, circuits []multiaddr.Multiaddr) {
	p.Helper()
	found, err := p.device.link.client.FindPeers(p.Context(), []record.Account{of.device.self.Account})
	if err != nil {
		p.Fatal(err)
	}
	for _, presence := range found {
		for _, addr := range presence.Info.Addrs {
			if _, err := addr.ValueForProtocol(multiaddr.P_CIRCUIT); err == nil {
				circuits = append(circuits, addr)
			} else {
				direct = append(direct, addr)
			}
		}
	}
	return direct, circuits
}

// awaitRelayed waits until a person is known to be reached through a relay.
func (p *person) awaitRelayed(who *person) {
	p.Helper()
	await(p, "an address through a relay", func() bool {
		_, circuits := p.whereabouts(who)
		return len(circuits) > 0
	})
}

// Two nodes that nobody can dial talk, exchange a file and meet in a group, all
// through the balancer.
func TestNodesThatNobodyCanDial(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newHidden("alice", "42"), w.newHidden("bob", "7")
	alice.awaitRelayed(bob)
	if direct, _ := alice.whereabouts(bob); len(direct) > 0 {
		t.Fatalf("bob's node listens at %v", direct)
	}
	alice.says("bob7", "over a circuit")
	bob.sees("the message", text("over a circuit"))
	bob.says("alice42", "and back")
	alice.sees("the answer", text("and back"))
	for _, c := range []struct{ from, to *person }{{alice, bob}, {bob, alice}} {
		if path := c.from.device.link.host.Path(c.to.peerID()); path != transport.PathRelayed {
			t.Errorf("the path is %q", path)
		}
	}

	content := make([]byte, 300<<10) // several chunks
	rand.Read(content)
	path := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.SendFile(t.Context(), "bob7", path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(bob.sees("the file", func(e Event) bool { return e.Kind == EventFile }).Path)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file came as %d of %d bytes: %v", len(got), len(content), err)
	}

	alice.founds("g1", bob)
	for from, to := range map[*person]*person{alice: bob, bob: alice} {
		s := "from " + from.home
		if _, err := from.SendGroup(t.Context(), "g1", s); err != nil {
			t.Fatal(err)
		}
		to.sees(s, inGroup("g1", s))
	}
}

// Nodes that can dial each other do, though both could be reached over a relay.
func TestDirectBeforeRelayed(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.awaitRelayed(bob)
	bob.awaitRelayed(alice)
	alice.says("bob7", "hello")
	bob.says("alice42", "hi")
	for _, c := range []struct{ from, to *person }{{alice, bob}, {bob, alice}} {
		if path := c.from.device.link.host.Path(c.to.peerID()); path != transport.PathLocal {
			t.Errorf("the path is %q", path)
		}
		for _, conn := range c.from.device.link.host.Libp2p().Network().ConnsToPeer(c.to.peerID()) {
			if _, err := conn.RemoteMultiaddr().ValueForProtocol(multiaddr.P_CIRCUIT); err == nil {
				t.Errorf("a circuit beside it: %s", conn.RemoteMultiaddr())
			}
		}
	}
}

// A node that nobody can dial and one that can be dialled find each other,
// whichever of the two begins.
func TestOneThatNobodyCanDial(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newHidden("alice", "42"), w.newPerson("bob", "7")
	bob.says("alice42", "are you there?")
	alice.says("bob7", "behind a wall")
	if path := alice.device.link.host.Path(bob.peerID()); path == transport.PathNone {
		t.Error("no path")
	}
}
