package testnet_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tryst-chat/tryst/testnet"
)

func TestTwoCompareNumbers(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	abel, bella, carlo := enter(t, net, "abel", "1"), enter(t, net, "bella", "1"), enter(t, net, "carlo", "1")
	abels := abel.do("verify bella1", testnet.Event{Event: "comparison", Account: bella.account})
	bellas := bella.do("verify abel1", testnet.Event{Event: "comparison", Account: abel.account})
	if abels.Number == "" || abels.Number != bellas.Number || abels.QR != bellas.QR || abels.Verified {
		t.Errorf("abel has %v, bella %v", abels, bellas)
	}
	other := carlo.do("verify bella1", testnet.Event{Event: "comparison"})
	abel.refuses("verify bella1 "+other.Number, "mismatch")
	abel.refuses("verify bella1 12345", "usage")
	abel.refuses("verify abel1", "usage")
	abel.refuses("trust bella1", "usage")
	abel.do("verify bella1 "+bellas.Number, testnet.Event{Event: "verified", Account: bella.account})
	abel.do("verify bella1", testnet.Event{Event: "comparison", Verified: true})
}

func TestMembersLeaveAndAreRemoved(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	dario, edda, adam := enter(t, net, "dario", "1"), enter(t, net, "edda", "1"), enter(t, net, "adam", "1")
	dario.do("create rowing", testnet.Event{Event: "created", Group: "rowing"})
	edda.do("join rowing", testnet.Event{Event: "joined", Group: "rowing", Account: edda.account})
	adam.do("join rowing", testnet.Event{Event: "joined", Group: "rowing", Account: adam.account})
	dario.sees(testnet.Event{Event: "joined", Account: adam.account})
	members := edda.do("members rowing", testnet.Event{Event: "members", Group: "rowing"}).Members
	if len(members) != 3 || members[0] != (testnet.Member{Account: adam.account}) || members[1] != (testnet.Member{Account: dario.account, Admin: true}) {
		t.Errorf("members %v", members)
	}
	edda.refuses("remove adam1 rowing", "refused")
	dario.refuses("remove nobody1 rowing", "not_member")
	dario.do("remove adam1 rowing", testnet.Event{Event: "removed", Group: "rowing", Account: adam.account, By: dario.account})
	for _, u := range []*user{edda, adam} {
		u.sees(testnet.Event{Event: "removed", Account: adam.account})
	}
	dario.do("send_group 1 rowing without adam", testnet.Event{Event: "sent", Group: "rowing"})
	edda.sees(testnet.Event{Event: "message", Group: "rowing", Text: "without adam"})
	adam.refuses("send_group 1 rowing let me in", "not_member")
	adam.refuses("join rowing", "refused")
	adam.refuses("members rowing", "not_member")
	edda.do("leave rowing", testnet.Event{Event: "left", Group: "rowing", Account: edda.account})
	edda.refuses("leave rowing", "not_member")
	edda.refuses("leave nowhere", "no_group")
	dario.sees(testnet.Event{Event: "left", Account: edda.account})
	dario.do("send_group 1 rowing alone", testnet.Event{Event: "sent", Group: "rowing"})
	edda.do("join rowing", testnet.Event{Event: "joined", Group: "rowing", Account: edda.account})
	edda.do("send_group 1 rowing I am back", testnet.Event{Event: "sent", Group: "rowing"})
	dario.sees(testnet.Event{Event: "message", Group: "rowing", Text: "I am back"})
	dario.do("send_group 1 rowing together again", testnet.Event{Event: "sent", Group: "rowing"})
	edda.sees(testnet.Event{Event: "message", Group: "rowing", Text: "together again"})
	edda.silent(testnet.Event{Event: "message", Text: "alone"})
	adam.silent(testnet.Event{Event: "message", Text: "without adam"})
}

// A private group is invisible to a stranger; who is invited sees it marked, joins, and
// may invite in turn once they are an admin.
func TestPrivateGroup(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	flora, gregor, hanna := enter(t, net, "flora", "1"), enter(t, net, "gregor", "1"), enter(t, net, "hanna", "1")
	flora.do("create --private pottery", testnet.Event{Event: "created", Group: "pottery"})
	for _, u := range []*user{gregor, hanna} {
		if g, listed := u.lists("pottery"); listed {
			t.Errorf("%v is listed for %s", g, u.account)
		}
		u.refuses("join pottery", "no_group")
		u.refuses("create pottery", "group_taken")
	}
	flora.refuses("invite nobody1 pottery", "no_account")
	flora.do("invite gregor1 pottery", testnet.Event{Event: "invited", Group: "pottery", Account: gregor.account, By: flora.account})
	gregor.sees(testnet.Event{Event: "invited", Group: "pottery", Account: gregor.account, By: flora.account})
	if g, listed := gregor.lists("pottery"); !listed || !g.Invited || !g.Private || g.Mine {
		t.Errorf("listed as %v", g)
	}
	if g, listed := hanna.lists("pottery"); listed {
		t.Errorf("%v is listed", g)
	}
	gregor.do("join pottery", testnet.Event{Event: "joined", Group: "pottery", Account: gregor.account})
	gregor.refuses("invite hanna1 pottery", "refused")
	flora.do("admin gregor1 pottery", testnet.Event{Event: "admin", Group: "pottery", Account: gregor.account, By: flora.account})
	gregor.sees(testnet.Event{Event: "admin", Account: gregor.account})
	gregor.do("invite hanna1 pottery", testnet.Event{Event: "invited", Account: hanna.account})
	members := gregor.do("members pottery", testnet.Event{Event: "members"}).Members
	if want := []testnet.Member{{Account: flora.account, Admin: true}, {Account: gregor.account, Admin: true}, {Account: hanna.account, Invited: true, By: gregor.account}}; !slices.Equal(members, want) {
		t.Errorf("members %v", members)
	}
	hanna.sees(testnet.Event{Event: "invited", By: gregor.account})
	hanna.do("join pottery", testnet.Event{Event: "joined", Account: hanna.account})
	flora.do("send_group 1 pottery the kiln is hot", testnet.Event{Event: "sent"})
	for _, u := range []*user{gregor, hanna} {
		u.sees(testnet.Event{Event: "message", Group: "pottery", Text: "the kiln is hot"})
	}
	gregor.do("remove hanna1 pottery", testnet.Event{Event: "removed", Account: hanna.account, By: gregor.account})
	hanna.sees(testnet.Event{Event: "removed", Account: hanna.account})
	hanna.refuses("join pottery", "refused")
}

