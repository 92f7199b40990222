package rendezvous

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/clock"
)

// clocks is what a server knows of the others' clocks, and of its own by them.
type clocks struct {
	mu     sync.Mutex
	heard  map[peer.ID]reading
	judged clock.Judgement
	wrong  time.Time // since when it was judged to be wrong every time; zero: it was not
}

// reading is what another server's clock showed.
type reading struct {
	span clock.Span
	at   time.Time
}

// hear notes what time another server says that it is. Readings that are too old to be
// judged by stay no longer than the server is asked again.
func (c *clocks) hear(server peer.ID, span clock.Span, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard == nil || len(c.heard) >= maxVouched {
		c.heard = make(map[peer.ID]reading)
	}
	c.heard[server] = reading{span, now}
}

// judge judges this server's clock by the voters that were heard lately. It returns the
// judgement, the one before, and whether there has been a reason to leave for so long that
// it is not a clock that is just being set.
func (c *clocks) judge(voters []peer.ID, self peer.ID, now time.Time) (is, was clock.Judgement, leave bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	votes := false
	var spans []clock.Span
	for _, id := range voters {
		votes = votes || id == self
		if r, ok := c.heard[id]; ok && id != self && now.Sub(r.at) < clockMemory {
			spans = append(spans, r.span)
		}
	}
	is, was = clock.Judge(len(voters), votes, spans), c.judged
	c.judged = is
	switch {
	case is.State != clock.Wrong:
		c.wrong = time.Time{}
	case c.wrong.IsZero():
		c.wrong = now
	}
	return is, was, !c.wrong.IsZero() && now.Sub(c.wrong) >= clockPatience
}

func (c *clocks) now() clock.Judgement {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.judged
}

// checkClock returns an error, in a sentence for the operator, if this server must leave
// since its clock is wrong. What is less than that is logged once.
func (s *Server) checkClock() error {
	var voters []peer.ID
	for _, m := range s.members() {
		if m.Voter {
			voters = append(voters, m.ID)
		}
	}
	is, was, leave := s.clocks.judge(voters, s.ID(), time.Now())
	if leave {
		return fmt.Errorf("rendezvous: this server's %s and start the server again", misset(is))
	}
	if is.State == was.State || is.State == clock.Unknown {
		return nil
	}
	if is.State != clock.Good {
		s.log.Warn("this server's " + misset(is))
	} else if was.State != clock.Unknown {
		s.log.Info("this server's clock agrees with the other servers' again")
	}
	return nil
}

// misset says how a clock is wrong and how to mend it.
func misset(j clock.Judgement) string {
	switch j.State {
	case clock.Off, clock.Wrong:
		return fmt.Sprintf("clock is %s the other servers'; set it (timedatectl set-ntp true)", lead(j.Ahead))
	case clock.Apart:
		return fmt.Sprintf("clock is %s another server's, and no majority says which of them is right; set both (timedatectl set-ntp true)", lead(j.Ahead))
	default:
		return ""
	}
}

// lead is a difference between clocks for a person: "1h0m ahead of".
func lead(ahead time.Duration) string {
	precision := time.Second
	if ahead.Abs() > 10*time.Minute {
		precision = time.Minute
	}
	text := ahead.Abs().Round(precision).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if ahead < 0 {
		return text + " behind"
	}
	return text + " ahead of"
}
