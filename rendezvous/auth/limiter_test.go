package auth

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPace(t *testing.T) {
	p := pace{free: 3, first: time.Second, longest: 10 * time.Second}
	for n, want := range []time.Duration{0, 0, 0, 1, 2, 4, 8, 10, 10} {
		if got := p.delay(n); got != want*time.Second {
			t.Errorf("after guess %d the wait is %v, want %v s", n, got, int(want))
		}
	}
	if got := p.delay(1 << 40); got != p.longest {
		t.Errorf("after very many the wait is %v", got)
	}
}

// TestLimitsFitTogether holds what the comments in limits.go promise.
func TestLimitsFitTogether(t *testing.T) {
	if forgetAfter <= deviceMax || forgetAfter <= accountMax {
		t.Error("whoever waits is forgiven")
	}
	if accountMax > 5*time.Second {
		t.Error("a stranger makes the owner wait for more than a few seconds")
	}
}

// TestDeviceSlowsDown: one device that always asks as soon as it may gets ever
// fewer guesses, whatever the accounts.
func TestDeviceSlowsDown(t *testing.T) {
	l, now := NewLimiter(), testNow
	admitted := 0
	for i := 0; now.Before(testNow.Add(24 * time.Hour)); i++ {
		wait := l.Admit(Guess{Account: fmt.Sprint("victim", i), Device: "one"}, now)
		if wait == 0 {
			admitted++
		}
		now = now.Add(max(wait, time.Millisecond))
	}
	// 4 free, 10 while the wait doubles to its longest, then 4 an hour.
	if admitted < 100 || admitted > 4+10+4*24 {
		t.Errorf("one device had %d guesses in a day", admitted)
	}
}

// TestAccountSlowsDown: however many devices a stranger makes, the account's own
// pace holds.
func TestAccountSlowsDown(t *testing.T) {
	l, now := NewLimiter(), testNow
	admitted := 0
	const tries, every = 36_000, 100 * time.Millisecond
	for i := range tries {
		if l.Admit(Guess{Account: testAccount, Device: fmt.Sprint("fresh", i)}, now) == 0 {
			admitted++
		}
		now = now.Add(every)
	}
	longest := int(tries * every / accountMax)
	if admitted < longest || admitted > accountFree+8+longest {
		t.Errorf("strangers had %d guesses in %v", admitted, tries*every)
	}
}

// TestNoLockOut: while that goes on, an enrolled device is never made to wait,
// and any other can try within accountMax once the stranger stops.
func TestNoLockOut(t *testing.T) {
	l, now := NewLimiter(), testNow
	for i := range 10_000 {
		l.Admit(Guess{Account: testAccount, Device: fmt.Sprint("fresh", i)}, now)
		now = now.Add(50 * time.Millisecond)
		own := Guess{Account: testAccount, Device: "own", Enrolled: true}
		if wait := l.Admit(own, now); wait != 0 {
			t.Fatalf("the enrolled device waits %v", wait)
		}
		l.Succeeded(own)
	}
	strange := Guess{Account: testAccount, Device: "a new phone"}
	wait := l.Admit(strange, now)
	if wait > accountMax {
		t.Errorf("a new device waits %v", wait)
	}
	if again := l.Admit(strange, now.Add(wait)); again != 0 {
		t.Errorf("after its wait a new device waits %v more", again)
	}
}

// TestForgotten: an hour of silence clears the count.
func TestForgotten(t *testing.T) {
	l := NewLimiter()
	g := Guess{Account: testAccount, Device: "one"}
	now := testNow
	for range 20 {
		now = now.Add(l.Admit(g, now))
	}
	if l.Admit(g, now.Add(time.Nanosecond)) == 0 {
		t.Fatal("the device does not have to wait")
	}
	now = now.Add(forgetAfter)
	for i := range deviceFree {
		if wait := l.Admit(g, now); wait != 0 {
			t.Errorf("guess %d after an hour waits %v", i, wait)
		}
	}
}

