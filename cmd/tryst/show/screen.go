package show

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/tryst-chat/tryst/node"
)

// patience is how long a message may be on its way before the person is told
// that its recipient seems to be away: longer than any first contact takes.
const patience = 2 * time.Second

// stale is how long a transfer may rest before the prompt no longer shows it:
// whoever sent it may have left for today.
const stale = 15 * time.Second

// usageWidth is the column in which help tells what a command is for.
const usageWidth = 48

// Screen prints above a line that a person is editing, and reads that line.
type Screen struct {
	term  *term.Terminal
	style style

	mu    sync.Mutex
	own   string                 // the account that is logged in
	files map[string]transfer    // those under way, by ID
	under map[string]*time.Timer // messages that no device has yet, by ID
	names map[string]bool        // accounts and groups seen, for completion
}

// transfer is a file on its way.
type transfer struct {
	far   string      // in words
	stale *time.Timer // takes it off the prompt
}

// NewScreen returns a screen on a terminal in raw mode.
func NewScreen(terminal io.ReadWriter, colour bool) *Screen {
	s := &Screen{
		term:  term.NewTerminal(terminal, ""),
		style: style(colour),
		files: make(map[string]transfer),
		under: make(map[string]*time.Timer),
		names: make(map[string]bool),
	}
	s.term.History = &history{}
	s.term.AutoCompleteCallback = s.complete
	s.term.SetPrompt(s.prompt())
	return s
}

// SetSize tells the screen how large the terminal is, in characters.
func (s *Screen) SetSize(width, height int) { s.term.SetSize(width, height) }

// ReadLine reads a line; at Ctrl-C and Ctrl-D it returns io.EOF. One goroutine
// reads.
func (s *Screen) ReadLine() (string, error) {
	line, err := s.term.ReadLine()
	if err == term.ErrPasteIndicator { // pasted lines are lines
		err = nil
	}
	return line, err
}

// ReadPassword asks for a password without showing it.
func (s *Screen) ReadPassword(prompt string) (string, error) {
	return s.term.ReadPassword(prompt)
}

// Print prints an event above the line that is being edited.
func (s *Screen) Print(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(e)
	s.draw(s.words(e))
}

// note keeps what later events, the prompt and completion need; mu is held.
func (s *Screen) note(e Event) {
	s.own = loggedIn(s.own, e)
	for _, name := range []string{e.From, e.To, e.By, e.Account} {
		if name != "" && name != s.own {
			s.names[name] = true
		}
	}
	for _, g := range e.Groups {
		s.names[g.Name] = true
	}
	if e.Group != "" {
		s.names[e.Group] = true
	}
	switch e.Kind {
	case string(node.EventSending):
		s.await(e)
	case string(node.EventSent), string(node.EventStored), string(node.EventDelivered), Failed:
		if timer := s.under[e.ID]; timer != nil {
			timer.Stop()
			delete(s.under, e.ID)
		}
		if e.Kind != string(node.EventSent) {
			s.arrived(e.ID)
		}
	case string(node.EventProgress):
		s.arrived(e.ID)
		if done, total := number(e.Done), number(e.Total); done < total {
			s.moves(e.ID, fmt.Sprintf("%s %d%%", Clean(e.Name), done*100/total))
		}
	case string(node.EventWork):
		s.arrived(signUpWork)
		if done, total := number(e.Done), number(e.Total); done < total {
			s.moves(signUpWork, fmt.Sprintf("work %d%%", done*100/total))
		}
	case string(node.EventFile):
		s.arrived(e.ID)
	}
}

// signUpWork stands for the work before a sign-up among what is under way; no message
// has such an ID.
const signUpWork = "sign up"

// moves shows in the prompt how far a transfer is, for a while; mu is held.
func (s *Screen) moves(id, far string) {
	var t transfer
	t = transfer{far, time.AfterFunc(stale, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.files[id].stale == t.stale {
			delete(s.files, id)
			s.draw("")
		}
	})}
	s.files[id] = t
}

