package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// at makes a request that lasts from one second to another.
func at(client int, object string, from, to int, outcome Outcome, what any) Op {
	op := Op{Client: client, Object: object, What: what, Outcome: outcome, Call: time.Duration(from) * time.Second, Return: time.Duration(to) * time.Second}
	if outcome == Unknown {
		op.Return = Never
	}
	return op
}

func TestJudge(t *testing.T) {
	letters := func(ids ...string) (all []Letter) {
		for i, id := range ids {
			all = append(all, Letter{uint64(i + 1), id})
		}
		return all
	}
	for name, test := range map[string]struct {
		ops   []Op
		final Final
		want  string // a part of the violation; empty: there is none
	}{
		"a name is given once": {
			ops: []Op{
				at(0, "n", 1, 4, Done, SignUp{"a"}), at(1, "n", 2, 5, Refused, SignUp{"b"}),
				at(2, "n", 1, 2, Done, LookUp{""}), at(2, "n", 3, 4, Done, LookUp{"a"}),
			},
			final: Final{Owners: map[string]string{"n": "a"}},
		},
		"two owners": {
			ops:   []Op{at(0, "n", 1, 4, Done, SignUp{"a"}), at(1, "n", 2, 5, Done, SignUp{"b"})},
			final: Final{Owners: map[string]string{"n": "b"}},
			want:  "was told that it owns the name",
		},
		"a stale read of nobody": {
			ops:   []Op{at(0, "n", 1, 2, Done, SignUp{"a"}), at(1, "n", 3, 4, Done, LookUp{""})},
			final: Final{Owners: map[string]string{"n": "a"}},
			want:  "no order",
		},
		"a refusal before anybody asked": {
			ops:   []Op{at(1, "n", 1, 2, Refused, SignUp{"b"}), at(0, "n", 3, 4, Done, SignUp{"a"})},
			final: Final{Owners: map[string]string{"n": "a"}},
			want:  "no order",
		},
		"an unknown sign-up that took effect late": {
			ops: []Op{
				at(0, "n", 1, 2, Unknown, SignUp{"a"}), at(1, "n", 3, 4, Done, LookUp{""}), at(1, "n", 5, 6, Done, LookUp{"a"}),
			},
			final: Final{Owners: map[string]string{"n": "a"}},
		},
		"an unknown sign-up without effect": {
			ops:   []Op{at(0, "n", 1, 2, Unknown, SignUp{"a"}), at(1, "n", 3, 4, Done, SignUp{"b"})},
			final: Final{Owners: map[string]string{"n": "b"}},
		},
		"prekeys in turn": {
			ops: []Op{
				at(0, "d", 1, 2, Done, Publish{1, 3}), at(1, "d", 3, 5, Done, Take{1, 2, 1}),
				at(2, "d", 3, 5, Done, Take{1, 1, 2}), at(0, "d", 6, 7, Unknown, Publish{2, 4}),
				at(1, "d", 8, 9, Done, Take{1, 3, 0}), at(1, "d", 10, 11, Done, Take{2, 4, 0}),
			},
		},
		"a prekey twice": {
			ops: []Op{
				at(0, "d", 1, 2, Done, Publish{1, 3}), at(1, "d", 3, 5, Done, Take{1, 1, 2}), at(2, "d", 3, 5, Done, Take{1, 1, 2}),
			},
			want: "was handed out to client 1 and to client 2",
		},
		"prekeys burnt": {
			ops: []Op{
				at(0, "d", 1, 2, Done, Publish{1, 3}), at(1, "d", 3, 4, Unknown, Take{}), at(2, "d", 5, 6, Done, Take{1, 3, 0}),
			},
		},
		"a bundle that goes back": {
			ops: []Op{
				at(0, "d", 1, 2, Done, Publish{1, 0}), at(0, "d", 3, 4, Done, Publish{2, 0}),
				at(1, "d", 5, 6, Done, Take{2, 0, 0}), at(1, "d", 7, 8, Done, Take{1, 0, 0}),
			},
			want: "no order",
		},
		"a stock that is too small": {
			ops:  []Op{at(0, "d", 1, 2, Done, Publish{1, 3}), at(1, "d", 3, 4, Done, Take{1, 1, 1})},
			want: "no order",
		},
		"a chain grows": {
			ops: []Op{
				at(0, "g", 1, 2, Done, Append{0, "a", ""}), at(1, "g", 1, 3, Refused, Append{0, "x", ""}),
				at(1, "g", 4, 6, Done, Append{1, "b", "a"}), at(0, "g", 4, 6, Refused, Append{1, "c", "a"}),
				at(2, "g", 3, 7, Done, Read{1, "a"}), at(2, "g", 8, 9, Done, Read{2, "b"}),
			},
			final: Final{Chains: map[string][]string{"g": {"a", "b"}}},
		},
		"a chain that forks": {
			ops: []Op{
				at(0, "g", 1, 2, Done, Append{0, "a", ""}),
				at(1, "g", 4, 6, Done, Append{1, "b", "a"}), at(0, "g", 4, 6, Done, Append{1, "c", "a"}),
			},
			final: Final{Chains: map[string][]string{"g": {"a", "b"}}},
			want:  "statement 1 of client 0 was acknowledged and is not there",
		},
		"a read of another chain": {
			ops:   []Op{at(0, "g", 1, 2, Done, Append{0, "a", ""}), at(1, "g", 3, 4, Done, Read{1, "x"})},
			final: Final{Chains: map[string][]string{"g": {"a"}}},
			want:  "forked",
		},
		"a reader who goes back in time": {
			ops: []Op{
				at(0, "g", 1, 2, Done, Append{0, "a", ""}), at(0, "g", 3, 4, Done, Append{1, "b", "a"}),
				at(1, "g", 5, 6, Done, Read{2, "b"}), at(1, "g", 7, 8, Done, Read{1, "a"}),
			},
			final: Final{Chains: map[string][]string{"g": {"a", "b"}}},
			want:  "client 1 knew of 2 statements and then found 1",
		},
		"a writer who does not read what it wrote": {
			ops: []Op{
				at(0, "g", 1, 2, Done, Append{0, "a", ""}), at(1, "g", 3, 4, Done, Append{1, "b", "a"}),
				at(1, "g", 5, 6, Done, Read{1, "a"}),
			},
			final: Final{Chains: map[string][]string{"g": {"a", "b"}}},
			want:  "client 1 knew of 2 statements and then found 1",
		},
		"a reader who is behind, but no more than before": {
			ops: []Op{
				at(0, "g", 1, 2, Done, Append{0, "a", ""}), at(0, "g", 3, 4, Done, Append{1, "b", "a"}),
				at(1, "g", 5, 6, Done, Read{1, "a"}), at(1, "g", 7, 8, Done, Read{2, ""}),
			},
			final: Final{Chains: map[string][]string{"g": {"a", "b"}}},
		},
		"a group that is there, and is said not to be": {
			ops:   []Op{at(0, "g", 1, 2, Done, Append{0, "a", ""}), at(1, "g", 3, 4, Done, Read{0, ""})},
			final: Final{Chains: map[string][]string{"g": {"a"}}},
			want:  "no order",
		},
		"mail": {
			ops: []Op{
				at(1, "m", 1, 2, Done, Put{"a"}), at(2, "m", 1, 3, Unknown, Put{"b"}), at(2, "m", 1, 3, Unknown, Put{"never"}),
				at(0, "m", 4, 5, Done, Fetch{0, letters("a"), false}),
				at(0, "m", 6, 7, Done, Fetch{1, []Letter{{2, "b"}}, true}),
				at(0, "m", 8, 9, Done, Fetch{2, nil, true}),
			},
		},
		"a letter that was lost": {
			ops:  []Op{at(1, "m", 1, 2, Done, Put{"a"}), at(0, "m", 4, 5, Done, Fetch{0, nil, false})},
			want: "acknowledged and never came",
		},
		"a letter that a fetch should have found": {
			ops: []Op{
				at(1, "m", 1, 2, Done, Put{"a"}), at(0, "m", 3, 4, Done, Fetch{0, letters("a"), false}),
				at(1, "m", 5, 6, Done, Put{"b"}), at(0, "m", 7, 8, Done, Fetch{1, nil, true}),
			},
			final: Final{Mail: map[string][]Letter{"m": {{2, "b"}}}},
			want:  "no order",
		},
		"a fetch that removes nothing may be behind": {
			ops: []Op{
				at(1, "m", 1, 2, Done, Put{"a"}), at(0, "m", 3, 4, Done, Fetch{0, nil, false}),
			},
			final: Final{Mail: map[string][]Letter{"m": letters("a")}},
		},
		"but not more than before": {
			ops: []Op{
				at(1, "m", 1, 2, Done, Put{"a"}), at(0, "m", 3, 4, Done, Fetch{0, letters("a"), false}),
				at(0, "m", 5, 6, Done, Fetch{0, nil, false}),
			},
			final: Final{Mail: map[string][]Letter{"m": letters("a")}},
			want:  "letter 1 was there, and then only those up to 0",
		},
		"a letter that comes again": {
			ops: []Op{
				at(1, "m", 1, 2, Done, Put{"a"}), at(0, "m", 3, 4, Done, Fetch{0, letters("a"), false}),
				at(0, "m", 5, 6, Done, Fetch{1, nil, true}), at(0, "m", 7, 8, Done, Fetch{1, []Letter{{2, "a"}}, false}),
			},
		},
		"a letter that nobody put": {
			ops:  []Op{at(0, "m", 3, 4, Done, Fetch{0, letters("a"), false})},
			want: "letter 1 was never put",
		},
		"letters in another order than they were put": {
			ops: []Op{
				at(1, "m", 1, 2, Done, Put{"a"}), at(1, "m", 3, 4, Done, Put{"b"}),
				at(0, "m", 5, 6, Done, Fetch{0, letters("b", "a"), false}),
			},
			want: "no order",
		},
		"a gap": {
			ops: []Op{
				at(1, "m", 1, 2, Done, Put{"a"}), at(1, "m", 3, 4, Done, Put{"b"}),
				at(0, "m", 5, 6, Done, Fetch{0, []Letter{{1, "a"}, {3, "b"}}, false}),
			},
			want: "after letter 1 came letter 3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Judge(test.ops, test.final, time.Minute, nil)
			if err != nil {
				t.Fatal(err)
			}
			said := fmt.Sprint(v.Violations)
			if test.want == "" && len(v.Violations) > 0 {
				t.Errorf("found %v", said)
			}
			if !strings.Contains(said, test.want) {
				t.Errorf("found %v, not %q", said, test.want)
			}
		})
	}
}

