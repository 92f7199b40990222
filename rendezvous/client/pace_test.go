package client

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const late = 5 * time.Second
	type attempt struct{ took, want time.Duration }
	for name, attempts := range map[string][]attempt{
		"nobody is there": {
			{0, retryLeast}, {0, 2 * retryLeast}, {0, 4 * retryLeast}, {0, 8 * retryLeast},
			{0, 16 * retryLeast}, {0, 32 * retryLeast}, {0, retryMost}, {0, retryMost},
		},
		"one server is frozen": {{late, retryLeast}, {0, 2 * retryLeast}, {late, 4 * retryLeast}},
		"one of a crowd": {
			{late, retryLeast}, {late, late}, {late, 2 * late}, {late + balancerTimeout, crowdedMost},
			{late, crowdedMost}, {late, crowdedMost},
		},
		"a crowd that goes": {{balancerTimeout, retryLeast}, {late, late}, {0, retryMost}, {0, retryMost}},
	} {
		t.Run(name, func(t *testing.T) {
			var p pace
			for i, a := range attempts {
				if got := p.failed(a.took); got != a.want {
					t.Fatalf("after attempt %d it waits %v, want %v", i+1, got, a.want)
				}
			}
			p.found()
			if got := p.failed(0); got != retryLeast {
				t.Errorf("after it was served it waits %v", got)
			}
		})
	}
}
