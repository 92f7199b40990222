package show

import (
	"fmt"
	"strings"
)

// messages counts messages in words.
func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

// asks tells of somebody whose messages wait.
func asks(e Event) string {
	n := 0
	if e.Count != nil {
		n = *e.Count
	}
	return fmt.Sprintf("%s wants to write to you (%s): accept %s, or block %s", e.Account, messages(n), e.Account, e.Account)
}

// stillReads says where somebody who is blocked hears of one all the same, if
// anywhere.
func stillReads(e Event) string {
	if len(e.Shared) == 0 {
		return ""
	}
	return ", who still reads what you say in " + strings.Join(e.Shared, ", ") + " and sees when you are online"
}

func contactLines(e Event) []string {
	lines := []string{"policy : " + e.Policy}
	for _, r := range e.Requests {
		lines = append(lines, fmt.Sprintf("request : %s (%s)", r.Account, messages(r.Count)))
	}
	for _, a := range e.Accepted {
		lines = append(lines, "accepted : "+a)
	}
	for _, a := range e.Blocked {
		lines = append(lines, "blocked : "+a)
	}
	if e.Pending {
		lines = append(lines, "the servers have not heard of the last change yet")
	}
	return lines
}

// contacts shows whom the person lets write; mu is held.
func (s *Screen) contacts(e Event) string {
	lines := []string{"  Anybody may write to you and see when and where you are online." + s.style.dim("  To be asked first, type: contacts ask")}
	if e.Policy == "ask" {
		lines = []string{"  Strangers have to ask before you see what they write, and do not see where you are." + s.style.dim("  To let all write, type: contacts open")}
	}
	for _, r := range e.Requests {
		lines = append(lines, "  "+s.style.bold(r.Account)+" wants to write to you ("+messages(r.Count)+")"+
			s.style.dim("  accept "+r.Account+", or block "+r.Account))
	}
	if len(e.Accepted) > 0 {
		lines = append(lines, "  accepted: "+strings.Join(e.Accepted, ", "))
	}
	if len(e.Blocked) > 0 {
		lines = append(lines, "  blocked: "+strings.Join(e.Blocked, ", "))
	}
	if e.Pending {
		lines = append(lines, s.style.dim("  The servers have not heard of the last change yet, and show where you are as before until they have."))
	}
	return strings.Join(lines, "\n")
}

// stillReads is stillReads for a person, as a sentence below; mu is held.
func (s *Screen) stillReads(e Event) string {
	if len(e.Shared) == 0 {
		return ""
	}
	return "\n" + s.style.dim("  You are both in "+strings.Join(e.Shared, ", ")+": there they still read what you say, and see when and where you are online.")
}
