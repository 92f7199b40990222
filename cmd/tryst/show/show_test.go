package show

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tryst-chat/tryst/node"
)

var at = time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)

// events are one of each form, with what the plain and the JSON printer make
// of it; an empty plain line is one that is left out.
var events = []struct {
	event Event
	plain string
	json  string
}{
	{Event{Kind: SignedUp, Account: "alice42"}, "signed up as alice42", `"event":"signed_up","account":"alice42"`},
	{Event{Kind: LoggedIn, Account: "alice42"}, "logged in as alice42", `"event":"logged_in","account":"alice42"`},
	{Event{Kind: WhoAmI}, "nobody is logged in", `"event":"whoami"`},
	{FromNode(node.Event{Kind: node.EventMessage, At: at, ID: "ab", From: "bob7", To: "alice42", Text: "a  <b> @ & c"}),
		"bob7 : a  <b> @ & c", `"event":"message","id":"ab","from":"bob7","to":"alice42","text":"a  <b> @ & c"`},
	{FromNode(node.Event{Kind: node.EventMessage, At: at, ID: "ab", From: "alice42", To: "bob7", Text: "from my other device"}),
		"alice42 -> bob7 : from my other device", `"event":"message","id":"ab","from":"alice42","to":"bob7","text":"from my other device"`},
	{FromNode(node.Event{Kind: node.EventMessage, At: at, ID: "ab", From: "bob7", Group: "g1", Text: "two\nlines\x1b[2J\u202e\u009b"}),
		`[g1] bob7 : two\nlines\x1b[2J\u202e\u009b`, `"event":"message","id":"ab","from":"bob7","group":"g1","text":"two\nlines\u001b[2J\u202e\u009b"`},
	{FromNode(node.Event{Kind: node.EventMessage, At: at, ID: "ab", From: "bob7", Group: "g1", Text: "long ago", Earlier: true}),
		"[g1] (earlier) bob7 : long ago", `"event":"message","id":"ab","from":"bob7","group":"g1","text":"long ago","earlier":true`},
	{FromNode(node.Event{Kind: node.EventMessage, At: at, ID: "ab", From: "bob7", Group: "g1", Text: "they say", Earlier: true, Claimed: "carol9"}),
		"[g1] (earlier, according to bob7) carol9 : they say",
		`"event":"message","id":"ab","from":"bob7","group":"g1","text":"they say","earlier":true,"claimed":"carol9"`},
	{FromNode(node.Event{Kind: node.EventFile, At: at, ID: "cd", From: "bob7", To: "alice42", Name: "empty.txt", SHA256: "e3b0", Path: "/d/empty.txt"}),
		"bob7 sent empty.txt (0 B), saved as /d/empty.txt", `"event":"file","id":"cd","from":"bob7","to":"alice42","name":"empty.txt","size":0,"sha256":"e3b0","path":"/d/empty.txt"`},
	{FromNode(node.Event{Kind: node.EventSending, At: at, ID: "0123456789abcdef", To: "bob7"}), "sending 01234567 to bob7", `"event":"sending","id":"0123456789abcdef","to":"bob7"`},
	{FromNode(node.Event{Kind: node.EventSent, At: at, ID: "0123456789abcdef", Group: "g1"}), "sent 01234567 to #g1", `"event":"sent","id":"0123456789abcdef","group":"g1"`},
	{FromNode(node.Event{Kind: node.EventDelivered, At: at, ID: "ef", By: "bob7"}), "delivered ef to bob7", `"event":"delivered","id":"ef","by":"bob7"`},
	{FromNode(node.Event{Kind: node.EventProgress, At: at, ID: "ef", Name: "f", Total: 9}), "", `"event":"progress","id":"ef","name":"f","done":0,"total":9`},
	{FromNode(node.Event{Kind: node.EventWork, At: at, Account: "alice42", Text: "Some work; about a second.", Total: 16}),
		"notice: Some work; about a second.", `"event":"work","account":"alice42","text":"Some work; about a second.","done":0,"total":16`},
	{FromNode(node.Event{Kind: node.EventWork, At: at, Account: "alice42", Done: 4, Total: 16}), "", `"event":"work","account":"alice42","done":4,"total":16`},
	{FromNode(node.Event{Kind: node.EventLink, At: at, Text: "connected"}), "offline: connected", `"event":"link","text":"connected","online":false`},
	{Event{Kind: Groups, Groups: []Group{{Number: 1, Name: "g1", Members: 3, Mine: true}, {Number: 2, Name: "g2", Members: 1}}}, "g1 : 3\ng2 : 1",
		`"event":"groups","groups":[{"number":1,"name":"g1","members":3,"mine":true},{"number":2,"name":"g2","members":1,"mine":false}]`},
	{Event{Kind: Groups, Groups: []Group{{1, "g1", 3, false, true, true}}}, "g1 : 3 (invited)",
		`"event":"groups","groups":[{"number":1,"name":"g1","members":3,"mine":false,"invited":true,"private":true}]`},
	{Event{Kind: Members, Group: "g1", Members: []Member{{Account: "alice42", Admin: true}, {Account: "bob7"}, {Account: "carol9", Invited: true, By: "alice42"}}},
		"alice42 (admin)\nbob7\ncarol9 (invited by alice42)",
		`"event":"members","group":"g1","members":[{"account":"alice42","admin":true},{"account":"bob7"},{"account":"carol9","invited":true,"by":"alice42"}]`},
	{FromNode(node.Event{Kind: node.EventInvited, At: at, Group: "g1", Account: "alice42", By: "bob7"}), "bob7 invites you to #g1: join g1",
		`"event":"invited","group":"g1","account":"alice42","by":"bob7"`},
	{FromNode(node.Event{Kind: node.EventInvited, At: at, Group: "g1", Account: "carol9", By: "bob7"}), "bob7 invited carol9 to g1",
		`"event":"invited","group":"g1","account":"carol9","by":"bob7"`},
	{FromNode(node.Event{Kind: node.EventAdmin, At: at, Group: "g1", Account: "carol9", By: "bob7"}), "bob7 made carol9 an admin of g1",
		`"event":"admin","group":"g1","account":"carol9","by":"bob7"`},
	{FromNode(node.Event{Kind: node.EventAdmin, At: at, Group: "g1", Account: "carol9"}), "carol9 is an admin of g1 now",
		`"event":"admin","group":"g1","account":"carol9"`},
	{Event{Kind: Groups, Groups: []Group{}}, "no groups", `"event":"groups","groups":[]`},
	{Event{Kind: Created, Group: "g1"}, "created g1", `"event":"created","group":"g1"`},
	{Event{Kind: Joined, Account: "bob7", Group: "g1", Waiting: true}, "bob7 joined g1, waiting for a member", `"event":"joined","account":"bob7","group":"g1","waiting":true`},
	{Event{Kind: Contacts, Policy: "open", Accepted: []string{}, Requests: []Request{}, Blocked: []string{}}, "policy : open",
		`"event":"contacts","policy":"open","accepted":[],"requests":[],"blocked":[]`},
	{Event{Kind: Contacts, Policy: "ask", Accepted: []string{"bob7", "carol1"}, Requests: []Request{{"eve9", 1}, {"zoe1", 2}}, Blocked: []string{"mallory1"}, Pending: true},
		"policy : ask\nrequest : eve9 (1 message)\nrequest : zoe1 (2 messages)\naccepted : bob7\naccepted : carol1\nblocked : mallory1\nthe servers have not heard of the last change yet",
		`"event":"contacts","policy":"ask","accepted":["bob7","carol1"],"requests":[{"account":"eve9","count":1},{"account":"zoe1","count":2}],"blocked":["mallory1"],"pending":true`},
	{FromNode(node.Event{Kind: node.EventRequest, At: at, Account: "eve9", Count: 2}),
		"eve9 wants to write to you (2 messages): accept eve9, or block eve9", `"event":"request","account":"eve9","count":2`},
	{Event{Kind: Accepted, Account: "eve9"}, "accepted eve9", `"event":"accepted","account":"eve9"`},
	{Event{Kind: Blocked, Account: "eve9"}, "blocked eve9", `"event":"blocked","account":"eve9"`},
	{Event{Kind: Blocked, Account: "eve9", Shared: []string{"g1", "g2"}}, "blocked eve9, who still reads what you say in g1, g2 and sees when you are online",
		`"event":"blocked","account":"eve9","shared":["g1","g2"]`},
	{Event{Kind: Unblocked, Account: "eve9"}, "unblocked eve9", `"event":"unblocked","account":"eve9"`},
	{Error(&node.Error{Code: node.CodeNoAccount, Message: "There is no bob8.", Hint: "Look at the name."}, "ab"),
		"error: There is no bob8. Look at the name.", `"event":"error","id":"ab","code":"no_account","message":"There is no bob8.","hint":"Look at the name."`},
	{Event{Kind: Bye}, "bye", `"event":"bye"`},
}

