package show

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/tryst-chat/tryst/node"
)

type plainPrinter struct {
	mu  sync.Mutex
	w   io.Writer // guarded by mu
	own string    // the account that is logged in; guarded by mu
}

// Plain prints events as lines of words. Progress is left out: nobody watches
// a pipe.
func Plain(w io.Writer) Printer { return &plainPrinter{w: w} }

func (p *plainPrinter) Print(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.own = loggedIn(p.own, e)
	if e.Kind == string(node.EventProgress) || e.Kind == string(node.EventWork) && e.Text == "" {
		return
	}
	io.WriteString(p.w, plain(e, p.own)+"\n")
}

// loggedIn returns the account that is logged in after an event.
func loggedIn(own string, e Event) string {
	switch e.Kind {
	case LoggedIn:
		return e.Account
	case LoggedOut:
		return ""
	default:
		return own
	}
}

// plain puts an event into words, without the newline at the end.
func plain(e Event, own string) string {
	switch e.Kind {
	case SignedUp:
		return "signed up as " + e.Account
	case LoggedIn:
		return "logged in as " + e.Account
	case LoggedOut:
		return "logged out of " + e.Account
	case WhoAmI:
		if e.Account == "" {
			return "nobody is logged in"
		}
		return e.Account + " on device " + e.Device
	case string(node.EventMessage):
		return speaker(e, own) + " : " + Clean(e.Text)
	case string(node.EventFile):
		return fmt.Sprintf("%s sent %s (%s), saved as %s", speaker(e, own), Clean(e.Name), bytesText(number(e.Size)), Clean(e.Path))
	case string(node.EventSending), string(node.EventSent):
		return fmt.Sprintf("%s %s to %s", e.Kind, short(e.ID), recipient(e))
	case string(node.EventStored):
		return fmt.Sprintf("stored %s for %s", short(e.ID), recipient(e))
	case string(node.EventDelivered):
		if e.Group != "" {
			return fmt.Sprintf("delivered %s to all of #%s", short(e.ID), e.Group)
		}
		return fmt.Sprintf("delivered %s to %s", short(e.ID), e.By)
	case string(node.EventRead):
		return fmt.Sprintf("read %s by %s", short(e.ID), e.By)
	case string(node.EventGap):
		return "[" + e.Group + "] " + Clean(e.Text)
	case History, Found:
		return historyLines(e.Messages, own)
	case Status:
		return statusLines(e, own)
	case Marked:
		if e.Group != "" {
			return "read what is in #" + e.Group
		}
		return "read what is from " + e.Account
	case Receipts:
		if e.On != nil && *e.On {
			return "others see what you have read"
		}
		return "others do not see what you have read"
	case Created:
		return "created " + e.Group
	case Joined:
		return e.Account + " joined " + e.Group + waiting(e)
	case Left:
		return e.Account + " left " + e.Group
	case Removed:
		return e.By + " removed " + e.Account + " from " + e.Group
	case Invited:
		return invitation(e, own)
	case Admin:
		return newAdmin(e)
	case Members:
		return strings.Join(memberLines(e.Members), "\n")
	case Groups:
		return groupLines(e.Groups)
	case Comparison:
		return "number for " + e.Account + " : " + e.Number
	case Verified:
		return "verified " + e.Account
	case Contacts:
		return strings.Join(contactLines(e), "\n")
	case Accepted, Unblocked:
		return e.Kind + " " + e.Account
	case Blocked:
		return "blocked " + e.Account + stillReads(e)
	case Asks:
		return asks(e)
	case Help:
		return usageLines(e.Usage)
	case string(node.EventLink):
		if e.Online != nil && *e.Online {
			return "online: " + Clean(e.Text)
		}
		return "offline: " + Clean(e.Text)
	case Notice, string(node.EventWork):
		return "notice: " + Clean(e.Text)
	case Failed:
		return strings.TrimSpace("error: " + Clean(e.Message) + " " + Clean(e.Hint))
	default:
		return e.Kind
	}
}

// speaker says who speaks, and where: "alice42", "[g1] alice42", and for what
// the person's other device sent, "alice42 -> bob7".
func speaker(e Event, own string) string {
	switch {
	case e.Group != "":
		return "[" + e.Group + "] " + past(e)
	case e.To != "" && e.From == own && e.To != own:
		return e.From + " -> " + e.To
	default:
		return e.From
	}
}

// past says who spoke in a group, with a mark at what was said before one was in it:
// "(earlier) alice42", and where that is another's word only, "(earlier, according to
// bob7) alice42".
func past(e Event) string {
	switch {
	case e.Claimed != "":
		return "(earlier, according to " + e.From + ") " + e.Claimed
	case e.Earlier:
		return "(earlier) " + e.From
	default:
		return e.From
	}
}

func recipient(e Event) string {
	if e.Group != "" {
		return "#" + e.Group
	}
	return e.To
}

func waiting(e Event) string {
	if e.Waiting {
		return ", waiting for a member"
	}
	return ""
}

func groupLines(groups []Group) string {
	if len(groups) == 0 {
		return "no groups"
	}
	lines := make([]string, len(groups))
	for i, g := range groups {
		lines[i] = fmt.Sprintf("%s : %d", g.Name, g.Members)
		if g.Invited {
			lines[i] += " (invited)"
		}
	}
	return strings.Join(lines, "\n")
}

func memberLines(members []Member) []string {
	lines := make([]string, len(members))
	for i, m := range members {
		lines[i] = m.Account
		switch {
		case m.Admin:
			lines[i] += " (admin)"
		case m.Invited:
			lines[i] += " (invited by " + m.By + ")"
		}
	}
	return lines
}

// invitation says who is invited, and to whom that is oneself what to do.
func invitation(e Event, own string) string {
	if e.Account == own {
		return e.By + " invites you to #" + e.Group + ": join " + e.Group
	}
	return e.By + " invited " + e.Account + " to " + e.Group
}

func newAdmin(e Event) string {
	if e.By == "" {
		return e.Account + " is an admin of " + e.Group + " now"
	}
	return e.By + " made " + e.Account + " an admin of " + e.Group
}

func usageLines(usage []Usage) string {
	lines := make([]string, len(usage))
	for i, u := range usage {
		lines[i] = fmt.Sprintf("%-*s%s", usageWidth, u.Usage, u.About)
	}
	return strings.Join(lines, "\n")
}

// short is as much of a message ID as tells a person's messages apart.
func short(id string) string {
	const enough = 8
	return id[:min(enough, len(id))]
}

// bytesText writes a size for people: "0 B", "12 KiB", "100 MiB".
func bytesText(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	size, i := float64(n), 0
	for size >= 1024 && i < len(units)-1 {
		size /= 1024
		i++
	}
	if i == 0 || size >= 10 {
		return fmt.Sprintf("%.0f %s", size, units[i])
	}
	return fmt.Sprintf("%.1f %s", size, units[i])
}
