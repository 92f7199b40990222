package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/quota"
)

// Every limit is shown with its reason, and a terminal of 100 columns holds it all.
func TestLimits(t *testing.T) {
	shown := limits(quota.Table())
	for line := range strings.Lines(shown) {
		if line = strings.TrimSuffix(line, "\n"); len(line) > limitsWidth {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	words := strings.Join(strings.Fields(shown), " ")
	for _, l := range quota.Table() {
		if !strings.Contains(words, l.Name) || !strings.Contains(words, l.Then) || !strings.Contains(words, l.Why) {
			t.Errorf("%s is not shown whole", l.Name)
		}
	}
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		limit             quota.Limit
		atOnce, givenBack string
	}{
		{quota.Limit{Burst: 8}, "8", ""},
		{quota.Limit{Name: "bytes that wait", Burst: 20 << 20}, "20.0 MiB", ""},
		{quota.Limit{Burst: 12_000, Rate: 2.5}, "12,000", "2.5/s"},
		{quota.Limit{Burst: 50, Rate: quota.Every(10 * time.Minute)}, "50", "1 in 10m"},
		{quota.Limit{Burst: 1_000_000, Rate: quota.Every(90 * time.Second)}, "1,000,000", "1 in 1m30s"},
		{quota.Limit{Burst: 100, Rate: quota.Every(5 * time.Second)}, "100", "1 in 5s"},
	} {
		if got := atOnce(c.limit); got != c.atOnce {
			t.Errorf("%q, want %q", got, c.atOnce)
		}
		if got := givenBack(c.limit); got != c.givenBack {
			t.Errorf("%q, want %q", got, c.givenBack)
		}
	}
}
