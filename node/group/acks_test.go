package group

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// deviceOf is a well-formed peer ID (an identity multihash), in the order of its names.
func deviceOf(name string) peer.ID { return peer.ID("\x00" + string(rune(len(name))) + name) }

func memberOf(account record.Account, device string) Member {
	return Member{account, deviceOf(device)}
}

func placeAt(n int) Place { return Place{[16]byte{1}, uint32(n)} }

func ranges(from, to int) []Range { return []Range{{[16]byte{1}, uint32(from), uint32(to)}} }

func TestAcks(t *testing.T) {
	bob, bobs, carol, mine := memberOf("bob2", "b1"), memberOf("bob2", "b2"), memberOf("carol3", "c1"), memberOf("alice1", "a2")
	everybody := []Member{bob, bobs, carol, mine}
	var a Acks
	for n := range 3 {
		a = a.Sent(placeAt(n), everybody)
	}
	has := func(m Member, next uint32, missing ...uint32) bool {
		var changed bool
		a, changed = a.Has(m.Device, []wire.Have{{Chain: [16]byte{1}, Next: next, Missing: missing}})
		return changed
	}
	reached := func(want []Range) {
		t.Helper()
		var got []Range
		if a, got = a.Reached("alice1"); !slices.Equal(got, want) {
			t.Errorf("reached %v, want %v", got, want)
		}
	}
	settled := func(want []Range) {
		t.Helper()
		var got []Range
		if a, got = a.Settled(); !slices.Equal(got, want) {
			t.Errorf("settled %v, want %v", got, want)
		}
	}
	has(mine, 3)
	reached(nil) // one's own other device is nobody else
	if !has(bob, 2) || has(bob, 1) || has(bob, 2) {
		t.Error("news is not told from what was known")
	}
	reached(ranges(0, 2))
	has(bobs, 3, 1)
	settled(nil)
	if got, lacks, ok := a.Of(placeAt(1)); !ok || !slices.Equal(got, []Member{mine, bob}) || !slices.Equal(lacks, []Member{bobs, carol}) {
		t.Errorf("has %v, lacks %v, %t", got, lacks, ok)
	}
	if has(bob, 99); len(a.chains) != 1 || a.chains[0].devices[1].next != 3 {
		t.Errorf("has what was never said: %+v", a.chains[0].devices)
	}

	// Carol is away: the servers keep for her what she lacks, and nothing for others.
	onlyCarol := func(m Member) bool { return m == carol }
	letters := a.ToStore(onlyCarol, 2)
	want := []ToStore{{placeAt(0), []peer.ID{deviceOf("c1")}}, {placeAt(1), []peer.ID{deviceOf("c1")}}}
	if fmt.Sprint(letters) != fmt.Sprint(want) {
		t.Errorf("to store %v, want %v", letters, want)
	}
	kept := func(want []Range) {
		t.Helper()
		var got []Range
		if a, got = a.Kept(); !slices.Equal(got, want) {
			t.Errorf("kept %v, want %v", got, want)
		}
	}
	kept(nil)
	a = a.Stored(letters)
	kept(ranges(0, 1)) // bob's second device lacks 1
	if !a.Uncovered() {
		t.Error("what bob lacks is covered")
	}
	a, _ = a.HasOne(deviceOf("b2"), placeAt(1))
	kept(ranges(1, 2)) // now that bob has it
	letters = a.ToStore(func(Member) bool { return true }, 9)
	if a = a.Stored(letters); a.Uncovered() {
		t.Error("uncovered")
	}
	kept(ranges(2, 3))
	kept(nil)
	settled(nil)
	a, _ = a.HasOne(deviceOf("c1"), placeAt(2))
	settled(nil)
	a = a.Keep(func(m Member) bool { return m != carol })
	settled(ranges(0, 3))
	settled(nil)
	if _, _, ok := a.Of(placeAt(1)); ok {
		t.Error("what is everywhere is remembered")
	}
}

func TestAcksOfAGroupOfOne(t *testing.T) {
	a := Acks{}.Sent(placeAt(5), nil)
	a, reached := a.Reached("alice1")
	_, settled := a.Settled()
	if !slices.Equal(reached, ranges(5, 6)) || !slices.Equal(settled, ranges(5, 6)) {
		t.Errorf("reached %v, settled %v", reached, settled)
	}
}

