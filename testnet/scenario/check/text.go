package check

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Text is what a message of a run says: one line that names the message and what
// its author had read, so that whoever displays it shows all that there is to judge.
type Text struct {
	Author string // a device, by its label
	To     string // an account, or a group as "#name"
	Number int    // from 1, of this author to this addressee
	// After is the newest message of each other author that the author's device had
	// displayed in this conversation: numbers by label.
	After map[string]int
}

// errText is why a line is no Text.
var errText = errors.New("check: no text of a run")

const (
	textWords  = 5 // author, addressee, number, what came before, padding
	noneBefore = "-"
	padding    = "~"
)

// Name is what tells a message from all others of its run.
type Name struct {
	Author string
	To     string
	Number int
}

// Name returns the message's name.
func (t Text) Name() Name { return Name{t.Author, t.To, t.Number} }

// String returns a name as it stands in reports, like "bob1.a to #g1, 17".
func (n Name) String() string { return fmt.Sprintf("%s to %s, %d", n.Author, n.To, n.Number) }

// Line returns the line to type, padded to a size in bytes where it is shorter.
func (t Text) Line(size int) string {
	before := make([]string, 0, len(t.After))
	for _, author := range slices.Sorted(maps.Keys(t.After)) {
		before = append(before, author+"="+strconv.Itoa(t.After[author]))
	}
	if len(before) == 0 {
		before = []string{noneBefore}
	}
	line := fmt.Sprintf("%s %s %d %s ", t.Author, t.To, t.Number, strings.Join(before, ","))
	return line + strings.Repeat(padding, max(1, size-len(line)))
}

// ParseText reads a line back.
func ParseText(line string) (Text, error) {
	words := strings.Split(line, " ")
	if len(words) != textWords || strings.Trim(words[textWords-1], padding) != "" || words[textWords-1] == "" {
		return Text{}, errText
	}
	t := Text{Author: words[0], To: words[1]}
	var err error
	if t.Number, err = number(words[2]); err != nil || t.Author == "" || t.To == "" {
		return Text{}, errText
	}
	if words[3] == noneBefore {
		return t, nil
	}
	t.After = make(map[string]int)
	for _, before := range strings.Split(words[3], ",") {
		author, n, ok := strings.Cut(before, "=")
		if !ok || author == "" {
			return Text{}, errText
		}
		if t.After[author], err = number(n); err != nil {
			return Text{}, errText
		}
	}
	return t, nil
}

// number reads a number as Line writes it, from 1.
func number(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || strconv.Itoa(n) != word {
		return 0, errText
	}
	return n, nil
}
