package command

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]Command{
		"":                                       nil,
		"  \t ":                                  nil,
		"sign up alice 42 secret":                SignUp{"alice", "42", "secret", ""},
		"SIGN UP alice 42 secret":                SignUp{"alice", "42", "secret", ""},
		"  Sign \t uP  alice  42  two words  \r": SignUp{"alice", "42", "two words", ""},
		"signup alice 42 secret":                 SignUp{"alice", "42", "secret", ""},
		"sign_up alice 42":                       SignUp{"alice", "42", "", ""},
		"sign up alice 42 pw --invitation A-B":   SignUp{"alice", "42", "pw", "A-B"},
		"sign up alice 42 a  b --INVITATION=c ":  SignUp{"alice", "42", "a  b", "c"},
		"sign up alice 42 --invitation c a b":    SignUp{"alice", "42", "a b", "c"},
		"sign up alice 42 --invitation c":        SignUp{"alice", "42", "", "c"},
		"sign up alice 42 --invitation=c":        SignUp{"alice", "42", "", "c"},
		"sign up --invitation c alice 42 pw":     SignUp{"alice", "42", "pw", "c"},
		"sign up alice --invitation c 42 pw":     SignUp{"alice", "42", "pw", "c"},
		"sign up alice 42 a --invitation b c":    SignUp{"alice", "42", "a --invitation b c", ""},
		"sign up alice 42 my--invitation b":      SignUp{"alice", "42", "my--invitation b", ""},
		"LOGIN alice42 secret":                   Login{"alice42", "secret"},
		"login alice42":                          Login{"alice42", ""},
		"send bob7 hello":                        Send{"bob7", "hello"},
		"send bob7 a  b @c #d \t":                Send{"bob7", "a  b @c #d \t"},
		"send bob7   indented":                   Send{"bob7", "  indented"},
		"Send #g1 \"not\" a path\\":              Send{"#g1", "\"not\" a path\\"},
		"send bob7 grüße 👋\u00a0":                Send{"bob7", "grüße 👋\u00a0"},
		"send bob7 hi\r\n":                       Send{"bob7", "hi"},
		"send_file notes.txt bob7":               SendFile{"notes.txt", "bob7"},
		`send_file "my notes.txt" bob7`:          SendFile{"my notes.txt", "bob7"},
		`send_file 'it"s here.txt' bob7`:         SendFile{`it"s here.txt`, "bob7"},
		`send_file my\ notes.txt bob7`:           SendFile{"my notes.txt", "bob7"},
		`send_file C:\dir\x.txt bob7`:            SendFile{`C:\dir\x.txt`, "bob7"},
		`send_file a" b"c bob7 `:                 SendFile{"a bc", "bob7"},
		"send_group 2 g1 #g2 hello  all":         SendGroup{[]string{"g1", "#g2"}, "hello  all"},
		"send_group 1 3 3":                       SendGroup{[]string{"3"}, "3"},
		`send_group_file "a b" 2 g1 g2`:          SendGroupFile{"a b", []string{"g1", "g2"}},
		"create g1":                              Create{Group: "g1"},
		"create -g":                              Create{Group: "-g"}, // no name, which is for others to say
		"create --private g1":                    Create{Group: "g1", Private: true},
		"create g1 --PRIVATE":                    Create{Group: "g1", Private: true},
		"create --private --history 50 g1":       Create{"g1", true, 50},
		"create g1 --history=500 --private":      Create{"g1", true, 500},
		"create --history 1 #g1":                 Create{Group: "#g1", History: 1},
		"invite bob7 g1":                         Invite{"bob7", "g1"},
		"admin bob7 #g1":                         Admin{"bob7", "#g1"},
		"join #g1 ":                              Join{"#g1"},
		"list":                                   List{},
		"leave g1":                               Leave{"g1"},
		"members #g1":                            Members{"#g1"},
		"remove bob7 g1":                         Remove{"bob7", "g1"},
		"List ":                                  List{},
		"show_my_groups":                         MyGroups{},
		"whoami":                                 WhoAmI{},
		"verify bob7":                            Verify{Account: "bob7"},
		"Verify bob7 12345 67890 ":               Verify{"bob7", "12345 67890"},
		"trust bob7 ":                            Trust{"bob7"},
		"contacts":                               Contacts{},
		"Contacts ASK ":                          Contacts{"ask"},
		"contacts open":                          Contacts{"open"},
		"accept eve9":                            Accept{"eve9"},
		"Block eve9 ":                            Block{"eve9"},
		"unblock eve9":                           Unblock{"eve9"},
		"logout":                                 Logout{},
		"help":                                   Help{},
		"help send":                              Help{},
		"?":                                      Help{},
		"quit":                                   Quit{},
		"EXIT":                                   Quit{},
	} {
		got, err := Parse(line)
		if err != nil {
			t.Errorf("Parse(%q): %v", line, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Parse(%q): %s", line, diff)
		}
	}
}

