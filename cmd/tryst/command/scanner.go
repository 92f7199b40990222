package command

import (
	"errors"
	"strings"
)

// blank are the characters between words. Other white space of Unicode is
// text.
const blank = " \t"

// scanner takes one part after the other off the front of a line.
type scanner struct{ rest string }

// word takes the next word, "" at the end.
func (s *scanner) word() string {
	s.rest = strings.TrimLeft(s.rest, blank)
	end := strings.IndexAny(s.rest, blank)
	if end < 0 {
		end = len(s.rest)
	}
	word := s.rest[:end]
	s.rest = s.rest[end:]
	return word
}

// text takes all that is left but the one blank that ends the last word: what
// a person wrote arrives as it was written.
func (s *scanner) text() string {
	text := s.rest
	s.rest = ""
	if text != "" && strings.ContainsRune(blank, rune(text[0])) {
		text = text[1:]
	}
	return text
}

// secret takes all that is left without the blanks around it, so that a pass
// phrase may have several words and one that was asked for is the same as one
// that was typed on the line.
func (s *scanner) secret() string {
	secret := strings.Trim(s.rest, blank)
	s.rest = ""
	return secret
}

// flags takes all that come next of one flag, written "--flag value" or "--flag=value",
// and returns their values.
func (s *scanner) flags(flag string) (values []string) {
	for {
		after := *s
		name, value, given := strings.Cut(after.word(), "=")
		if !strings.EqualFold(name, flag) {
			return values
		}
		if !given {
			value = after.word()
		}
		values = append(values, value)
		*s = after
	}
}

// lastFlag takes all that is left, as secret does, and returns what stands before a flag
// that it ends in, and the flag's value.
func (s *scanner) lastFlag(flag string) (secret string, values []string) {
	secret = s.secret()
	for _, words := range []int{2, 1} { // "--flag value", and "--flag=value" or "--flag" alone
		at := lastWords(secret, words)
		tail := &scanner{rest: secret[at:]}
		if values := tail.flags(flag); len(values) == 1 && !tail.more() {
			return strings.TrimRight(secret[:at], blank), values
		}
	}
	return secret, nil
}

// lastWords returns where the last so many words of a text begin.
func lastWords(text string, words int) int {
	end := len(text)
	for range words {
		end = strings.LastIndexAny(strings.TrimRight(text[:end], blank), blank) + 1
	}
	return end
}

// more reports whether there is another word.
func (s *scanner) more() bool { return strings.Trim(s.rest, blank) != "" }

var errQuote = errors.New("a quote is not closed")

// path takes a file's path, "" at the end: quoted as "a b" or 'a b', or with
// a backslash before a blank, a quote or a backslash. Any other backslash
// stands for itself.
func (s *scanner) path() (string, error) {
	s.rest = strings.TrimLeft(s.rest, blank)
	var path strings.Builder
	var quote byte // the one that is open, or 0
	for i := 0; i < len(s.rest); i++ {
		c := s.rest[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(s.rest) && strings.IndexByte(` "'\`+"\t", s.rest[i+1]) >= 0:
			i++
			path.WriteByte(s.rest[i])
		case c == quote && quote != 0:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && strings.IndexByte(blank, c) >= 0:
			s.rest = s.rest[i:]
			return path.String(), nil
		default:
			path.WriteByte(c)
		}
	}
	s.rest = ""
	if quote != 0 {
		return "", errQuote
	}
	return path.String(), nil
}
