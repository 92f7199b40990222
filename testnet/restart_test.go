package testnet_test

import (
	"testing"

	"github.com/tryst-chat/tryst/testnet"
)

// What is sent to somebody who is away waits in the sender's outbox, also
// while the sender is away, and arrives once when both are back. The session
// goes on where it was.
func TestOutboxOutlivesBoth(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	greta, hans := enter(t, net, "greta", "1"), enter(t, net, "hans", "1")
	greta.tells(hans, "hello")
	hans.tells(greta, "hello yourself")

	hans.Kill()
	waiting := greta.do("send hans1 are you  there?", testnet.Event{Event: "sending", To: "hans1"})
	greta.do("send hans1 second", testnet.Event{Event: "sending", To: "hans1"})
	greta.Kill()
	greta.silent(testnet.Event{Event: "sent", ID: waiting.ID})

	hans = hans.again()
	greta = greta.again()
	hans.sees(testnet.Event{Event: "message", ID: waiting.ID, From: "greta1", Text: "are you  there?"})
	hans.sees(testnet.Event{Event: "message", From: "greta1", Text: "second"})
	greta.sees(testnet.Event{Event: "delivered", ID: waiting.ID, By: "hans1"})
	hans.tells(greta, "back again")
	greta.tells(hans, "so am I")
	if seen := hans.Seen(testnet.Event{Event: "message", ID: waiting.ID}); len(seen) != 1 {
		t.Errorf("shown %d times", len(seen))
	}
}

// A recipient who comes back gets what waited without the sender doing
// anything.
func TestOutboxGoesOutWhenTheRecipientReturns(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	ida, jan := enter(t, net, "ida", "1"), enter(t, net, "jan", "1")
	if err := jan.Close(); err != nil {
		t.Fatal(err)
	}
	waiting := ida.do("send jan1 for later", testnet.Event{Event: "sending", To: "jan1"})
	jan = jan.again()
	jan.sees(testnet.Event{Event: "message", ID: waiting.ID, From: "ida1", Text: "for later"})
	ida.sees(testnet.Event{Event: "delivered", ID: waiting.ID, By: "jan1"})
}

// A device that lost its power leaves connections that look alive. What is
// sent into them goes out again once it is back, at another port.
func TestOutboxGoesOutAfterAPowerCut(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	lars, mina := enter(t, net, "lars", "1"), enter(t, net, "mina", "1")
	lars.tells(mina, "while the light is on")
	mina.Kill()
	waiting := lars.do("send mina1 in the dark", testnet.Event{Event: "sending", To: "mina1"})
	mina = mina.again()
	mina.sees(testnet.Event{Event: "message", ID: waiting.ID, From: "lars1", Text: "in the dark"})
	lars.sees(testnet.Event{Event: "delivered", ID: waiting.ID, By: "mina1"})
}

// A member of a group who was away is a member afterwards.
func TestGroupOutlivesRestart(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	karl, lena := enter(t, net, "karl", "1"), enter(t, net, "lena", "1")
	karl.do("create choir", testnet.Event{Event: "created", Group: "choir"})
	lena.do("join choir", testnet.Event{Event: "joined", Group: "choir"})
	karl.sees(testnet.Event{Event: "joined", Group: "choir", Account: "lena1"})
	karl.do("send_group 1 choir one", testnet.Event{Event: "sent", Group: "choir"})
	lena.sees(testnet.Event{Event: "message", Group: "choir", From: "karl1", Text: "one"})

	lena.Kill()
	lena = lena.again()
	mine := lena.do("show_my_groups", testnet.Event{Event: "groups"})
	if len(mine.Groups) != 1 || mine.Groups[0].Name != "choir" || mine.Groups[0].Members != 2 {
		t.Errorf("after the restart: %v", mine)
	}
	lena.tells(karl, "I am back") // so they have met
	karl.do("send_group 1 choir two", testnet.Event{Event: "sent", Group: "choir"})
	lena.sees(testnet.Event{Event: "message", Group: "choir", From: "karl1", Text: "two"})
	lena.do("send_group 1 choir three", testnet.Event{Event: "sent", Group: "choir"})
	karl.sees(testnet.Event{Event: "message", Group: "choir", From: "lena1", Text: "three"})
}

// What comes through a pipe is delivered, or with the servers, before the program ends.
func TestEndOfInputDeliversFirst(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	mara, nils := enter(t, net, "mara", "1"), enter(t, net, "nils", "1")
	if err := mara.Send("send nils1 last words"); err != nil {
		t.Fatal(err)
	}
	if err := mara.Close(); err != nil {
		t.Fatal(err)
	}
	nils.sees(testnet.Event{Event: "message", From: "mara1", Text: "last words"})
}
