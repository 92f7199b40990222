package testnet_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/testnet"
)

func TestBeforeLogin(t *testing.T) {
	t.Parallel()
	u := open(t, suite.testnet(t), "nobody", t.TempDir())
	for _, line := range []string{
		"send bob7 hello", "send_file /etc/hostname bob7", "send_group 1 g hello", "send_group_file /etc/hostname 1 g",
		"create g", "join g", "list", "show_my_groups", "logout",
	} {
		u.refuses(line, "not_logged_in")
	}
	if e := u.do("whoami", testnet.Event{Event: "whoami"}); e.Account != "" {
		t.Errorf("%v", e)
	}
	u.do("help", testnet.Event{Event: "help"})
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	u, other := enter(t, net, "olga", "1"), enter(t, net, "paul", "1")
	u.do("create olgas", testnet.Event{Event: "created", Group: "olgas"})
	other.do("create pauls", testnet.Event{Event: "created", Group: "pauls"})
	folder := t.TempDir()
	for _, test := range []struct{ line, code string }{
		{"frobnicate", "usage"},
		{"send", "usage"},
		{"send paul1", "usage"},
		{"send paul1 \xff\xfe", "usage"},
		{"sign up olga", "usage"},
		{"sign up 0lga 1 pw", "bad_name"},
		{"sign up olga 1! pw", "bad_name"},
		{"sign up " + strings.Repeat("o", 33) + " 1 pw", "bad_name"},
		{"sign up olga 1 pw", "name_taken"},
		{"send nosuchperson1 hello", "no_account"},
		{"send_file " + filepath.Join(folder, "none") + " paul1", "no_file"},
		{"send_file " + folder + " paul1", "no_file"},
		{"send paul1 " + strings.Repeat("x", 64<<10+1), "too_long"},
		{"send paul1 " + strings.Repeat("x", 200<<10), "too_long"},
		{"join nosuchgroup", "no_group"},
		{"join 99", "no_group"},
		{"join olgas", "already_member"},
		{"create OLGAS", "group_taken"},
		{"create -g", "bad_name"},
		{"send_group 1 nosuchgroup hello", "no_group"},
		{"send_group 1 pauls hello", "not_member"},
		{"send #pauls hello", "not_member"},
		{"send_group 2 olgas", "usage"},
		{"login paul1 x", "logged_in"},
	} {
		u.refuses(test.line, test.code)
	}
	for _, path := range unreadable(t) {
		u.refuses("send_file "+path+" paul1", "no_file")
	}
	other.silent(testnet.Event{Event: "message"})
	u.tells(other, "still there") // nothing of all that did harm
}

// unreadable returns files that cannot be read, as far as there are any for this
// user on this system.
func unreadable(t *testing.T) (paths []string) {
	t.Helper()
	if os.Getuid() != 0 { // who may read everything
		secret := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(secret, []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, secret)
	}
	if runtime.GOOS == "linux" { // an ordinary file that opens, and whose first byte nobody can read
		paths = append(paths, "/proc/self/mem")
	}
	return paths
}

// A text may be 64 KiB of anything, blanks included.
func TestLongestText(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	quinn, rosa := enter(t, net, "quinn", "1"), enter(t, net, "rosa", "1")
	text := strings.Repeat("ü @ ", 64<<10/5+1)
	text = text[:64<<10-1] + "."
	quinn.tells(rosa, strings.ToValidUTF8(text, "?"))
}

// A group's messages reach its members and nobody else.
func TestOutsiderHearsNothing(t *testing.T) {
	t.Parallel()
	net := suite.testnet(t)
	sven, tina, uwe := enter(t, net, "sven", "1"), enter(t, net, "tina", "1"), enter(t, net, "uwe", "1")
	outsider := enter(t, net, "vera", "1")
	sven.do("create cellar", testnet.Event{Event: "created", Group: "cellar"})
	for _, member := range []*user{tina, uwe} {
		member.do("join cellar", testnet.Event{Event: "joined", Group: "cellar", Account: member.account})
		sven.sees(testnet.Event{Event: "joined", Group: "cellar", Account: member.account})
	}
	outsider.tells(sven, "I know you all")
	outsider.tells(tina, "I know you all")
	for _, speaker := range []*user{sven, tina, uwe} {
		speaker.do("send_group 1 cellar from "+speaker.account, testnet.Event{Event: "sent", Group: "cellar"})
	}
	outsider.refuses("send_group 1 cellar let me in", "not_member")
	for _, speaker := range []*user{sven, tina, uwe} {
		for _, member := range []*user{sven, tina, uwe} {
			if member != speaker {
				member.sees(testnet.Event{Event: "message", Group: "cellar", From: speaker.account, Text: "from " + speaker.account})
			}
		}
	}
	sven.tells(outsider, "not for you") // what was sent before this has arrived everywhere
	outsider.silent(testnet.Event{Group: "cellar", Event: "message"})
	outsider.silent(testnet.Event{Group: "cellar", Event: "joined"})
	sven.silent(testnet.Event{Event: "message", Group: "cellar", From: "vera1"})
}