func TestPlainAndJSON(t *testing.T) {
	for _, test := range events {
		test.event.At = at
		var plain, encoded bytes.Buffer
		p := Plain(&plain)
		p.Print(Event{Kind: LoggedIn, Account: "alice42"})
		plain.Reset()
		p.Print(test.event)
		if want := test.plain; want != strings.TrimSuffix(plain.String(), "\n") {
			t.Errorf("plain: %q, want %q", &plain, want)
		}
		JSON(&encoded).Print(test.event)
		if strings.Count(encoded.String(), "\n") != 1 {
			t.Errorf("JSON: %q is not one line", &encoded)
		}
		var got, want map[string]any
		if err := json.Unmarshal(encoded.Bytes(), &got); err != nil {
			t.Errorf("JSON: %v: %s", err, &encoded)
		}
		if err := json.Unmarshal([]byte(`{"at":"2026-02-03T04:05:06.000000789Z",`+test.json+`}`), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("JSON of %s: %s", test.event.Kind, diff)
		}
		for _, printed := range []string{plain.String(), encoded.String()} {
			if strings.ContainsFunc(strings.ReplaceAll(printed, "\n", ""), harmful) {
				t.Errorf("%q can harm a terminal", printed)
			}
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"hello", "a\x1b]0;title\a", "\xff\n\t", "\u202eevil", "👋"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		clean := Clean(s)
		if strings.ContainsFunc(clean, harmful) || !utf8.ValidString(clean) {
			t.Errorf("Clean(%q) = %q", s, clean)
		}
		if Clean(clean) != clean {
			t.Errorf("Clean(%q) is not stable", s)
		}
	})
}
