package show

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean returns what others wrote as one line that does nothing to a terminal:
// escape sequences, newlines and the like are shown in Go's notation ("\x1b",
// "\n", "\u202e") instead of being obeyed.
func Clean(s string) string {
	if strings.IndexFunc(s, suspect) < 0 {
		return s
	}
	var out strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, s[0])
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteByte(' ')
		case harmful(r) && r < utf8.RuneSelf:
			fmt.Fprintf(&out, `\x%02x`, r)
		case harmful(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteString(s[:size])
		}
		s = s[size:]
	}
	return out.String()
}

// harmful reports whether a terminal acts on a character: the controls of
// ASCII and Latin-1 (where escape sequences begin), the separators of lines,
// and the marks that reverse the direction of what follows, which could make
// one sender's name look like another's (Unicode Technical Report 36, 2.6).
func harmful(r rune) bool {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029':
		return true
	default:
		return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
	}
}

func suspect(r rune) bool { return harmful(r) || r == utf8.RuneError }