// Each of these must be refused with words that hold the text on the right.
func TestParseRefuses(t *testing.T) {
	for line, words := range map[string]string{
		"sned bob7 hi":                      "Did you mean send?",
		"sendgroup 1 g hi":                  "Did you mean send_group?",
		"show_my_group":                     "Did you mean show_my_groups?",
		"sing up a 1 p":                     "Did you mean sign up?",
		"sign in":                           "Did you mean sign up?",
		"frobnicate":                        "Type: help",
		strings.Repeat("x", 100_000):        "Type: help",
		"sign up alice 42 pw --invitation":  "needs the code",
		"sign up alice 42 --invitation":     "needs the code",
		"sign up alice 42 --invitation=":    "needs the code",
		"sign up alice --invitation c":      "needs a username and a roll number",
		"sign up alice":                     "needs a username and a roll number",
		"login":                             "needs an account",
		"leave":                             "leave needs one group name",
		"members a b":                       "members needs one group name",
		"remove bob7":                       "one account and one group",
		"remove bob7 g1 g2":                 "one account and one group",
		"verify":                            "verify needs an account",
		"trust":                             "trust needs one account",
		"trust bob7 carol9":                 "trust needs one account",
		"contacts all":                      "contacts takes open, ask or nothing",
		"contacts ask now":                  "contacts takes open, ask or nothing",
		"accept":                            "accept needs one account",
		"block eve9 bob7":                   "block needs one account",
		"unblock":                           "unblock needs one account",
		"send":                              "needs a recipient",
		"send bob7":                         "has no message",
		"send bob7   ":                      "has no message",
		"send bob7 \xff":                    "not valid UTF-8",
		"send_file":                         "needs a file",
		"send_file a":                       "needs a recipient",
		"send_file a b c":                   "in quotes",
		`send_file "a b`:                    "not closed",
		"send_group":                        "needs the number of groups",
		"send_group g1 hi":                  "is not a number",
		"send_group 0 hi":                   "1 to 64",
		"send_group -1 hi":                  "1 to 64",
		"send_group 65 hi":                  "1 to 64",
		"send_group 99999999999999999999 a": "is not a number",
		"send_group 3 g1 g2":                "says 3 groups, but 2 follow",
		"send_group 2 g1 hello":             "has no message",
		"send_group_file f 1 g1 g2":         "more follow",
		"send_group_file f":                 "needs the number",
		"create":                            "needs one group name",
		"create --private":                  "needs one group name",
		"create a b":                        "needs one group name",
		"create --history a":                "from 1 to 500",
		"create --history 0 a":              "from 1 to 500",
		"create --history 501 a":            "from 1 to 500",
		"create a --history":                "from 1 to 500",
		"create --privat a":                 "knows no \"--privat\"",
		"create --private=no a":             "takes no value",
		"invite bob7":                       "one account and one group",
		"admin bob7 g1 g2":                  "one account and one group",
		"join a b":                          "needs one group name",
		"list all":                          "takes nothing",
		"quit now":                          "takes nothing",

		"sign up --invitation a b 1 pw --invitation c": "takes one invitation",
	} {
		c, err := Parse(line)
		var usage *UsageError
		if !errors.As(err, &usage) {
			t.Errorf("Parse(%.40q) = %#v, %v", line, c, err)
		} else if !strings.Contains(err.Error(), words) {
			t.Errorf("Parse(%.40q): %q does not say %q", line, err, words)
		} else if strings.Count(usage.Message, ". ") > 0 || !strings.HasSuffix(usage.Message, ".") || usage.Hint == "" {
			t.Errorf("Parse(%.40q): %+v is not one sentence and a hint", line, usage)
		}
	}
}

func TestWithoutSecret(t *testing.T) {
	for line, want := range map[string]string{
		"sign up alice 42 secret":  "sign up alice 42",
		"LOGIN alice42 pass words": "login alice42",
		"send bob7 login a b":      "send bob7 login a b",
		"sned bob7":                "sned bob7",
	} {
		if got := WithoutSecret(line); got != want {
			t.Errorf("WithoutSecret(%q) = %q, want %q", line, got, want)
		}
	}
}

// Every form's usage begins with its verb and is itself understood.
func TestForms(t *testing.T) {
	for _, f := range Forms() {
		if !strings.HasPrefix(f.Usage, f.Verb) || f.About == "" {
			t.Errorf("%q: usage %q, about %q", f.Verb, f.Usage, f.About)
		}
		if got, ok := form(f.Verb); !ok || got.Verb != f.Verb {
			t.Errorf("%q is not found", f.Verb)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"send bob7 a  b @c", `send_file "a b" bob7`, `send_file a\ b bob7`, "send_group 2 g1 g2 text",
		"sign up alice 42 pw", "sign up a 1 pass words --invitation=c", "sign up --invitation c a 1", "sned", "SIGN \xff", "send_group_file 'x' 1 #g",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := Parse(line)
		if err != nil {
			var usage *UsageError
			if !errors.As(err, &usage) || usage.Hint == "" {
				t.Fatalf("%q: %#v %v", line, c, err)
			}
			return
		}
		whole := strings.TrimRight(line, "\r\n")
		text := ""
		switch c := c.(type) {
		case Send:
			text = c.Text
		case SendGroup:
			text = c.Text
		case SignUp:
			kept, err := Parse(WithoutSecret(line))
			if err != nil || kept != (SignUp{Name: c.Name, Roll: c.Roll}) {
				t.Fatalf("%q keeps its password: %#v %v", line, kept, err)
			}
		}
		if !strings.HasSuffix(whole, text) || !utf8.ValidString(text) {
			t.Fatalf("%q: text %q is not the untouched rest", line, text)
		}
	})
}
