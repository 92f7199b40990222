package show

import (
	"slices"
	"strings"

	"github.com/tryst-chat/tryst/cmd/tryst/command"
)

// maxHistory is the number of lines that can be called back.
const maxHistory = 100

// history keeps the lines of this run in memory only, and no passwords.
// Only the goroutine that reads lines uses it.
type history struct{ lines []string } // oldest first

// Add implements term.History.
func (h *history) Add(line string) {
	line = command.WithoutSecret(line)
	if strings.TrimSpace(line) == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if len(h.lines) > maxHistory {
		h.lines = slices.Delete(h.lines, 0, 1)
	}
}

// Len implements term.History.
func (h *history) Len() int { return len(h.lines) }

// At implements term.History: 0 is the newest.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }

// complete finishes a command's verb, or the name of an account or group that
// was seen, at the tab key.
func (s *Screen) complete(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' {
		return "", 0, false
	}
	before, after := line[:pos], line[pos:]
	start := strings.LastIndexByte(before, ' ') + 1
	head, part := before[:start], before[start:]
	var found []string
	if head == "" {
		for _, f := range command.Forms() {
			if strings.HasPrefix(f.Verb, strings.ToLower(part)) {
				found = append(found, f.Verb)
			}
		}
	} else {
		found = s.known(strings.TrimPrefix(part, "#"))
		if strings.HasPrefix(part, "#") {
			head += "#"
		}
	}
	done := sharedPrefix(found)
	if done == "" {
		return line, pos, true
	}
	if len(found) == 1 && after == "" {
		done += " "
	}
	return head + done + after, len(head) + len(done), true
}

func (s *Screen) known(part string) (found []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.names {
		if strings.HasPrefix(name, part) {
			found = append(found, name)
		}
	}
	return found
}

func sharedPrefix(words []string) string {
	if len(words) == 0 {
		return ""
	}
	prefix := words[0]
	for _, w := range words[1:] {
		for !strings.HasPrefix(w, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	return prefix
}
