package check

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// story builds a history by hand. Devices are alice.1, bob.1, bob.2 and carol.1, each
// of the account before the dot; all but carol are in the group #g.
type story struct {
	History
	at time.Time
}

func newStory() *story {
	s := &story{at: time.Unix(0, 0).UTC()}
	s.Accounts = map[string]string{"alice.1": "alice", "bob.1": "bob", "bob.2": "bob", "carol.1": "carol", "dave.1": "dave"}
	devices := []string{"alice.1", "bob.1", "bob.2", "carol.1", "dave.1"}
	for _, d := range devices {
		s.add(Step{Device: d, Kind: Began})
		s.add(Step{Device: d, Kind: LoggedIn})
	}
	for _, d := range []string{"alice.1", "bob.1", "dave.1"} {
		s.add(Step{Device: d, Kind: Joining, Conversation: "#g"})
		s.add(Step{Device: d, Kind: Joined, Conversation: "#g"})
	}
	for _, d := range []string{"alice.1", "bob.1", "bob.2", "dave.1"} {
		for _, account := range []string{"alice", "bob", "dave"} {
			s.add(Step{Device: d, Kind: Knows, Conversation: "#g", Account: account})
		}
	}
	return s
}

func (s *story) add(step Step) {
	s.at = s.at.Add(time.Second)
	step.At = s.at
	s.Steps = append(s.Steps, step)
}

func id(t Text) string { return fmt.Sprintf("%s>%s#%d", t.Author, t.To, t.Number) }

func (s *story) types(t Text) {
	s.add(Step{Device: t.Author, Kind: Typed, Conversation: t.To, Text: t.Line(0)})
}

// sends is typing and being taken.
func (s *story) sends(t Text) {
	s.types(t)
	s.add(Step{Device: t.Author, Kind: Sending, Conversation: t.To, ID: id(t)})
}

func (s *story) shows(t Text, at ...string) {
	for _, device := range at {
		s.add(Step{Device: device, Kind: Shown, Conversation: t.To, ID: id(t), Account: s.Accounts[t.Author], Text: t.Line(0)})
	}
}

func (s *story) told(t Text, kind Kind) { s.add(Step{Device: t.Author, Kind: kind, ID: id(t)}) }

// goes is everything that a message goes through when all is well.
func (s *story) goes(t Text, at ...string) {
	s.sends(t)
	s.told(t, Sent)
	s.shows(t, at...)
	s.told(t, Delivered)
}

func (s *story) keeps(device, conversation string, lines ...Line) {
	s.Shelves = append(s.Shelves, Shelf{device, conversation, lines})
}

func (s *story) line(t Text, state string) Line {
	return Line{ID: id(t), From: s.Accounts[t.Author], Text: t.Line(0), State: state}
}

// The messages of the stories.
var (
	direct  = Text{Author: "alice.1", To: "bob", Number: 1}
	second  = Text{Author: "alice.1", To: "bob", Number: 2}
	toGroup = Text{Author: "alice.1", To: "#g", Number: 1}
	answer  = Text{Author: "bob.1", To: "#g", Number: 1, After: map[string]int{"alice.1": 1}}
)

