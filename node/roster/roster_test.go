package roster

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

func must(t testing.TB) func(Roster, error) Roster {
	return func(r Roster, err error) Roster {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func mustDo(t *rapid.T, r Roster, s Standing, a record.Account) Roster {
	next, err := r.With(s, a)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestWhoIsLetIn(t *testing.T) {
	r := must(t)(New().With(Blocked, "eve1"))
	r = must(t)(r.With(Accepted, "bob1"))
	for _, test := range []struct {
		policy Policy
		want   map[record.Account]bool
	}{
		{Open, map[record.Account]bool{"bob1": true, "eve1": false, "zoe1": true}},
		{Ask, map[record.Account]bool{"bob1": true, "eve1": false, "zoe1": false}},
	} {
		r = r.WithPolicy(test.policy)
		for a, want := range test.want {
			if got := r.LetsIn(a); got != want {
				t.Errorf("policy %d lets %s in: %t, want %t", test.policy, a, got, want)
			}
		}
	}
}

func many(from, n int) (all []record.Account) {
	for i := range n {
		all = append(all, record.Account(fmt.Sprintf("many%06d", from+i)))
	}
	return all
}

func TestFull(t *testing.T) {
	for standing, most := range map[Standing]int{Accepted: MaxAccepted, Blocked: MaxBlocked} {
		r := must(t)(New().With(standing, many(0, most)...))
		if _, err := r.With(standing, "more1"); !errors.Is(err, ErrFull) {
			t.Errorf("one more than %d: %v", most, err)
		}
		r = must(t)(r.With(Stranger, many(0, 1)...))
		must(t)(r.With(standing, "more1"))
	}
	l := Load{Messages: MaxHeldAll - 1, Bytes: MaxHeldBytes - 10}
	if !l.Admits(MaxHeld-1, 10) || l.Admits(MaxHeld, 10) || l.Admits(0, 11) || (Load{Messages: MaxHeldAll}).Admits(0, 1) {
		t.Error("as much waits as may, and not more")
	}
}

// The policy that keeps strangers out is told after those who are let in.
func TestPartsInOrder(t *testing.T) {
	r := must(t)(New().With(Accepted, many(0, 2*MaxChanges)...)).WithPolicy(Ask)
	r = must(t)(r.With(Blocked, "eve1"))
	parts := 0
	for ; r.Pending(); parts++ {
		next := r.Next()
		if len(next.Standings) > MaxChanges || (next.Policy == Unchanged) != (parts < 2) {
			t.Fatalf("part %d has %d accounts and policy %d", parts, len(next.Standings), next.Policy)
		}
		r = r.Told(r.Servers.Version, next)
	}
	if parts != 3 || r.Servers.Version != 3 || r.Policy() != Ask || len(r.All(Accepted)) != 2*MaxChanges {
		t.Errorf("%d parts, version %d, policy %d", parts, r.Servers.Version, r.Policy())
	}
}

func TestYield(t *testing.T) {
	r := must(t)(New().With(Accepted, "bob1", "carol1"))
	r = r.Told(0, r.Next())
	r = must(t)(r.With(Stranger, "bob1"))
	r = must(t)(r.With(Blocked, "eve1", "dave1"))
	r, lost := r.Yield()
	if !slices.Equal(lost, []record.Account{"dave1", "eve1"}) || r.Standing("bob1") != Stranger || r.Standing("carol1") != Accepted || r.Standing("eve1") != Stranger {
		t.Errorf("lost %v, left %+v", lost, r)
	}
}

// server is what the directory does: compare and set.
type server struct{ List }

func (s *server) take(version uint64, c Change) bool {
	if version != s.Version {
		return false
	}
	s.Version++
	if c.Policy != Unchanged {
		s.Policy = c.Policy
	}
	s.Standings = maps.Clone(s.Standings)
	if s.Standings == nil {
		s.Standings = map[record.Account]Standing{}
	}
	for a, standing := range c.Standings {
		if s.Standings[a] = standing; standing == Stranger {
			delete(s.Standings, a)
		}
	}
	return true
}

// TestDevicesAgree lets devices change their rosters, with and without the servers,
// lose answers and hear of old states. Each has what it said last until it hears of
// something newer, and in the end all have the same.
func TestDevicesAgree(t *testing.T) {
	names := []record.Account{"bob1", "carol1", "dave1", "eve1"}
	rapid.Check(t, func(t *rapid.T) {
		s := &server{List{Policy: Open}}
		past := []List{s.List}
		devices := []Roster{New(), New(), New()}
		push := func(i int) {
			for devices[i].Pending() {
				version, next := devices[i].Servers.Version, devices[i].Next()
				if s.take(version, next) {
					past = append(past, s.List)
					if rapid.IntRange(0, 3).Draw(t, "lost") == 0 {
						return // nobody knows: the device has to ask
					}
					devices[i] = devices[i].Told(version, next)
				} else {
					devices[i] = devices[i].Adopt(s.List)
				}
			}
		}
		some := rapid.IntRange(0, len(devices)-1)
		t.Repeat(map[string]func(*rapid.T){
			"standing": func(t *rapid.T) {
				i, a := some.Draw(t, "device"), rapid.SampledFrom(names).Draw(t, "account")
				standing := rapid.SampledFrom([]Standing{Stranger, Accepted, Blocked}).Draw(t, "standing")
				before := devices[i]
				devices[i] = mustDo(t, before, standing, a)
				if devices[i].Standing(a) != standing {
					t.Fatalf("%s stands as %d", a, devices[i].Standing(a))
				}
				for _, other := range names {
					if other != a && devices[i].Standing(other) != before.Standing(other) {
						t.Fatalf("%s stands otherwise", other)
					}
				}
			},
			"policy": func(t *rapid.T) {
				i, p := some.Draw(t, "device"), rapid.SampledFrom([]Policy{Open, Ask}).Draw(t, "policy")
				if devices[i] = devices[i].WithPolicy(p); devices[i].Policy() != p {
					t.Fatalf("policy %d", devices[i].Policy())
				}
			},
			"push": func(t *rapid.T) { push(some.Draw(t, "device")) },
			"hear": func(t *rapid.T) {
				i := some.Draw(t, "device")
				own, version := devices[i].Own, devices[i].Servers.Version
				devices[i] = devices[i].Adopt(rapid.SampledFrom(past).Draw(t, "state"))
				if devices[i].Servers.Version < version {
					t.Fatalf("version %d after %d", devices[i].Servers.Version, version)
				}
				for a, standing := range own.Standings {
					if devices[i].Standing(a) != standing {
						t.Fatalf("what was said of %s is forgotten", a)
					}
				}
			},
		})
		for range len(devices) + 1 {
			for i := range devices {
				devices[i] = devices[i].Adopt(s.List)
				for devices[i].Pending() {
					version, next := devices[i].Servers.Version, devices[i].Next()
					if !s.take(version, next) {
						t.Fatal("a change of the newest state is refused")
					}
					devices[i] = devices[i].Told(version, next)
				}
			}
		}
		for i, d := range devices {
			if d.Pending() || d.Policy() != s.Policy {
				t.Fatalf("device %d is left with %+v", i, d.Own)
			}
			for _, a := range names {
				if d.Standing(a) != s.Standings[a] {
					t.Fatalf("device %d has %s as %d, the servers as %d", i, a, d.Standing(a), s.Standings[a])
				}
			}
			for _, standing := range []Standing{Accepted, Blocked} {
				for _, a := range d.All(standing) {
					if d.Standing(a) != standing {
						t.Fatalf("All(%d) has %s", standing, a)
					}
				}
			}
		}
	})
}
