package testnet_test

import (
	"slices"
	"testing"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// Who wants to be asked first is not found by strangers, sees their messages only
// after a word, also after a restart, and is found from then on.
func TestStrangersHaveToAsk(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	quin, rosalba, tilda := enter(t, net, "quin", "1"), enter(t, net, "rosalba", "1"), enter(t, net, "tilda", "1")
	rosalba.tells(quin, "hello") // they are connected now, and quin does not answer
	tilda.tells(quin, "hello")
	quin.tells(tilda, "hello, tilda")
	if open := quin.do("contacts", testnet.Event{Event: "contacts", Policy: "open"}); open.Accepted == nil || len(open.Accepted) != 0 {
		t.Errorf("at first: %v", open)
	}
	ask := quin.do("contacts ask", testnet.Event{Event: "contacts", Policy: "ask"})
	if !slices.Equal(ask.Accepted, []string{tilda.account}) || len(ask.Requests)+len(ask.Blocked) != 0 {
		t.Errorf("contacts ask: %v", ask)
	}
	harness.Await(t, "that the servers have taken it", func() bool {
		return !quin.do("contacts", testnet.Event{Event: "contacts", Policy: "ask"}).Pending
	})
	for _, text := range []string{"are you", "there?"} {
		rosalba.do("send quin1 "+text, testnet.Event{Event: "sending"})
	}
	if request := quin.sees(testnet.Event{Event: "request", Account: rosalba.account}); request.Count != 2 || request.Text != "" {
		t.Errorf("%v", request)
	}
	quin.Kill()

	quin = quin.again()
	quin.sees(testnet.Event{Event: "request", Account: rosalba.account, Count: 2})
	if waiting := quin.do("contacts", testnet.Event{Event: "contacts", Policy: "ask"}).Requests; !slices.Equal(waiting, []testnet.Request{{Account: rosalba.account, Count: 2}}) {
		t.Errorf("after a restart %v wait", waiting)
	}
	// Two strangers, at whatever server, do not find quin: one who has met quin and
	// one who has not.
	ulf := enter(t, net, "ulf", "1")
	ulfs := ulf.do("send quin1 good day", testnet.Event{Event: "sending"})
	third := rosalba.do("send quin1 hello?", testnet.Event{Event: "sending"})
	tilda.tells(quin, "I find you")
	quin.tells(tilda, "I know")
	for _, stranger := range []*user{ulf, rosalba} {
		stranger.silent(testnet.Event{Event: "sent", ID: ulfs.ID})
		stranger.silent(testnet.Event{Event: "sent", ID: third.ID})
	}
	quin.do("accept rosalba1", testnet.Event{Event: "accepted", Account: rosalba.account})
	for _, text := range []string{"are you", "there?", "hello?"} {
		quin.sees(testnet.Event{Event: "message", From: rosalba.account, Text: text})
	}
	rosalba.sees(testnet.Event{Event: "delivered", ID: third.ID})
	quin.tells(rosalba, "yes")
	ulf.silent(testnet.Event{Event: "sent"})
	quin.silent(testnet.Event{Event: "message", From: ulf.account})
	var shown []string
	for _, e := range quin.Seen(testnet.Event{Event: "message", From: rosalba.account}) {
		shown = append(shown, e.Text)
	}
	if !slices.Equal(shown, []string{"are you", "there?", "hello?"}) {
		t.Errorf("shown are %q", shown)
	}
	// To write to somebody is to let them in.
	quin.do("send ulf1 hello ulf", testnet.Event{Event: "sending"})
	ulf.sees(testnet.Event{Event: "message", Text: "hello ulf"})
	quin.sees(testnet.Event{Event: "message", From: ulf.account, Text: "good day"})
	quin.refuses("accept nobody1", "no_account")
	quin.refuses("accept quin1", "usage")
	quin.refuses("contacts maybe", "usage")
}

func TestBlock(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	wanda, xaver, yann := enter(t, net, "wanda", "1"), enter(t, net, "xaver", "1"), enter(t, net, "ysolde", "1")
	wanda.tells(xaver, "hello")
	xaver.tells(wanda, "hello")
	wanda.do("create kilns", testnet.Event{Event: "created"})
	for _, u := range []*user{xaver, yann} {
		u.do("join kilns", testnet.Event{Event: "joined", Account: u.account})
		wanda.sees(testnet.Event{Event: "joined", Account: u.account})
	}
	blocked := wanda.do("block xaver1", testnet.Event{Event: "blocked", Account: xaver.account})
	if !slices.Equal(blocked.Shared, []string{"kilns"}) {
		t.Errorf("%v", blocked)
	}
	wanda.refuses("send xaver1 no", "blocked")
	wanda.refuses("accept xaver1", "blocked")
	refused := xaver.do("send wanda1 why?", testnet.Event{Event: "sending"})
	xaver.sees(testnet.Event{Event: "error", ID: refused.ID, Code: "refused"})
	xaver.do("send_group 1 kilns why?", testnet.Event{Event: "sent"})
	yann.sees(testnet.Event{Event: "message", Group: "kilns", From: xaver.account, Text: "why?"})
	wanda.do("send_group 1 kilns hello", testnet.Event{Event: "sent"})
	xaver.sees(testnet.Event{Event: "message", Group: "kilns", From: wanda.account, Text: "hello"})
	yann.do("send_group 1 kilns the last", testnet.Event{Event: "sent"})
	wanda.sees(testnet.Event{Event: "message", Group: "kilns", From: yann.account, Text: "the last"})
	wanda.silent(testnet.Event{Event: "message", Text: "why?"})
	wanda.do("unblock xaver1", testnet.Event{Event: "unblocked", Account: xaver.account})
	wanda.refuses("unblock xaver1", "usage")
	xaver.tells(wanda, "thank you")
}

// A block that is made while no server can be reached holds at once; the servers and
// the account's other device learn of it when they are back.
func TestBlockWithoutServers(t *testing.T) {
	t.Parallel()
	net := own(t, testnet.Config{Servers: 3})
	first, zora := enter(t, net, "first", "1"), enter(t, net, "zora", "1")
	second := open(t, net, first.account, t.TempDir())
	second.login()
	zora.tells(first, "hello")
	net.Front.Kill()
	first.sees(testnet.Event{Event: "link", Text: "The connection to the servers is lost; looking for another one. Messages between nodes go on."})
	first.do("block zora1", testnet.Event{Event: "blocked", Account: zora.account})
	first.do("contacts ask", testnet.Event{Event: "contacts", Policy: "ask", Blocked: []string{zora.account}, Pending: true})
	refused := zora.do("send first1 again", testnet.Event{Event: "sending"})
	if err := net.Front.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, device := range []*user{first, second} {
		harness.Await(t, "the same on both devices", func() bool {
			c := device.do("contacts", testnet.Event{Event: "contacts"})
			return c.Policy == "ask" && slices.Equal(c.Blocked, []string{zora.account}) && !c.Pending
		})
	}
	// The second one may have taken it before it knew.
	first.silent(testnet.Event{Event: "message", ID: refused.ID})
}
