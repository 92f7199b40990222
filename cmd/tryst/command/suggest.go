package command

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// unknown explains a verb that there is not, with the nearest that there is.
func unknown(typed string) error {
	e := &UsageError{
		Message: fmt.Sprintf("There is no command %s.", quoted(typed)),
		Hint:    "Type: help",
	}
	if near, ok := nearest(strings.ToLower(typed)); ok {
		e.Hint = fmt.Sprintf("Did you mean %s? Type: %s", near.Verb, near.Usage)
	}
	return e
}

// nearest returns the command whose verb is the fewest edits away from what
// was typed, if that is a third of its letters or less.
func nearest(typed string) (best Form, ok bool) {
	const longest = 32 // no verb is near anything longer
	if len(typed) > longest {
		return Form{}, false
	}
	least := longest
	for _, f := range Forms() {
		d := distance(typed, f.Verb)
		if first, _, two := strings.Cut(f.Verb, " "); two {
			d = min(d, distance(typed, first))
		}
		if d < least && 3*d <= len(f.Verb)+1 {
			best, least, ok = f, d, true
		}
	}
	return best, ok
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours between two words (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			swap := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				swap++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, swap)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// quoted shows what was typed, shortened and harmless to a terminal.
func quoted(typed string) string {
	const longest = 40 // characters, so that the sentence stays one line
	if utf8.RuneCountInString(typed) > longest {
		typed = string([]rune(typed)[:longest-1]) + "…"
	}
	return fmt.Sprintf("%q", typed)
}