// Who joins a group with a history late sees its last messages, in order and marked;
// without one, nothing.
func TestHistoryForLateJoiners(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	ivo, jutta, klara := enter(t, net, "ivo", "1"), enter(t, net, "jutta", "1"), enter(t, net, "klara", "1")
	ivo.do("create --private --history 4 fencing", testnet.Event{Event: "created"})
	ivo.do("create fencing-2", testnet.Event{Event: "created"})
	ivo.do("invite jutta1 fencing", testnet.Event{Event: "invited"})
	jutta.sees(testnet.Event{Event: "invited", Group: "fencing"})
	jutta.do("join fencing", testnet.Event{Event: "joined", Account: jutta.account})
	jutta.do("join fencing-2", testnet.Event{Event: "joined", Account: jutta.account})
	var said []string
	for i := range 6 {
		from, to := ivo, jutta
		if i%2 == 1 {
			from, to = jutta, ivo
		}
		said = append(said, fmt.Sprintf("round %d", i))
		for _, group := range []string{"fencing", "fencing-2"} {
			from.do("send_group 1 "+group+" "+said[i], testnet.Event{Event: "sent", Group: group})
			to.sees(testnet.Event{Event: "message", Group: group, Text: said[i]})
		}
	}
	ivo.do("invite klara1 fencing", testnet.Event{Event: "invited", Account: klara.account})
	klara.sees(testnet.Event{Event: "invited", Group: "fencing"})
	klara.do("join fencing", testnet.Event{Event: "joined", Account: klara.account})
	klara.do("join fencing-2", testnet.Event{Event: "joined", Account: klara.account})
	klara.sees(testnet.Event{Event: "message", Group: "fencing", Text: said[5], Earlier: true})
	ivo.do("send_group 2 fencing fencing-2 welcome", testnet.Event{Event: "sent", Group: "fencing"})
	for _, group := range []string{"fencing", "fencing-2"} {
		klara.sees(testnet.Event{Event: "message", Group: group, Text: "welcome"})
	}
	var got []string
	for _, e := range klara.Seen(testnet.Event{Event: "message"}) {
		if e.Text == "welcome" {
			continue
		}
		if want := []string{ivo.account, jutta.account}[len(got)%2]; e.From != want || e.Group != "fencing" || !e.Earlier || e.Claimed != "" {
			t.Errorf("klara sees %v", e)
		}
		got = append(got, e.Text)
	}
	if !slices.Equal(got, said[2:]) {
		t.Errorf("klara sees %q, want %q", got, said[2:])
	}
}

// lists returns how a group stands in the list.
func (u *user) lists(name string) (testnet.Group, bool) {
	u.t.Helper()
	groups := u.do("list", testnet.Event{Event: "groups"}).Groups
	i := slices.IndexFunc(groups, func(g testnet.Group) bool { return g.Name == name })
	if i < 0 {
		return testnet.Group{}, false
	}
	return groups[i], true
}

// A home that is put back from a copy goes on: sessions begin anew, both sides are
// told, and what is said arrives in either direction.
func TestHomeRestoredFromACopy(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	ben, cleo := enter(t, net, "ben", "1"), enter(t, net, "cleo", "1")
	ben.tells(cleo, "hello")
	cleo.tells(ben, "hello, ben")
	ben.do("create billiards", testnet.Event{Event: "created"})
	cleo.do("join billiards", testnet.Event{Event: "joined", Account: cleo.account})
	ben.do("send_group 1 billiards the first", testnet.Event{Event: "sent"})
	cleo.sees(testnet.Event{Event: "message", Group: "billiards", Text: "the first"})
	ben.Kill()
	backup := filepath.Join(t.TempDir(), "backup")
	copyTree(t, ben.Home, backup)

	ben = ben.again()
	for range 3 { // what the copy does not know of
		ben.tells(cleo, "later")
		cleo.tells(ben, "later too")
	}
	ben.do("send_group 1 billiards the second", testnet.Event{Event: "sent"})
	cleo.sees(testnet.Event{Event: "message", Group: "billiards", Text: "the second"})
	ben.Kill()
	if err := os.RemoveAll(ben.Home); err != nil {
		t.Fatal(err)
	}
	copyTree(t, backup, ben.Home)

	ben = ben.again()
	ben.tells(cleo, "from the copy")
	cleo.tells(ben, "to the copy")
	for _, u := range []*user{ben, cleo} {
		u.sees(testnet.Event{Event: "notice"})
	}
	cleo.do("send_group 1 billiards still there?", testnet.Event{Event: "sent"})
	ben.sees(testnet.Event{Event: "message", Group: "billiards", Text: "still there?"})
	ben.sees(testnet.Event{Event: "message", Group: "billiards", From: ben.account, Text: "the second"}) // it has its own words back
	ben.do("send_group 1 billiards the third", testnet.Event{Event: "sent"})
	cleo.sees(testnet.Event{Event: "message", Group: "billiards", Text: "the third"})
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
