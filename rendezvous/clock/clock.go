// Package clock judges from what a server has measured of the other servers' clocks
// whether its own is wrong. It measures nothing and reads no clock itself: package
// rendezvous asks the others and does what is to be done.
//
// Cookies, permits and certificates compare one machine's time with another's. Nobody
// knows what time it truly is, so the majority of the servers that vote is right: the
// same servers whose word is the cluster's.
package clock

import (
	"cmp"
	"slices"
	"time"
)

// Bounds of how far clocks may be apart.
const (
	// Notice is how far a clock may be from another before somebody should know: a login
	// begun at one server is finished at another one only while their clocks are within
	// auth's 10 s. Clocks that NTP keeps are within 0.1 s.
	Notice = 10 * time.Second
	// Bound is how far a clock may be from the majority's for its server to stay. Two
	// servers within it are at most twice as far from each other, which is below the 15
	// minutes that package record allows between who signs a permit and who checks it.
	Bound = 5 * time.Minute
)

// Span is where another clock's lead over one's own lies: at least Low and at most High,
// negative where it is behind. It is as wide as the question was under way, so that a slow
// network or a process that was stopped makes a Span wide, and not wrong.
type Span struct{ Low, High time.Duration }

// Measure returns the Span of a clock that showed there at some moment between one's own
// sent and received.
func Measure(sent, there, received time.Time) Span {
	// Without monotonic readings, of which another machine's clock has none.
	return Span{there.Sub(received.Round(0)), there.Sub(sent.Round(0))}
}

// least is how far apart the two clocks are at least: what is certain.
func (s Span) least() time.Duration { return max(s.Low, min(s.High, 0)) }

// within tells whether the other clock may be at most so far from one's own.
func (s Span) within(bound time.Duration) bool { return s.Low <= bound && s.High >= -bound }

// State is what is the matter with one's own clock.
type State int

const (
	// Unknown: too few were heard to say anything.
	Unknown State = iota
	// Good: a majority's clocks, with one's own, are within Notice.
	Good
	// Apart: clocks differ by more than Notice, and no majority says which is wrong.
	Apart
	// Off: a majority's clocks agree that one's own is off by more than Notice.
	Off
	// Wrong: they agree that it is off by more than Bound.
	Wrong
)

// String implements fmt.Stringer.
func (s State) String() string { return [...]string{"unknown", "good", "apart", "off", "wrong"}[s] }

// Judgement is a State, and how far one's own clock is at least ahead, negative where it is
// behind: of the majority's; where clocks are Apart, of the one that is farthest away.
type Judgement struct {
	State State
	Ahead time.Duration
}

// Judge judges one's own clock. Of the cluster's voters, votes tells whether oneself is one
// of them, and others are the clocks of those others that were heard.
func Judge(voters int, votes bool, others []Span) Judgement {
	majority, agree := voters/2+1, 0
	if votes {
		agree = 1
	}
	if ahead, ok := outside(others, Bound, majority); ok {
		return Judgement{Wrong, ahead}
	}
	if ahead, ok := outside(others, Notice, majority); ok {
		return Judgement{Off, ahead}
	}
	var near []Span
	var farthest time.Duration
	for _, s := range others {
		if s.within(Notice) {
			near = append(near, s)
		} else if ahead := -s.least(); ahead.Abs() > farthest.Abs() {
			farthest = ahead
		}
	}
	switch {
	case agree+len(near) >= majority:
		return Judgement{Good, -median(near)}
	case farthest != 0:
		return Judgement{Apart, farthest}
	default:
		return Judgement{}
	}
}

// outside looks for a majority of clocks that are all farther than a bound from one's own,
// on the same side of it, and not farther than that from each other. It returns how far
// one's own is ahead of theirs.
func outside(others []Span, bound time.Duration, majority int) (ahead time.Duration, ok bool) {
	for _, side := range []func(Span) bool{
		func(s Span) bool { return s.Low > bound },
		func(s Span) bool { return s.High < -bound },
	} {
		var there []Span
		for _, s := range others {
			if side(s) {
				there = append(there, s)
			}
		}
		if agreeing := largest(there, bound); len(agreeing) >= majority {
			return -median(agreeing), true
		}
	}
	return 0, false
}

// largest returns the most spans that all reach into one stretch of a given width. If any
// stretch will do, then one that begins at the end of one of them.
func largest(spans []Span, width time.Duration) []Span {
	var most []Span
	for _, first := range spans {
		var reach []Span
		for _, s := range spans {
			if s.Low <= first.High+width && s.High >= first.High {
				reach = append(reach, s)
			}
		}
		if len(reach) > len(most) {
			most = reach
		}
	}
	return most
}

// median of what is certain of some spans, which are on one side of one's own clock or close
// to it; of an even number the one that is nearer. It is 0 of none.
func median(spans []Span) time.Duration {
	if len(spans) == 0 {
		return 0
	}
	leads := make([]time.Duration, len(spans))
	for i, s := range spans {
		leads[i] = s.least()
	}
	slices.SortFunc(leads, func(a, b time.Duration) int { return cmp.Compare(a.Abs(), b.Abs()) })
	return leads[(len(leads)-1)/2]
}
