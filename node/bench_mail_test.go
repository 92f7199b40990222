package node

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// BenchmarkMailReturn is from the login of somebody who was away until they have been
// shown 1,000 messages that waited with the servers, 500 each of two people who have
// gone. Its limit is the login alone, with nothing waiting.
func BenchmarkMailReturn(b *testing.B) {
	const each = 500 // as much as one sender may have waiting
	onDiskAndInMemory(b, func(b *testing.B, w *world, home func() string) {
		var shown, limit laps
		for round := 0; b.Loop(); round++ {
			b.StopTimer()
			bob := w.opens(home(), "bob", fmt.Sprint(round))
			bob.end()
			for i := range 2 {
				from := w.opens(home(), "alice", fmt.Sprintf("%dx%d", round, i))
				text := strings.Repeat("x", 256)
				last := ""
				for range each {
					last = from.sends(bob.account, text)
				}
				from.sees("that the last is stored", ofMessage(EventStored, last))
				from.end()
			}
			b.StartTimer()
			shown.time(func() {
				bob.person = w.open(bob.home)
				bob.login(bob.account)
				await(b, "all that waited", func() bool {
					return len(bob.all(func(e Event) bool { return e.Kind == EventMessage })) == 2*each
				})
			})
			b.StopTimer()
			bob.end()
			limit.time(func() {
				bob.person = w.open(bob.home)
				bob.login(bob.account)
				await(b, "the servers", bob.device.link.client.Linked)
			})
			bob.end()
			b.StartTimer()
		}
		report(b, shown, limit)
		b.ReportMetric(2*each/(shown.median()/float64(time.Second)), "messages/s")
	})
}

// resident is a person with the account's name.
type resident struct {
	*person
	account string
}

func (w *world) opens(home, name, roll string) *resident {
	p := w.open(home)
	if _, err := p.SignUp(w.Context(), name, roll, []byte(password)); err != nil {
		w.Fatalf("sign up: %v", err)
	}
	p.login(name + roll)
	return &resident{p, name + roll}
}