// arrived takes a transfer off the prompt; mu is held.
func (s *Screen) arrived(id string) {
	if t, ok := s.files[id]; ok {
		t.stale.Stop()
		delete(s.files, id)
	}
}

// draw prints lines above the prompt, and the prompt anew, also for no lines;
// mu is held.
func (s *Screen) draw(lines string) {
	s.term.SetPrompt(s.prompt())
	if lines != "" {
		lines += "\n"
	}
	io.WriteString(s.term, lines)
}

// await tells the person after a while that a message waits; mu is held.
func (s *Screen) await(e Event) {
	s.under[e.ID] = time.AfterFunc(patience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.under[e.ID] == nil {
			return
		}
		delete(s.under, e.ID)
		s.draw(s.style.dim("  " + recipient(e) + " is not there now; it goes out when they are back."))
	})
}

// prompt shows who one is, and what is on its way; mu is held.
func (s *Screen) prompt() string {
	own := s.own
	if own == "" {
		own = "tryst"
	}
	moving := ""
	if len(s.files) == 1 {
		for _, t := range s.files {
			moving = "[" + t.far + "] "
		}
	} else if len(s.files) > 1 {
		moving = fmt.Sprintf("[%d files] ", len(s.files))
	}
	return moving + own + "> "
}

// words puts an event into lines for a person, "" for what needs none; mu is
// held.
func (s *Screen) words(e Event) string {
	switch e.Kind {
	case string(node.EventSending), string(node.EventProgress):
		return ""
	case string(node.EventSent):
		if e.Group == "" {
			return "" // that somebody has it follows
		}
		return s.style.dim("  ✓ sent to " + e.Group)
	case string(node.EventStored):
		if e.Group != "" {
			return s.style.dim("  ✓ kept for those of " + e.Group + " who are away")
		}
		return s.style.dim("  ✓ kept for " + e.To + ", who is away")
	case string(node.EventRead):
		return s.style.dim("  ✓ " + e.By + " has read it")
	case string(node.EventGap):
		return s.style.cyan("["+e.Group+"]") + s.style.dim(" "+Clean(e.Text))
	case History, Found:
		return s.history(e)
	case Status:
		return s.style.dim(statusLines(e, s.own))
	case Marked, Receipts:
		return s.style.dim("  ✓ " + plain(e, s.own))
	case string(node.EventDelivered):
		if e.Group != "" {
			return s.style.dim("  ✓ all of " + e.Group + " have it")
		}
		return s.style.dim("  ✓ " + e.By + " has it")
	case string(node.EventMessage):
		return s.speaker(e) + s.paragraph(e.Text)
	case string(node.EventFile):
		return s.speaker(e) + fmt.Sprintf("sent %s (%s)\n%s", Clean(e.Name), bytesText(number(e.Size)), s.style.dim("  saved as "+Clean(e.Path)))
	case SignedUp:
		return s.style.green("✓ You are signed up as "+e.Account+".") + "\n" + s.style.dim("  Type: login "+e.Account)
	case LoggedIn:
		return s.style.green("✓ You are logged in as " + e.Account + ".")
	case LoggedOut, Created:
		return s.style.green("✓ " + plain(e, s.own))
	case Joined:
		return s.style.cyan("["+e.Group+"]") + " " + e.Account + " joined" + waiting(e)
	case Left, Removed:
		return s.style.cyan("["+e.Group+"]") + " " + s.gone(e)
	case Invited:
		return s.style.cyan("["+e.Group+"]") + " " + s.invited(e)
	case Admin:
		return s.style.cyan("["+e.Group+"]") + " " + newAdmin(e)
	case Members:
		return "  " + strings.Join(memberLines(e.Members), "\n  ")
	case Groups:
		return s.table(e.Groups)
	case Comparison:
		return s.comparison(e)
	case Verified:
		return s.style.green("✓ The numbers are the same: nobody stands between you and " + e.Account + ".")
	case Contacts:
		return s.contacts(e)
	case Accepted:
		return s.style.green("✓ " + e.Account + " may write to you.")
	case Blocked:
		return s.style.green("✓ You see nothing more of "+e.Account+".") + s.stillReads(e)
	case Unblocked:
		return s.style.green("✓ " + e.Account + " is not blocked any more.")
	case Asks:
		return s.style.bold("· " + asks(e))
	case Help:
		return s.usage(e.Usage)
	case Failed:
		text := s.style.red("✗ " + Clean(e.Message))
		if e.Hint != "" {
			text += "\n" + s.style.dim("  "+Clean(e.Hint))
		}
		return text
	case string(node.EventWork):
		if e.Text == "" {
			return "" // the prompt shows how far it is
		}
		return s.style.dim("· " + Clean(e.Text))
	case string(node.EventLink), Notice:
		return s.style.dim("· " + Clean(e.Text))
	default:
		return plain(e, s.own)
	}
}