// TestSuccessIsFree: right passwords cost nothing, and nothing more than that.
func TestSuccessIsFree(t *testing.T) {
	l := NewLimiter()
	own := Guess{Account: "mallory1", Device: "mallory's"}
	for i := range 100 {
		if wait := l.Admit(own, testNow); wait != 0 {
			t.Fatalf("login %d waits %v", i, wait)
		}
		l.Succeeded(own)
	}
	guesses := 0
	for range 100 {
		if l.Admit(Guess{Account: testAccount, Device: own.Device}, testNow) == 0 {
			guesses++
		}
		l.Succeeded(own) // the old login, finished again
		if l.Admit(own, testNow) == 0 {
			l.Succeeded(own)
			l.Succeeded(own)
		}
	}
	if guesses != deviceFree {
		t.Errorf("a device had %d guesses with logins to an own account in between, want %d", guesses, deviceFree)
	}
}

// TestClockGoesBack: no wait grows beyond its pace.
func TestClockGoesBack(t *testing.T) {
	l := NewLimiter()
	g := Guess{Account: testAccount, Device: "one"}
	for range deviceFree {
		l.Admit(g, testNow)
	}
	back := testNow.Add(-1000 * time.Hour)
	if wait := l.Admit(g, back); wait != deviceFirst {
		t.Errorf("waits %v, want %v", wait, deviceFirst)
	}
	if wait := l.Admit(g, back.Add(deviceFirst)); wait != 0 {
		t.Errorf("after its wait it waits %v more", wait)
	}
}

// TestLimiterProperties runs random guesses against a small limiter and checks
// after each what must always hold.
func TestLimiterProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 5
		l := NewLimiter()
		l.devices.size, l.accounts.size = size, size
		now := testNow
		guess := rapid.Custom(func(t *rapid.T) Guess {
			return Guess{
				Account:  fmt.Sprint("account", rapid.IntRange(0, 8).Draw(t, "account")),
				Device:   fmt.Sprint("device", rapid.IntRange(0, 8).Draw(t, "device")),
				Enrolled: rapid.Bool().Draw(t, "enrolled"),
			}
		})
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(-int64(time.Minute), int64(2*time.Hour)).Draw(t, "by")))
			},
			"guess": func(t *rapid.T) {
				g := guess.Draw(t, "guess")
				wait := l.Admit(g, now)
				if wait < 0 || wait > deviceMax {
					t.Fatalf("waits %v", wait)
				}
				if wait == 0 {
					return
				}
				if early := l.Admit(g, now.Add(wait-1)); early != 1 {
					t.Fatalf("one nanosecond early the wait is %v", early)
				}
				if late := l.Admit(g, now.Add(wait)); late != 0 {
					t.Fatalf("after its wait it waits %v more", late)
				}
				now = now.Add(wait)
			},
			"success": func(t *rapid.T) { l.Succeeded(guess.Draw(t, "guess")) },
			"": func(t *rapid.T) {
				for _, m := range []meter{l.devices, l.accounts} {
					if len(m.entries) > size || len(m.entries) != m.order.Len() {
						t.Fatalf("%d entries, %d in order, at most %d", len(m.entries), m.order.Len(), size)
					}
					for key, element := range m.entries {
						if e := element.Value.(*meterEntry); e.key != key || e.guesses < 0 {
							t.Fatalf("entry %+v under key %x", e, key)
						}
					}
				}
			},
		})
	})
}

// TestQuietestIsForgotten: a full meter lets go of the one that was quiet longest,
// so that a device under its longest wait is not pushed out by asking itself.
func TestQuietestIsForgotten(t *testing.T) {
	m := newMeter(pace{free: 1, first: time.Minute, longest: time.Minute}, 3)
	for i, name := range []string{"a", "b", "c", "a", "d"} {
		m.charge(name, testNow.Add(time.Duration(i)*time.Second))
	}
	for name, remembered := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if (m.find(name) != nil) != remembered {
			t.Errorf("%s remembered is %v", name, !remembered)
		}
	}
}