func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		tell func(*story)
		want []Breach
	}{
		"nothing was said": {func(*story) {}, nil},
		"all is well": {func(s *story) {
			s.goes(direct, "bob.1", "bob.2")
			s.goes(toGroup, "bob.1", "bob.2", "dave.1")
			s.goes(answer, "alice.1", "bob.2", "dave.1")
		}, nil},
		"one of two devices lacks it": {func(s *story) { s.goes(direct, "bob.1") }, []Breach{Lost}},
		"stored and never displayed": {func(s *story) {
			s.sends(direct)
			s.told(direct, Stored)
		}, []Breach{Lost, Lost, Stuck}},
		"taken and never sent": {func(s *story) { s.sends(direct) }, []Breach{Stuck, Stuck, Stuck}},
		"displayed, and nobody says so": {func(s *story) {
			s.sends(direct)
			s.shows(direct, "bob.1", "bob.2")
		}, []Breach{Stuck}},
		"given up": {func(s *story) {
			s.goes(direct, "bob.1", "bob.2")
			s.told(direct, Failed)
			s.Steps[len(s.Steps)-1].Text = "too old"
		}, []Breach{Stuck}},
		"a member lacks it": {func(s *story) { s.goes(toGroup, "bob.1", "bob.2") }, []Breach{Lost}},
		"twice in a run": {func(s *story) {
			s.goes(direct, "bob.1", "bob.2")
			s.shows(direct, "bob.2")
		}, []Breach{Doubled}},
		"again after a restart": {func(s *story) {
			s.goes(direct, "bob.1", "bob.2")
			s.add(Step{Device: "bob.2", Kind: Killed})
			s.add(Step{Device: "bob.2", Kind: Began})
			s.shows(direct, "bob.2")
		}, nil},
		"twice on the shelf": {func(s *story) {
			s.goes(direct, "bob.1", "bob.2")
			s.keeps("bob.1", "alice", s.line(direct, ""), s.line(direct, ""))
		}, []Breach{Doubled}},
		"out of order": {func(s *story) {
			s.sends(direct)
			s.goes(second, "bob.1", "bob.2")
			s.shows(direct, "bob.1", "bob.2")
			s.told(direct, Delivered)
		}, []Breach{Disordered, Disordered}},
		"out of order on the shelf": {func(s *story) {
			s.goes(direct, "bob.1", "bob.2")
			s.goes(second, "bob.1", "bob.2")
			s.keeps("bob.2", "alice", s.line(second, ""), s.line(direct, ""))
		}, []Breach{Disordered}},
		"the answer first": {func(s *story) {
			s.sends(toGroup)
			s.shows(toGroup, "bob.1", "bob.2")
			s.goes(answer, "alice.1", "bob.2", "dave.1")
			s.shows(toGroup, "dave.1")
			s.told(toGroup, Delivered)
		}, []Breach{Acausal}},
		"at a stranger": {func(s *story) {
			s.goes(direct, "bob.1", "bob.2")
			s.shows(direct, "carol.1")
		}, []Breach{Strayed}},
		"a group's at a stranger": {func(s *story) { s.goes(toGroup, "bob.1", "bob.2", "dave.1", "carol.1") }, []Breach{Strayed}},
		"at a member who came later": {func(s *story) {
			s.goes(toGroup, "bob.1", "bob.2", "dave.1")
			s.add(Step{Device: "carol.1", Kind: Joining, Conversation: "#g"})
			s.add(Step{Device: "carol.1", Kind: Joined, Conversation: "#g"})
			s.shows(toGroup, "carol.1")
		}, []Breach{Strayed}},
		"at one who was leaving": {func(s *story) {
			s.add(Step{Device: "dave.1", Kind: Leaving, Conversation: "#g", Account: "dave"})
			s.goes(toGroup, "bob.1", "bob.2", "dave.1")
		}, nil},
		"not at one who left meanwhile": {func(s *story) {
			s.goes(toGroup, "bob.1", "bob.2")
			s.add(Step{Device: "dave.1", Kind: Leaving, Conversation: "#g", Account: "dave"})
		}, nil},
		"its author has left": {func(s *story) {
			s.sends(toGroup)
			s.shows(toGroup, "bob.1", "bob.2")
			s.add(Step{Device: "alice.1", Kind: Leaving, Conversation: "#g", Account: "alice"})
		}, []Breach{Lost}},
		"at one whom its author knew to have left": {func(s *story) {
			s.add(Step{Device: "dave.1", Kind: Leaving, Conversation: "#g", Account: "dave"})
			s.add(Step{Device: "alice.1", Kind: Gone, Conversation: "#g", Account: "dave"})
			s.goes(toGroup, "bob.1", "bob.2", "dave.1")
		}, []Breach{Strayed}},
		"at one who comes back, which its author has not said yet": {func(s *story) {
			s.add(Step{Device: "dave.1", Kind: Leaving, Conversation: "#g", Account: "dave"})
			s.add(Step{Device: "alice.1", Kind: Gone, Conversation: "#g", Account: "dave"})
			s.add(Step{Device: "dave.1", Kind: Joining, Conversation: "#g"})
			s.goes(toGroup, "bob.1", "bob.2", "dave.1")
		}, nil},
		"not at one whom its author does not know": {func(s *story) {
			s.add(Step{Device: "carol.1", Kind: Joining, Conversation: "#g"})
			s.add(Step{Device: "carol.1", Kind: Joined, Conversation: "#g"})
			s.goes(toGroup, "bob.1", "bob.2", "dave.1")
		}, nil},
		"not at one whom its author knows": {func(s *story) {
			s.add(Step{Device: "carol.1", Kind: Joining, Conversation: "#g"})
			s.add(Step{Device: "carol.1", Kind: Joined, Conversation: "#g"})
			s.add(Step{Device: "alice.1", Kind: Knows, Conversation: "#g", Account: "carol"})
			s.goes(toGroup, "bob.1", "bob.2", "dave.1")
		}, []Breach{Lost}},
		"another text": {func(s *story) {
			s.goes(direct, "bob.1", "bob.2")
			s.add(Step{Device: "bob.1", Kind: Shown, Conversation: "bob", ID: "x", Account: "alice", Text: "hello"})
		}, []Breach{Forged}},
		"from somebody else": {func(s *story) {
			s.goes(direct, "bob.1")
			s.add(Step{Device: "bob.2", Kind: Shown, Conversation: "bob", ID: id(direct), Account: "dave", Text: direct.Line(0)})
		}, []Breach{Forged}},
		"refused and displayed": {func(s *story) {
			s.types(direct)
			s.add(Step{Device: "alice.1", Kind: Refused})
			s.shows(direct, "bob.1", "bob.2")
		}, []Breach{Forged, Forged}},
		"refused": {func(s *story) {
			s.types(direct)
			s.add(Step{Device: "alice.1", Kind: Refused})
			s.goes(second, "bob.1", "bob.2")
		}, nil},
		"an outcome of nothing": {func(s *story) { s.told(direct, Sent) }, []Breach{Unknown}},
		"an answer to nothing": {func(s *story) {
			s.add(Step{Device: "alice.1", Kind: Sending, Conversation: "bob", ID: "x"})
		}, []Breach{Unknown}},
		"one ID for two": {func(s *story) {
			s.goes(direct, "bob.1", "bob.2")
			s.types(second)
			s.add(Step{Device: "alice.1", Kind: Sending, Conversation: "bob", ID: id(direct)})
		}, []Breach{Unknown, Stuck, Stuck, Stuck}},

		// What a killed process has not said.
		"killed before it was taken": {func(s *story) {
			s.types(direct)
			s.add(Step{Device: "alice.1", Kind: Killed})
		}, nil},
		"killed when it was taken, and only some have it": {func(s *story) {
			s.types(direct)
			s.add(Step{Device: "alice.1", Kind: Killed})
			s.shows(direct, "bob.1")
		}, []Breach{Lost}},
		"killed when it was taken, which shows by its outcome": {func(s *story) {
			s.types(direct)
			s.add(Step{Device: "alice.1", Kind: Killed})
			s.told(direct, Sent)
		}, []Breach{Lost, Lost}},
		"killed before it said that it was delivered": {func(s *story) {
			s.sends(direct)
			s.shows(direct, "bob.1", "bob.2")
			s.add(Step{Device: "alice.1", Kind: Killed})
		}, nil},
		"the shelf says that it is not delivered": {func(s *story) {
			s.sends(direct)
			s.shows(direct, "bob.1", "bob.2")
			s.add(Step{Device: "alice.1", Kind: Killed})
			s.keeps("alice.1", "bob", s.line(direct, "sent"))
		}, []Breach{Stuck}},
		"the shelf says that it is delivered": {func(s *story) {
			s.sends(direct)
			s.shows(direct, "bob.1", "bob.2")
			s.add(Step{Device: "alice.1", Kind: Killed})
			s.keeps("alice.1", "bob", s.line(direct, StateDelivered))
		}, nil},
		"killed before it said that it displays it": {func(s *story) {
			s.sends(direct)
			s.shows(direct, "bob.1")
			s.told(direct, Delivered)
			s.add(Step{Device: "bob.2", Kind: Killed})
		}, nil},
		"the shelf lacks it": {func(s *story) {
			s.sends(direct)
			s.shows(direct, "bob.1")
			s.told(direct, Delivered)
			s.add(Step{Device: "bob.2", Kind: Killed})
			s.keeps("bob.2", "alice")
		}, []Breach{Lost}},
		"the shelf has it": {func(s *story) {
			s.sends(direct)
			s.shows(direct, "bob.1")
			s.told(direct, Delivered)
			s.add(Step{Device: "bob.2", Kind: Killed})
			s.keeps("bob.2", "alice", s.line(direct, ""))
		}, nil},
		"a stranger keeps it": {func(s *story) {
			s.goes(toGroup, "bob.1", "bob.2", "dave.1")
			s.keeps("carol.1", "#g", s.line(toGroup, ""))
		}, []Breach{Strayed}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			test.tell(s)
			v := Judge(s.History)
			var got []Breach
			for _, violation := range v.Violations {
				got = append(got, violation.Kind)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("found %v and not %v:", got, test.want)
				for _, violation := range v.Violations {
					t.Log(violation)
				}
			}
		})
	}
}

func TestFigures(t *testing.T) {
	s := newStory()
	s.goes(direct, "bob.1", "bob.2") // four steps after it was typed
	s.types(second)
	s.add(Step{Device: "alice.1", Kind: Refused})
	v := Judge(s.History)
	if v.Messages != 1 || v.Refused != 1 || v.Displayed != 2 || v.Delivered != 1 || v.Latency.P50 != 5*time.Second || !v.Good() {
		t.Errorf("the figures are %+v", v)
	}
}

// What a violation tells is in the order in which it happened, with the faults.
func TestViolationTellsItsHistory(t *testing.T) {
	s := newStory()
	s.sends(direct)
	s.add(Step{Kind: Fault, Text: "s1 killed"})
	s.shows(direct, "bob.1")
	s.told(direct, Delivered)
	v := Judge(s.History)
	if len(v.Violations) != 1 || v.Violations[0].ID != id(direct) || len(v.Violations[0].History) != 5 {
		t.Fatalf("found %+v", v.Violations)
	}
	if line := v.Violations[0].History[2]; line != `  30.000 s  fault "s1 killed"` {
		t.Errorf("the fault is told as %q", line)
	}
}
