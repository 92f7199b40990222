package clock

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// about is the span of a clock that is ahead by so much at least, known to a second.
func about(ahead time.Duration) Span {
	switch {
	case ahead > 0:
		return Span{ahead, ahead + time.Second}
	case ahead < 0:
		return Span{ahead - time.Second, ahead}
	default:
		return Span{-time.Second / 2, time.Second / 2}
	}
}

func TestJudge(t *testing.T) {
	const h, m, s = time.Hour, time.Minute, time.Second
	for _, c := range []struct {
		name   string
		voters int
		joins  bool // it does not vote
		others []Span
		want   Judgement
	}{
		{"alone", 1, false, nil, Judgement{Good, 0}},
		{"nobody heard yet", 3, false, nil, Judgement{Unknown, 0}},
		{"all alike", 3, false, []Span{about(0), about(s)}, Judgement{Good, 0}},
		{"one is enough", 3, false, []Span{about(0)}, Judgement{Good, 0}},
		{"an hour ahead", 3, false, []Span{about(-h), about(-h)}, Judgement{Wrong, h}},
		{"an hour behind", 3, false, []Span{about(h), about(h + s)}, Judgement{Wrong, -h}},
		{"an hour ahead of the only one heard", 3, false, []Span{about(-h)}, Judgement{Apart, h}},
		{"another one is wrong", 3, false, []Span{about(0), about(h)}, Judgement{Good, 0}},
		{"all three differ", 3, false, []Span{about(h), about(-h)}, Judgement{Apart, -h}},
		{"all three differ, the others ahead", 3, false, []Span{about(h), about(3 * h)}, Judgement{Apart, -3 * h}},
		{"two", 2, false, []Span{about(-h)}, Judgement{Apart, h}},
		{"two, alike", 2, false, []Span{about(0)}, Judgement{Good, 0}},
		{"half of four", 4, false, []Span{about(0), about(h), about(h)}, Judgement{Apart, -h}},
		{"a minority of five", 5, false, []Span{about(0), about(h), about(h), about(h)}, Judgement{Wrong, -h}},
		{"a majority of five", 5, false, []Span{about(0), about(0), about(h), about(h)}, Judgement{Good, 0}},
		{"a minute off", 3, false, []Span{about(m), about(m)}, Judgement{Off, -m}},
		{"below the bound", 3, false, []Span{about(Bound), about(Bound)}, Judgement{Off, -Bound}},
		{"above the bound", 3, false, []Span{about(Bound + s), about(Bound + s)}, Judgement{Wrong, -Bound - s}},
		{"below what is noticed", 3, false, []Span{about(Notice), about(Notice)}, Judgement{Good, -Notice}},
		{"on both sides", 3, false, []Span{about(h), about(-h), about(h)}, Judgement{Wrong, -h}},
		{"the others differ among themselves", 3, false, []Span{about(m), about(2 * m)}, Judgement{Apart, -2 * m}},
		{"far behind others that differ", 3, false, []Span{about(h), about(h + m)}, Judgement{Wrong, -h}},
		{"answers took long", 3, false, []Span{{-h, h}, {-h, h}}, Judgement{Good, 0}},
		{"one answer took long", 3, false, []Span{{-h, 2 * h}, about(h)}, Judgement{Good, 0}},
		{"to join", 3, true, []Span{about(h), about(h), about(h)}, Judgement{Wrong, -h}},
		{"to join one server", 1, true, []Span{about(h)}, Judgement{Wrong, -h}},
		{"to join, nobody heard", 1, true, nil, Judgement{Unknown, 0}},
	} {
		if got := Judge(c.voters, !c.joins, c.others); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// A clock is within what was measured of it, however long the question was under way and
// whichever part of that went by before it was read.
func TestMeasure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		there := time.Duration(rapid.Int64Range(-int64(24*time.Hour), int64(24*time.Hour)).Draw(t, "ahead"))
		way := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "way"))
		back := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "back"))
		sent := time.Unix(1_800_000_000, 0)
		got := Measure(sent, sent.Add(way+there), sent.Add(way+back))
		if there < got.Low || there > got.High || got.High-got.Low != way+back {
			t.Fatalf("%v is not in %v", there, got)
		}
	})
}

// Of clocks whose leads are known: a server leaves only if a majority of the voters truly is
// farther than Bound from it; those that leave are a minority, in whichever directions they
// are off; and while a majority is right and heard, whoever is far off leaves.
func TestJudgeOfCluster(t *testing.T) {
	leads := []time.Duration{0, 0, 0, time.Second, -3 * time.Second, time.Minute, 4 * time.Minute, 6 * time.Minute, -time.Hour, time.Hour, 25 * time.Hour}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "voters")
		clocks := rapid.SliceOfN(rapid.SampledFrom(leads), n, n).Draw(t, "clocks")
		all := rapid.Bool().Draw(t, "all are heard")
		right := 0
		for _, c := range clocks {
			if c.Abs() <= time.Minute {
				right++
			}
		}
		leave := 0
		for i, own := range clocks {
			var others []Span
			far := 0
			for j, c := range clocks {
				if i == j || !all && rapid.Bool().Draw(t, "lost") {
					continue
				}
				if (c - own).Abs() > Bound {
					far++
				}
				way := time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "way"))
				back := time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "back"))
				others = append(others, Span{c - own - back, c - own + way})
			}
			got := Judge(n, true, others)
			if got.State != Wrong {
				if all && right > n/2 && own.Abs() > 2*Bound {
					t.Fatalf("%v of %v stays: %+v", own, clocks, got)
				}
				continue
			}
			leave++
			if far <= n/2 || got.Ahead.Abs() < Bound {
				t.Fatalf("%v of %v leaves, with %d far from it: %+v", own, clocks, far, got)
			}
		}
		if leave > (n-1)/2 {
			t.Fatalf("%d of %v leave", leave, clocks)
		}
	})
}
