package check

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyText draws a text as runs type them.
func anyText(t *rapid.T) Text {
	label := rapid.StringMatching(`[a-z][a-z0-9.]{0,8}`)
	text := Text{Author: label.Draw(t, "author"), To: label.Draw(t, "to"), Number: rapid.IntRange(1, 1<<20).Draw(t, "number")}
	if rapid.Bool().Draw(t, "group") {
		text.To = "#" + text.To
	}
	if after := rapid.MapOfN(label, rapid.IntRange(1, 1<<20), 0, 4).Draw(t, "after"); len(after) > 0 {
		text.After = after
	}
	return text
}

func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, size := anyText(t), rapid.IntRange(0, 1<<10).Draw(t, "size")
		line := text.Line(size)
		if len(line) < size {
			t.Errorf("%d bytes instead of %d", len(line), size)
		}
		back, err := ParseText(line)
		if err != nil {
			t.Fatalf("%q is not read back: %v", line, err)
		}
		if diff := cmp.Diff(text, back); diff != "" {
			t.Errorf("read back (-want +got):\n%s", diff)
		}
	})
}

func TestParseTextRefuses(t *testing.T) {
	for _, line := range []string{
		"", "hello", "a b 1 -", "a b 1 - ", "a b 1 - x", "a b 0 - ~", "a b 01 - ~", "a b x - ~", " b 1 - ~",
		"a  1 - ~", "a b 1 c ~", "a b 1 =1 ~", "a b 1 c=0 ~", "a b 1 c=1, ~", "a b 1 - ~ ~",
	} {
		if text, err := ParseText(line); err == nil {
			t.Errorf("%q is read as %+v", line, text)
		}
	}
}

func FuzzParseText(f *testing.F) {
	f.Add("alice1.a #g 17 bob1.a=3,carol1.a=1 ~~~")
	f.Fuzz(func(t *testing.T, line string) {
		text, err := ParseText(line)
		if err != nil {
			return
		}
		again, err := ParseText(text.Line(0))
		if err != nil || cmp.Diff(text, again) != "" {
			t.Errorf("%q is read as %+v, and that as %+v (%v)", line, text, again, err)
		}
	})
}
