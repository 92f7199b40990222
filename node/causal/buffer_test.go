package causal

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.UnixMilli(1_800_000_000_000)

func id(n int) ChainID { return ChainID{byte(n), 1} }

// add takes a message and returns what is shown.
func add(b *Buffer, m Message, at time.Duration) (shown []Place) {
	*b, shown = b.Add(m, start.Add(at))
	return shown
}

func said(chain, n int, after ...After) Message {
	return Message{Place: Place{id(chain), uint32(n)}, After: after, Said: length(0)}
}

// length is what a message says whose sender knows a membership chain of n statements.
func length(n uint64) Said { return Said{n, start.Add(time.Duration(n) * time.Second)} }

func places(list ...Message) (places []Place) {
	for _, m := range list {
		places = append(places, m.Place)
	}
	return places
}

func expect(t *testing.T, what string, got, want []Place) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: shown %v, want %v", what, got, want)
	}
}

func TestOrder(t *testing.T) {
	first, second, third := said(1, 0), said(1, 1), said(1, 2)
	answer := said(2, 0, After{id(1), 2})
	var b Buffer
	expect(t, "the third alone", add(&b, third, 0), nil)
	expect(t, "the third again", add(&b, third, 0), nil)
	expect(t, "an answer to the second", add(&b, answer, 0), nil)
	expect(t, "the first", add(&b, first, 0), places(first))
	expect(t, "the second", add(&b, second, 0), places(second, third, answer))
	expect(t, "the second again", add(&b, second, 0), places(second)) // the caller has seen it
	if b.Holds() != 0 {
		t.Errorf("%d wait", b.Holds())
	}
}

// A chain begins where the caller says that it does for this device.
func TestBase(t *testing.T) {
	var b Buffer
	m := said(1, 7)
	m.Base = 6
	expect(t, "the one before can come", add(&b, m, 0), nil)
	before := said(1, 6)
	before.Base = 6
	expect(t, "it comes", add(&b, before, 0), places(before, m))
}

func TestPatience(t *testing.T) {
	var b Buffer
	early, answer := said(1, 3), said(2, 0, After{id(1), 4}, After{id(9), 1})
	expect(t, "early", add(&b, early, 0), nil)
	expect(t, "answer", add(&b, answer, time.Second), nil)
	if gaps := b.Gaps(start.Add(Notice - 1)); gaps != nil {
		t.Errorf("told at once: %v", gaps)
	}
	want := []Gap{{id(1), 3, early.Place}, {id(9), 1, answer.Place}}
	if gaps := b.Gaps(start.Add(time.Second + Notice)); !reflect.DeepEqual(gaps, want) {
		t.Errorf("gaps %v, want %v", gaps, want)
	}
	b, ready, missing := b.Expire(start.Add(Patience))
	expect(t, "after patience", ready, places(early))
	if want := []Gap{{id(1), 3, early.Place}}; !reflect.DeepEqual(missing, want) {
		t.Errorf("missing %v, want %v", missing, want)
	}
	b, ready, missing = b.Expire(start.Add(Patience + time.Second))
	expect(t, "the answer waits for the chain that never came", ready, places(answer))
	if missing != nil {
		t.Errorf("missing %v", missing)
	}
	expect(t, "late", add(&b, said(1, 1), Patience+time.Minute), places(said(1, 1)))
}

func TestWhatWaitsIsBounded(t *testing.T) {
	var b Buffer
	shown := 0
	for n := range 3 * MaxHeld {
		shown += len(add(&b, said(1, 2*n+1), 0))
		if b.Holds() > MaxHeld {
			t.Fatalf("%d wait", b.Holds())
		}
	}
	if shown != 2*MaxHeld {
		t.Errorf("%d shown", shown)
	}
	for n := range MaxChains + 10 {
		m := said(0, 0)
		m.Chain = ChainID{byte(n), byte(n >> 8), 2}
		add(&b, m, 0)
	}
	if len(b.chains) > MaxChains {
		t.Errorf("%d chains", len(b.chains))
	}
}

func TestSpeak(t *testing.T) {
	var b Buffer
	own := Place{id(7), 0}
	add(&b, said(1, 0), 0)
	m := said(2, 0)
	m.Said = length(5)
	add(&b, m, 0)
	b, heads := b.Speak(own, length(5), 9, false)
	if want := []Head{{After{id(2), 1}, length(5)}, {After{id(1), 1}, length(0)}}; !reflect.DeepEqual(heads, want) {
		t.Errorf("follows %v, want %v", heads, want)
	}
	b, heads = b.Speak(Place{id(7), 1}, length(5), 9, false)
	if heads != nil {
		t.Errorf("names again %v", heads)
	}
	// Its own next chain follows the one before.
	b, heads = b.Speak(Place{id(8), 0}, length(6), 9, false)
	if want := []Head{{After{id(7), 2}, length(5)}}; !reflect.DeepEqual(heads, want) {
		t.Errorf("the next chain follows %v, want %v", heads, want)
	}
	// Somebody who hears this device for the first time is told all.
	if _, heads := b.Speak(Place{id(8), 1}, length(6), 9, true); len(heads) != 3 {
		t.Errorf("the first for somebody follows %v", heads)
	}
	for n := range 5 {
		add(&b, said(20+n, 0), 0)
	}
	if _, heads = b.Speak(Place{id(8), 1}, length(6), 2, false); len(heads) != 2 || heads[0].Chain != id(24) {
		t.Errorf("of many the newest: %v", heads)
	}
}

// speaker is a device of the model: what it has shown, and its buffer.
type speaker struct {
	chain  int
	next   uint32
	buffer Buffer
	shown  []Place
	inbox  []Message
}

