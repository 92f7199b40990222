package testnet_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tryst-chat/tryst/testnet"
)

// Several people sign up with one name at once, each at the server that the
// balancer gave them: exactly one may have it.
func TestOneNameAtSeveralServers(t *testing.T) {
	t.Parallel()
	const racers = 6 // two for each server
	net := suite.testnet(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	won, taken := 0, 0
	for i := range racers {
		racer := open(t, net, fmt.Sprintf("racer-%d", i), t.TempDir())
		racer.do("list", testnet.Event{Event: "error", Code: "not_logged_in"}) // it runs
		all.Go(func() {
			_, err := racer.Do(t.Context(), "sign up same 1 pw", testnet.Event{Event: "signed_up", Account: "same1"})
			var refusal *testnet.Refusal
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.As(err, &refusal) && refusal.Event.Code == "name_taken":
				taken++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won != 1 || taken != racers-1 {
		t.Errorf("%d have the name, %d were told that it is taken", won, taken)
	}
}

// A name and a roll number that join to a taken account are taken.
func TestAccountsThatReadAlikeCollide(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	u := open(t, net, "joined", t.TempDir())
	u.do("sign up ann 11 pw", testnet.Event{Event: "signed_up", Account: "ann11"})
	u.refuses("sign up ann1 1 pw", "name_taken")
	u.refuses("SIGN UP ANN 11 pw", "name_taken")
}

func TestWrongPasswordReadsLikeNoAccount(t *testing.T) {
	t.Parallel()
	u := open(t, suite.testnet(t), "wrong1", t.TempDir())
	u.do("sign up wrong 1 right", testnet.Event{Event: "signed_up", Account: "wrong1"})
	known := u.refuses("login wrong1 left", "wrong_password")
	unknown := u.refuses("login wrong2 left", "wrong_password")
	if known.Message != unknown.Message || known.Hint != unknown.Hint {
		t.Errorf("%v and %v differ", known, unknown)
	}
	u.do("login wrong1 right", testnet.Event{Event: "logged_in", Account: "wrong1"})
}

// The account comes to a machine that never saw it, and then lives on both:
// each device gets what is sent to the person, and what the other one sent.
func TestSecondDevice(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	first, friend := enter(t, net, "dora", "1"), enter(t, net, "emil", "1")
	friend.tells(first, "before the second device")

	second := open(t, net, first.account, t.TempDir())
	second.login()
	if a, b := first.do("whoami", testnet.Event{Event: "whoami"}), second.do("whoami", testnet.Event{Event: "whoami"}); a.Account != b.Account || a.Device == b.Device {
		t.Errorf("first %v, second %v", a, b)
	}
	friend.do("send dora1 to both", testnet.Event{Event: "sending", To: first.account})
	for _, device := range []*user{first, second} {
		device.sees(testnet.Event{Event: "message", From: friend.account, Text: "to both"})
	}
	second.tells(friend, "from the second")
	first.sees(testnet.Event{Event: "message", From: first.account, To: friend.account, Text: "from the second"})
	first.tells(friend, "from the first")
	second.sees(testnet.Event{Event: "message", From: first.account, To: friend.account, Text: "from the first"})
}

func TestLogout(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	u := enter(t, net, "frida", "1")
	u.do("logout", testnet.Event{Event: "logged_out", Account: u.account})
	u.refuses("send frida1 hello", "not_logged_in")
	u.login() // on a device that is new to the account
}
