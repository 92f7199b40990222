package show

import (
	"fmt"
	"strings"
)

// historyLines puts a conversation into lines: when, its ID, who, what, and of one's
// own how far it has got.
func historyLines(lines []Line, own string) string {
	if len(lines) == 0 {
		return "no messages"
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = fmt.Sprintf("%s %s %s", l.At.Local().Format("2006-01-02 15:04"), short(l.ID), spoken(l, own))
		if l.State != "" {
			out[i] += " (" + l.State + ")"
		}
	}
	return strings.Join(out, "\n")
}

// spoken is who says what in a line, and where: "alice42 : hello".
func spoken(l Line, own string) string {
	if l.Missing > 0 {
		return fmt.Sprintf("%s(%d of %s missing)", place(l), l.Missing, l.From)
	}
	who := place(l) + l.From
	if l.Group == "" && l.From == own {
		who += " -> " + l.With
	}
	if l.Name != "" {
		return fmt.Sprintf("%s sent %s (%s)", who, Clean(l.Name), bytesText(l.Size))
	}
	return who + " : " + Clean(l.Text)
}

func place(l Line) string {
	if l.Group == "" {
		return ""
	}
	return "[" + l.Group + "] "
}

// statusLines tells what became of a message, step by step, and who has it.
func statusLines(e Event, own string) string {
	var out []string
	for _, l := range e.Messages {
		out = append(out, fmt.Sprintf("%s %s : %s", short(l.ID), spoken(l, own), l.State))
	}
	for _, s := range e.Steps {
		line := "  " + s.At.Local().Format("2006-01-02 15:04:05") + " " + s.State
		if s.Account != "" {
			line += " " + s.Account
		}
		if s.Device != "" {
			line += " on …" + s.Device[max(0, len(s.Device)-6):]
		}
		if s.Path != "" {
			line += ", " + s.Path
		}
		out = append(out, line)
	}
	if len(e.Has) > 0 {
		out = append(out, "  has it: "+strings.Join(e.Has, ", "))
	}
	if len(e.Lacks) > 0 {
		out = append(out, "  not yet: "+strings.Join(e.Lacks, ", "))
	}
	return strings.Join(out, "\n")
}

// history is historyLines for a person; mu is held.
func (s *Screen) history(e Event) string {
	if len(e.Messages) == 0 {
		return s.style.dim("  nothing yet")
	}
	var out []string
	day := ""
	for _, l := range e.Messages {
		if at := l.At.Local().Format("Monday, 2 January 2006"); at != day {
			day = at
			out = append(out, s.style.dim("  "+day))
		}
		out = append(out, s.line(l))
	}
	return strings.Join(out, "\n")
}

// line is a message of the past; mu is held.
func (s *Screen) line(l Line) string {
	out := s.style.dim(l.At.Local().Format("15:04")+" "+short(l.ID)) + " "
	if l.Group != "" {
		out += s.style.cyan("["+l.Group+"]") + " "
	}
	if l.Missing > 0 {
		return out + s.style.dim(fmt.Sprintf("%d of %s missing", l.Missing, l.From))
	}
	out += s.style.bold(l.From)
	if l.Group == "" && l.From == s.own {
		out += " -> " + l.With
	}
	if l.Name != "" {
		out += fmt.Sprintf(" sent %s (%s)", Clean(l.Name), bytesText(l.Size))
	} else {
		out += " : " + s.paragraph(l.Text)
	}
	if l.State != "" {
		out += s.style.dim("  " + mark(l.State))
	}
	return out
}

// mark is a state as a person sees it beside a message.
func mark(state string) string {
	switch state {
	case "delivered":
		return "✓✓"
	case "read":
		return "✓✓ read"
	case "sent":
		return "✓"
	default:
		return state
	}
}
