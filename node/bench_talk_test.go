package node

import (
	"fmt"
	"strings"
	"testing"
)

// messageSizes are those of an ordinary message and of a long one, in bytes.
var messageSizes = []int{256, 16 << 10}

// BenchmarkSend is from Send until the sender is told that the message is
// delivered, on a session that is open. Its limit is an echo of as many bytes.
func BenchmarkSend(b *testing.B) {
	onDiskAndInMemory(b, func(b *testing.B, w *world, home func() string) {
		alice := w.listener(b, home(), "alice", "42", EventDelivered)
		bob := w.listener(b, home(), "bob", "7", EventDelivered)
		alice.sends(bob.account, "first contact")
		bob.sends(alice.account, "first answer")
		for _, size := range messageSizes {
			text := strings.Repeat("x", size)
			limit := echo(b, alice, bob, size)
			b.Run("monologue/"+sizeName(int64(size)), func(b *testing.B) {
				var sent, echoed laps
				for b.Loop() {
					sent.time(func() { alice.sends(bob.account, text) })
					echoed.time(limit)
				}
				report(b, sent, echoed)
			})
			// Each message turns the ratchet.
			b.Run("dialogue/"+sizeName(int64(size)), func(b *testing.B) {
				var sent, echoed laps
				for from, to := alice, bob; b.Loop(); from, to = to, from {
					sent.time(func() { from.sends(to.account, text) })
					echoed.time(limit)
				}
				report(b, sent, echoed)
			})
		}
	})
}

// BenchmarkSendMany is the time for each of many messages that do not wait for one
// another, as a program may send them: what is sent while the disk is busy shares
// the next sync. Its limit is an echo that does wait.
func BenchmarkSendMany(b *testing.B) {
	// underWay is how many messages are not told delivered yet at a time: more than
	// the window of a link.
	const underWay = 256
	onDiskAndInMemory(b, func(b *testing.B, w *world, home func() string) {
		alice := w.listener(b, home(), "alice", "42", EventDelivered)
		bob := w.listener(b, home(), "bob", "7")
		alice.sends(bob.account, "first contact")
		text := strings.Repeat("x", 256)
		for _, senders := range []int{1, 16} {
			b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
				tokens, work := make(chan struct{}, underWay), make(chan struct{})
				for range senders {
					go func() {
						for range work {
							if _, err := alice.Send(b.Context(), string(bob.account), text); err != nil {
								b.Error(err)
							}
						}
					}()
				}
				n := 0
				settle := func() {
					alice.hears()
					<-tokens
				}
				for ; b.Loop(); n++ {
					select {
					case tokens <- struct{}{}:
					default:
						settle()
						tokens <- struct{}{}
					}
					work <- struct{}{}
				}
				close(work)
				for len(tokens) > 0 {
					settle()
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	})
}

// BenchmarkFirstContact is from Send to an account that was never heard of until
// the message is delivered: a look-up, its keys, PQXDH, where its device is and a
// connection there, and a first message. Its limit is the look-up alone.
func BenchmarkFirstContact(b *testing.B) {
	onDiskAndInMemory(b, func(b *testing.B, w *world, home func() string) {
		alice := w.listener(b, home(), "alice", "42", EventDelivered)
		var sent, lookedUp laps
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			bob := w.listener(b, home(), "bob", fmt.Sprint(n))
			b.StartTimer()
			sent.time(func() { alice.sends(bob.account, "first contact") })
			lookedUp.time(func() {
				if _, err := alice.device.link.client.LookUp(b.Context(), bob.account); err != nil {
					b.Fatal(err)
				}
			})
		}
		report(b, sent, lookedUp)
	})
}
