package node

import "testing"

// logsOut logs a person out, and waits until another one has heard of it.
func (p *person) logsOut(heard *person) {
	p.Helper()
	if err := p.Logout(p.Context()); err != nil {
		p.Fatalf("log out: %v", err)
	}
	if heard != nil {
		heard.seesNotices("bob7", 1)
	}
}

func TestMessageToSomebodyLoggedOut(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "before")
	bob.logsOut(alice)

	id, err := alice.Send(t.Context(), "bob7", "are you there?")
	if err != nil {
		t.Fatal(err)
	}
	alice = alice.again("alice42") // it waits on the disk
	bob.login("bob7")
	bob.sees("what was written meanwhile", text("are you there?"))
	alice.sees("that it was delivered", ofMessage(EventDelivered, id))
	alice.says("bob7", "after")
	if n := len(bob.all(text("are you there?"))); n != 1 {
		t.Errorf("it came %d times", n)
	}
}

func TestMessageFollowsToTheNextDevice(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "before")
	bob.end()
	id, err := alice.Send(t.Context(), "bob7", "for a device that is about to go")
	if err != nil {
		t.Fatal(err)
	}
	alice.end()
	bob = w.open(bob.home)
	bob.login("bob7")
	bob.logsOut(nil)
	bob.login("bob7")

	alice = w.open(alice.home)
	alice.login("alice42")
	bob.sees("what was written to the device before", text("for a device that is about to go"))
	alice.sees("that it was delivered", ofMessage(EventDelivered, id))
}