// Devices that talk over a network which delays, doubles, reorders and loses show each
// message once, each sender's in order, and none before what its writer had shown, as
// long as everything comes in time. Their states may be stored and read at any moment.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		devices := make([]*speaker, rapid.IntRange(2, 4).Draw(t, "devices"))
		for i := range devices {
			devices[i] = &speaker{chain: i + 1}
		}
		past := map[Place]map[Place]bool{} // what its writer had shown
		show := func(d *speaker, ready []Place) {
			for _, p := range ready {
				if slices.Contains(d.shown, p) {
					continue // a double, which the caller knows
				}
				for before := range past[p] {
					if !slices.Contains(d.shown, before) {
						t.Fatalf("device %d shows %v before %v", d.chain, p, before)
					}
				}
				d.shown = append(d.shown, p)
			}
		}
		deliver := func(d *speaker, i int) {
			m := d.inbox[i]
			d.inbox = slices.Delete(d.inbox, i, i+1)
			var ready []Place
			d.buffer, ready = d.buffer.Add(m, start)
			show(d, ready)
		}
		t.Repeat(map[string]func(*rapid.T){
			"speak": func(t *rapid.T) {
				d := rapid.SampledFrom(devices).Draw(t, "speaker")
				own := Place{id(d.chain), d.next}
				var heads []Head
				d.buffer, heads = d.buffer.Speak(own, length(1), 8, false)
				m := Message{Place: own, Said: length(1)}
				for _, h := range heads {
					m.After = append(m.After, h.After)
				}
				d.next++
				past[own] = map[Place]bool{}
				for _, p := range d.shown {
					past[own][p] = true
				}
				d.shown = append(d.shown, own)
				for _, other := range devices {
					if other != d {
						copies := rapid.IntRange(1, 2).Draw(t, "copies")
						for range copies {
							other.inbox = append(other.inbox, m)
						}
					}
				}
			},
			"deliver": func(t *rapid.T) {
				d := rapid.SampledFrom(devices).Draw(t, "receiver")
				if len(d.inbox) == 0 {
					t.Skip("nothing")
				}
				deliver(d, rapid.IntRange(0, len(d.inbox)-1).Draw(t, "which"))
			},
			"store": func(t *rapid.T) {
				d := rapid.SampledFrom(devices).Draw(t, "device")
				raw, err := d.buffer.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				if d.buffer, err = Parse(raw); err != nil {
					t.Fatal(err)
				}
			},
		})
		for _, d := range devices {
			for len(d.inbox) > 0 {
				deliver(d, rapid.IntRange(0, len(d.inbox)-1).Draw(t, "which"))
			}
			if d.buffer.Holds() > 0 || len(d.shown) != len(past) {
				t.Fatalf("device %d: %d of %d shown, %d wait", d.chain, len(d.shown), len(past), d.buffer.Holds())
			}
		}
	})
}

// Whatever is lost, what has come is shown in the end, once, and each sender's in order
// but for what comes after it was given up.
func TestLosses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Message
		for chain := range rapid.IntRange(1, 4).Draw(t, "chains") {
			for n := range rapid.IntRange(1, 6).Draw(t, "messages") {
				m := said(chain, n)
				if rapid.Bool().Draw(t, "follows") {
					m.After = []After{{id(rapid.IntRange(0, 5).Draw(t, "whom")), uint32(rapid.IntRange(1, 7).Draw(t, "until"))}}
				}
				if rapid.IntRange(0, 3).Draw(t, "comes") > 0 {
					all = append(all, m)
				}
			}
		}
		all = rapid.Permutation(all).Draw(t, "order")
		var b Buffer
		shown := map[Place]int{}
		last := map[ChainID]uint32{}
		note := func(ready []Place, late bool) {
			for _, p := range ready {
				shown[p]++
				if n, spoke := last[p.Chain]; spoke && p.Iteration < n && !late {
					t.Fatalf("%v after %d", p, n)
				}
				last[p.Chain] = max(last[p.Chain], p.Iteration)
			}
		}
		for i, m := range all {
			at := start.Add(time.Duration(i) * time.Second)
			late := m.Iteration < b.chains[m.Chain].next
			var ready []Place
			b, ready = b.Add(m, at)
			note(ready, late)
			if rapid.IntRange(0, 9).Draw(t, "later") == 0 {
				b, ready, _ = b.Expire(at.Add(Patience))
				note(ready, false)
			}
		}
		b, ready, _ := b.Expire(start.Add(time.Hour))
		note(ready, false)
		for _, m := range all {
			if shown[m.Place] != 1 {
				t.Fatalf("%v shown %d times", m.Place, shown[m.Place])
			}
		}
		if b.Holds() > 0 || len(shown) != len(all) {
			t.Fatalf("%d of %d shown, %d wait", len(shown), len(all), b.Holds())
		}
	})
}

func TestABufferIsAValue(t *testing.T) {
	var b Buffer
	add(&b, said(1, 0), 0)
	add(&b, said(1, 2), 0)
	before := fmt.Sprint(maps.Clone(b.chains), b.held)
	b.Add(said(1, 1), start)
	b.Speak(Place{id(3), 0}, length(1), 9, false)
	b.Expire(start.Add(time.Hour))
	if after := fmt.Sprint(b.chains, b.held); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

func FuzzParse(f *testing.F) {
	var b Buffer
	add(&b, said(1, 0), 0)
	add(&b, said(2, 3, After{id(1), 4}), 0)
	raw, err := b.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := Parse(raw)
		if err != nil {
			return
		}
		again, err := b.MarshalBinary()
		if err != nil || !slices.Equal(again, raw) {
			t.Errorf("%x becomes %x: %v", raw, again, err)
		}
	})
}
