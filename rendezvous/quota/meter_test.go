package quota

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// What a meter lets through of one key, in any span of time, is at most the burst and
// what the rate gives back; it refuses nothing that is there; and what it says of the
// wait is true.
func TestMeter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := Limit{Burst: rapid.IntRange(1, 20).Draw(t, "burst"), Rate: rapid.SampledFrom([]float64{0.1, 1, 7}).Draw(t, "rate")}
		m := NewMeter[string](limit, 100)
		now, latest := start, start // a clock that goes back is one that stood
		granted := map[string]int{}
		m.Take("c", 1, start) // from when it counts
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-1000, 20_000).Draw(t, "ms")) * time.Millisecond)
			key := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
			n := rapid.IntRange(1, limit.Burst+1).Draw(t, "n")
			wait := m.Take(key, n, now)
			switch {
			case n > limit.Burst:
				if wait != Never {
					t.Fatalf("%d of a burst of %d: wait %v", n, limit.Burst, wait)
				}
				continue
			case wait > 0:
				if m.Take(key, n, now.Add(wait-1)) == 0 {
					t.Fatalf("there were %d before %v", n, wait)
				}
				if m.Take(key, n, now.Add(wait)) != 0 {
					t.Fatalf("after %v there still are not %d", wait, n)
				}
				now = now.Add(wait)
			}
			granted[key] += n
			if now.After(latest) {
				latest = now
			}
			if most := float64(limit.Burst) + limit.Rate*latest.Sub(start).Seconds() + 1e-6; float64(granted[key]) > most {
				t.Fatalf("%d were granted by %v, at most %f", granted[key], latest, most)
			}
		}
	})
}

func TestMeterForgetsTheQuietest(t *testing.T) {
	m := NewMeter[int](Limit{Burst: 1, Rate: 1}, 2)
	m.Take(1, 1, start)
	m.Take(2, 1, start)
	if m.Take(1, 1, start) == 0 { // which is no longer the quietest
		t.Fatal("one more than there is")
	}
	m.Take(3, 1, start) // forgets 2
	if len(m.purse) != 2 || m.order.Len() != 2 {
		t.Fatalf("remembers %d and %d", len(m.purse), m.order.Len())
	}
	if m.Take(1, 1, start) == 0 {
		t.Error("1 was forgotten")
	}
	if m.Take(2, 1, start) != 0 {
		t.Error("2 was not")
	}
}

func TestGive(t *testing.T) {
	m := NewMeter[int](Limit{Burst: 2, Rate: 1}, 2)
	m.Take(1, 2, start)
	m.Give(1, 1, start)
	if m.Take(1, 1, start) != 0 {
		t.Error("what was given back is not there")
	}
	m.Give(1, 5, start)
	if m.Take(1, 2, start) != 0 || m.Take(1, 1, start) == 0 {
		t.Error("more was given than a purse holds")
	}
}
