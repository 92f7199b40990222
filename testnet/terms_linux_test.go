package testnet_test

import (
	"testing"

	"github.com/tryst-chat/tryst/testnet"
)

// What a person sees of work before a sign-up, and that Ctrl-C ends it and the program.
func TestWorkOnATerminal(t *testing.T) {
	t.Parallel()
	const ctrlC = "\x03"
	net := own(t, testnet.Config{Servers: 1})
	operate(t, net, net.Servers[0], "signup", "work", "--bits", "26")
	screen := sit(t, "--home", t.TempDir(), "--balancer", net.Balancer)
	screen.shown.until("tryst> ")
	screen.types("sign up kurt 1 hush hush\r")
	screen.shown.until("· This cluster asks for some work before a sign-up; about ")
	screen.shown.until("[work ")
	screen.types(ctrlC)
	screen.shown.until("no account was made.")
	if err := screen.tryst.Wait(); err != nil {
		t.Errorf("at Ctrl-C: %v", err)
	}
	operate(t, net, net.Servers[0], "signup", "open")
	open(t, net, "kurt1", t.TempDir()).do("sign up kurt 1 pw", testnet.Event{Event: "signed_up", Account: "kurt1"})
}
