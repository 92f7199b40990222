package node

import (
	"errors"
	"testing"

	"github.com/tryst-chat/tryst/node/account"
)

// A server that has not caught up is no liar: nobody is distrusted for it.
func TestServerBehindIsNotDistrusted(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.newPerson("alice", "42"), w.newPerson("bob", "7")
	alice.says("bob7", "one device")
	early, _ := alice.device.people.contact("bob7")
	if err := bob.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	bob.login("bob7")
	alice.seesNotices("bob7", 2)

	old := account.Claim{Account: early.Account, Identity: early.Identity.Bytes(), Log: early.Log}
	if _, err := alice.device.people.learn(old); !errors.Is(err, account.ErrBehind) {
		t.Errorf("an old log: %v", err)
	}
	alice.says("bob7", "still trusted")
}
