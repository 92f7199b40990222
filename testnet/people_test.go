package testnet_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tryst-chat/tryst/testnet"
)

func TestTwoCompareNumbers(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	vera, will, xena := enter(t, net, "vera", "1"), enter(t, net, "will", "1"), enter(t, net, "xena", "1")
	veras := vera.do("verify will1", testnet.Event{Event: "comparison", Account: will.account})
	wills := will.do("verify vera1", testnet.Event{Event: "comparison", Account: vera.account})
	if veras.Number == "" || veras.Number != wills.Number || veras.QR != wills.QR || veras.Verified {
		t.Errorf("vera has %v, will %v", veras, wills)
	}
	other := xena.do("verify will1", testnet.Event{Event: "comparison"})
	vera.refuses("verify will1 "+other.Number, "mismatch")
	vera.refuses("verify will1 12345", "usage")
	vera.refuses("verify vera1", "usage")
	vera.refuses("trust will1", "usage")
	vera.do("verify will1 "+wills.Number, testnet.Event{Event: "verified", Account: will.account})
	vera.do("verify will1", testnet.Event{Event: "comparison", Verified: true})
}

func TestMembersLeaveAndAreRemoved(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	yuri, zoe, adam := enter(t, net, "yuri", "1"), enter(t, net, "zoe", "1"), enter(t, net, "adam", "1")
	yuri.do("create rowing", testnet.Event{Event: "created", Group: "rowing"})
	zoe.do("join rowing", testnet.Event{Event: "joined", Group: "rowing", Account: zoe.account})
	adam.do("join rowing", testnet.Event{Event: "joined", Group: "rowing", Account: adam.account})
	yuri.sees(testnet.Event{Event: "joined", Account: adam.account})
	members := zoe.do("members rowing", testnet.Event{Event: "members", Group: "rowing"}).Members
	if len(members) != 3 || members[0] != (testnet.Member{Account: adam.account}) || members[1] != (testnet.Member{Account: yuri.account, Keeper: true}) {
		t.Errorf("members %v", members)
	}
	zoe.refuses("remove adam1 rowing", "refused")
	yuri.refuses("remove nobody1 rowing", "not_member")
	yuri.do("remove adam1 rowing", testnet.Event{Event: "removed", Group: "rowing", Account: adam.account, By: yuri.account})
	for _, u := range []*user{zoe, adam} {
		u.sees(testnet.Event{Event: "removed", Account: adam.account})
	}
	yuri.do("send_group 1 rowing without adam", testnet.Event{Event: "sent", Group: "rowing"})
	zoe.sees(testnet.Event{Event: "message", Group: "rowing", Text: "without adam"})
	adam.refuses("send_group 1 rowing let me in", "not_member")
	adam.refuses("join rowing", "refused")
	adam.refuses("members rowing", "not_member")
	zoe.do("leave rowing", testnet.Event{Event: "left", Group: "rowing", Account: zoe.account})
	zoe.refuses("leave rowing", "not_member")
	zoe.refuses("leave nowhere", "no_group")
	yuri.sees(testnet.Event{Event: "left", Account: zoe.account})
	yuri.do("send_group 1 rowing alone", testnet.Event{Event: "sent", Group: "rowing"})
	zoe.do("join rowing", testnet.Event{Event: "joined", Group: "rowing", Account: zoe.account})
	zoe.do("send_group 1 rowing I am back", testnet.Event{Event: "sent", Group: "rowing"})
	yuri.sees(testnet.Event{Event: "message", Group: "rowing", Text: "I am back"})
	yuri.do("send_group 1 rowing together again", testnet.Event{Event: "sent", Group: "rowing"})
	zoe.sees(testnet.Event{Event: "message", Group: "rowing", Text: "together again"})
	zoe.silent(testnet.Event{Event: "message", Text: "alone"})
	adam.silent(testnet.Event{Event: "message", Text: "without adam"})
}

// A home that is put back from a copy goes on: sessions begin anew, both sides are
// told, and what is said arrives in either direction.
func TestHomeRestoredFromACopy(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	ben, cleo := enter(t, net, "ben", "1"), enter(t, net, "cleo", "1")
	ben.tells(cleo, "hello")
	cleo.tells(ben, "hello, ben")
	ben.do("create chess", testnet.Event{Event: "created"})
	cleo.do("join chess", testnet.Event{Event: "joined", Account: cleo.account})
	ben.do("send_group 1 chess the first", testnet.Event{Event: "sent"})
	cleo.sees(testnet.Event{Event: "message", Group: "chess", Text: "the first"})
	ben.Kill()
	backup := filepath.Join(t.TempDir(), "backup")
	copyTree(t, ben.Home, backup)

	ben = ben.again()
	for range 3 { // what the copy does not know of
		ben.tells(cleo, "later")
		cleo.tells(ben, "later too")
	}
	ben.do("send_group 1 chess the second", testnet.Event{Event: "sent"})
	cleo.sees(testnet.Event{Event: "message", Group: "chess", Text: "the second"})
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
	cleo.do("send_group 1 chess still there?", testnet.Event{Event: "sent"})
	ben.sees(testnet.Event{Event: "message", Group: "chess", Text: "still there?"})
	ben.sees(testnet.Event{Event: "message", Group: "chess", From: ben.account, Text: "the second"}) // it has its own words back
	ben.do("send_group 1 chess the third", testnet.Event{Event: "sent"})
	cleo.sees(testnet.Event{Event: "message", Group: "chess", Text: "the third"})
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
