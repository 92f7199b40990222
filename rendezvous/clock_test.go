package rendezvous

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/clock"
)

// A server leaves only after its clock was wrong by every look for clockPatience, and by what
// others said lately.
func TestClocks(t *testing.T) {
	const self, a, b = peer.ID("self"), peer.ID("a"), peer.ID("b")
	voters := []peer.ID{self, a, b}
	hour := clock.Span{Low: time.Hour, High: time.Hour + time.Second}
	began := time.Now()
	type step struct {
		after time.Duration // the one before
		heard map[peer.ID]clock.Span
		want  clock.State
		leave bool
	}
	both := func(s clock.Span) map[peer.ID]clock.Span { return map[peer.ID]clock.Span{a: s, b: s} }
	for name, steps := range map[string][]step{
		"wrong for long": {
			{0, both(hour), clock.Wrong, false},
			{clockPatience / 2, both(hour), clock.Wrong, false},
			{clockPatience / 2, both(hour), clock.Wrong, true},
		},
		"right in between": {
			{0, both(hour), clock.Wrong, false},
			{clockPatience / 2, both(clock.Span{}), clock.Good, false},
			{clockPatience / 2, both(hour), clock.Wrong, false},
			{clockPatience, both(hour), clock.Wrong, true},
		},
		"nobody is heard any more": {
			{0, both(hour), clock.Wrong, false},
			{clockMemory, nil, clock.Unknown, false},
			{clockPatience, both(hour), clock.Wrong, false},
		},
		"one is not heard": {
			{0, map[peer.ID]clock.Span{a: hour}, clock.Apart, false},
			{clockPatience, map[peer.ID]clock.Span{a: hour}, clock.Apart, false},
			{clockPatience, map[peer.ID]clock.Span{b: hour}, clock.Apart, false},
		},
		"a server that has no vote": {
			{0, map[peer.ID]clock.Span{a: hour, "c": hour}, clock.Apart, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c clocks
			now := began
			for i, step := range steps {
				now = now.Add(step.after)
				for id, span := range step.heard {
					c.hear(id, span, now)
				}
				is, _, leave := c.judge(voters, self, now)
				if is.State != step.want || leave != step.leave || c.now() != is {
					t.Errorf("step %d: %v, leave %v", i, is, leave)
				}
			}
		})
	}
}

func TestMisset(t *testing.T) {
	for _, c := range []struct {
		judged clock.Judgement
		want   string
	}{
		{clock.Judgement{State: clock.Good, Ahead: time.Second}, ""},
		{clock.Judgement{}, ""},
		{clock.Judgement{State: clock.Wrong, Ahead: time.Hour - time.Second}, "clock is 1h0m ahead of the other servers'; set it (timedatectl set-ntp true)"},
		{clock.Judgement{State: clock.Wrong, Ahead: -5*time.Minute - 3*time.Second}, "clock is 5m3s behind the other servers'; set it (timedatectl set-ntp true)"},
		{clock.Judgement{State: clock.Off, Ahead: -11 * time.Second}, "clock is 11s behind the other servers'; set it (timedatectl set-ntp true)"},
		{clock.Judgement{State: clock.Apart, Ahead: 2 * time.Minute}, "clock is 2m ahead of another server's, and no majority says which of them is right; set both (timedatectl set-ntp true)"},
	} {
		if got := misset(c.judged); got != c.want {
			t.Errorf("%+v: %q", c.judged, got)
		}
	}
}