// Against a table of who has what: whatever devices say, in whatever order and as often
// as they do.
func TestAcksModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		devices := []Member{memberOf("bob2", "b1"), memberOf("bob2", "b2"), memberOf("carol3", "c1")}
		type key struct {
			device peer.ID
			at     Place
		}
		has, stored, for_ := map[key]bool{}, map[key]bool{}, map[key]bool{}
		next := map[byte]uint32{1: 3, 2: 0} // one chain begins somewhere
		told, keptTold := map[Place]int{}, map[Place]int{}
		var sent []Place
		var a Acks
		chain := func() byte { return rapid.SampledFrom([]byte{1, 2}).Draw(t, "chain") }
		device := func() Member { return rapid.SampledFrom(devices).Draw(t, "device") }
		note := func(ranges []Range) {
			for _, r := range ranges {
				for n := r.From; n < r.To; n++ {
					told[Place{r.Chain, n}]++
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				c := chain()
				at := Place{[16]byte{c}, next[c]}
				next[c]++
				a = a.Sent(at, devices)
				sent = append(sent, at)
				for _, d := range devices {
					for_[key{d.Device, at}] = true
				}
			},
			"has": func(t *rapid.T) {
				d, c := device(), chain()
				h := wire.Have{Chain: [16]byte{c}, Next: uint32(rapid.IntRange(0, int(next[c])+2).Draw(t, "next"))}
				for n := range h.Next {
					at := key{d.Device, Place{h.Chain, n}}
					if rapid.Bool().Draw(t, "missing") && !has[at] {
						h.Missing = append(h.Missing, n)
					} else if for_[at] {
						has[at] = true
					}
				}
				a, _ = a.Has(d.Device, []wire.Have{h})
			},
			"hasOne": func(t *rapid.T) {
				d := device()
				if len(sent) == 0 {
					t.Skip("nothing")
				}
				at := rapid.SampledFrom(sent).Draw(t, "which")
				if _, _, open := a.Of(at); open {
					has[key{d.Device, at}] = true
				}
				a, _ = a.HasOne(d.Device, at)
			},
			"store": func(t *rapid.T) {
				d := device()
				letters := a.ToStore(func(m Member) bool { return m == d }, 100)
				for _, l := range letters {
					at := key{d.Device, l.Place}
					if has[at] || stored[at] || !for_[at] || len(l.For) != 1 || l.For[0] != d.Device {
						t.Fatalf("stores %v", l)
					}
					stored[at] = true
				}
				for at := range for_ {
					if _, _, open := a.Of(at.at); at.device == d.Device && open && !has[at] && !stored[at] {
						t.Fatalf("does not store %v", at)
					}
				}
				a = a.Stored(letters)
			},
			"settle": func(t *rapid.T) {
				var settled []Range
				a, settled = a.Settled()
				note(settled)
			},
			"keep": func(t *rapid.T) {
				var kept []Range
				a, kept = a.Kept()
				for _, r := range kept {
					for n := r.From; n < r.To; n++ {
						keptTold[Place{r.Chain, n}]++
					}
				}
				for i, c := range a.chains { // all that is before what neither has is told, but for what is everywhere
					for n := c.first; n < c.next; n++ {
						at, lack, open := Place{c.id, n}, false, false
						for _, d := range a.chains[i].devices {
							k := key{d.Device, at}
							lack, open = lack || for_[k] && !has[k], open || for_[k] && !has[k] && !stored[k]
						}
						if open {
							break
						}
						if lack && keptTold[at] != 1 {
							t.Fatalf("%v is kept and was told %d times", at, keptTold[at])
						}
					}
				}
			},
			"": func(t *rapid.T) {
				raw, err := a.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				if a, err = ParseAcks(raw); err != nil {
					t.Fatal(err)
				}
				for _, at := range sent {
					got, lacks, open := a.Of(at)
					for _, m := range got {
						if !has[key{m.Device, at}] {
							t.Fatalf("%v has %v", m, at)
						}
					}
					for _, m := range lacks {
						if has[key{m.Device, at}] {
							t.Fatalf("%v lacks %v", m, at)
						}
					}
					if !open && told[at] != 1 {
						t.Fatalf("%v is closed and was told %d times", at, told[at])
					}
				}
			},
		})
		for at := range for_ {
			a, _ = a.HasOne(at.device, at.at)
		}
		a, settled := a.Settled()
		note(settled)
		for _, at := range sent {
			if told[at] != 1 {
				t.Fatalf("%v settled %d times", at, told[at])
			}
		}
		if a.Uncovered() || len(a.Waits()) > 0 {
			t.Fatal("something waits")
		}
	})
}

func FuzzParseAcks(f *testing.F) {
	a := Acks{}.Sent(placeAt(2), []Member{memberOf("bob2", "b1"), memberOf("carol3", "c1")}).Sent(placeAt(3), []Member{memberOf("bob2", "b1")})
	a, _ = a.HasOne(deviceOf("b1"), placeAt(3))
	raw, err := a.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := ParseAcks(raw)
		if err != nil {
			return
		}
		if again, err := a.MarshalBinary(); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%x becomes %x: %v", raw, again, err)
		}
		a.Settled()
		a.Reached("alice1")
		a.Waits()
	})
}