// What was burnt and what came again is counted, and a violation is drawn.
func TestFigures(t *testing.T) {
	ops := []Op{
		at(0, "d", 1, 2, Done, Publish{1, 5}), at(1, "d", 3, 4, Unknown, Take{}), at(2, "d", 5, 6, Done, Take{1, 3, 2}),
		at(1, "m", 1, 2, Done, Put{"a"}), at(0, "m", 5, 6, Done, Fetch{1, []Letter{{2, "a"}}, false}),
		at(0, "m", 3, 4, Done, Fetch{0, []Letter{{1, "a"}}, false}),
		at(0, "n", 1, 2, Done, SignUp{"a"}), at(1, "n", 3, 4, Done, LookUp{""}),
	}
	v, err := Judge(ops, Final{Owners: map[string]string{"n": "a"}}, time.Minute,
		func(object string, m porcupine.Model, i porcupine.LinearizationInfo) (string, error) {
			file := filepath.Join(t.TempDir(), object+".html")
			return file, porcupine.VisualizePath(m, i, file)
		})
	if err != nil {
		t.Fatal(err)
	}
	if v.Burnt != 2 || v.Again != 1 || v.Objects != 3 || v.Operations != len(ops) {
		t.Errorf("%+v", v)
	}
	drawn := 0
	for _, violation := range v.Violations {
		if violation.File == "" {
			continue
		}
		drawn++
		if page, err := os.ReadFile(violation.File); err != nil || !strings.Contains(string(page), "LookUp") {
			t.Errorf("%v: %.100s", err, page)
		}
	}
	if drawn != 1 {
		t.Errorf("%d drawings of %v", drawn, v.Violations)
	}
}