func (s *Screen) speaker(e Event) string {
	who := s.style.bold(e.From)
	if e.Group != "" {
		who = s.style.cyan("["+e.Group+"]") + " " + s.past(e)
	} else if e.To != "" && e.From == s.own && e.To != s.own {
		who += " -> " + e.To
	}
	at := "15:04"
	if e.Earlier {
		at = "2006-01-02 15:04"
	}
	return s.style.dim(e.At.Local().Format(at)) + " " + who + " : "
}

// past is as for the plain printer.
func (s *Screen) past(e Event) string {
	switch {
	case e.Claimed != "":
		return s.style.red("(earlier, according to "+e.From+")") + " " + e.Claimed
	case e.Earlier:
		return s.style.dim("(earlier)") + " " + s.style.bold(e.From)
	default:
		return s.style.bold(e.From)
	}
}

// invited says who is invited, and to whom that is oneself what to do; mu is held.
func (s *Screen) invited(e Event) string {
	if e.Account == s.own {
		return e.By + " invites you" + "\n" + s.style.dim("  Type: join "+e.Group)
	}
	return e.By + " invited " + e.Account
}

// gone says who is no member any more; mu is held.
func (s *Screen) gone(e Event) string {
	switch {
	case e.Kind == Left && e.Account == s.own:
		return "you have left"
	case e.Kind == Left:
		return e.Account + " left"
	case e.Account == s.own:
		return e.By + " has removed you"
	default:
		return e.By + " removed " + e.Account
	}
}

// paragraph lets a text have several lines, each made harmless, all but the
// first indented so that none looks like another person's.
func (s *Screen) paragraph(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Clean(strings.TrimSuffix(lines[i], "\r"))
	}
	return strings.Join(lines, "\n        ")
}

func (s *Screen) table(groups []Group) string {
	if len(groups) == 0 {
		return s.style.dim("  There are no groups yet. Type: create <groupname>")
	}
	lines := make([]string, len(groups))
	for i, g := range groups {
		lines[i] = fmt.Sprintf("%s  %s : %d", s.style.dim(fmt.Sprintf("%3d", g.Number)), s.style.bold(g.Name), g.Members)
		switch {
		case g.Mine && g.Private:
			lines[i] += s.style.dim("  (yours, private)")
		case g.Mine:
			lines[i] += s.style.dim("  (yours)")
		case g.Invited:
			lines[i] += s.style.green("  (you are invited)")
		}
	}
	return strings.Join(lines, "\n")
}

func (s *Screen) usage(usage []Usage) string {
	lines := make([]string, len(usage))
	for i, u := range usage {
		verb, arguments, _ := strings.Cut(u.Usage, " <")
		if arguments != "" {
			arguments = " <" + arguments
		}
		gap := strings.Repeat(" ", max(1, usageWidth-len(u.Usage)))
		lines[i] = "  " + s.style.bold(verb) + s.style.cyan(arguments) + gap + s.style.dim(u.About)
	}
	return strings.Join(lines, "\n")
}
