package testnet_test

import (
	"testing"

	"github.com/tryst-chat/tryst/testnet"
)

// What somebody at a terminal sees of a stranger, and of what they decide.
func TestTerminalRequests(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	stranger := enter(t, net, "heron", "1")
	screen := sit(t, "--home", t.TempDir(), "--balancer", net.Balancer)
	screen.types("sign up otter 1 secret\rlogin otter1 secret\r")
	screen.shown.until("You are logged in as otter1.")
	stranger.do("send otter1 hello", testnet.Event{Event: "sending"})
	screen.shown.until("heron1 : hello\r\n")
	screen.types("contacts ask\r")
	screen.shown.until("Strangers have to ask")
	stranger.do("send otter1 two", testnet.Event{Event: "sending"})
	screen.shown.until("heron1 wants to write to you (1 message): accept heron1, or block heron1\r\n")
	screen.types("accept heron1\r")
	screen.shown.until("heron1 : two\r\n")
	screen.types("block heron1\r")
	screen.shown.until("You see nothing more of heron1.")
	screen.types("send heron1 no\r")
	screen.shown.until("You have blocked heron1.")
	screen.types("contacts\r")
	screen.shown.until("blocked: heron1\r\n")
	screen.types("unblock heron1\r")
	screen.shown.until("heron1 is not blocked any more.")
}
