package rendezvous_test

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// lookUpsEach is how many look-ups one device asks for, out of quota.DeviceRequests.
const lookUpsEach = 4000

// BenchmarkAccounts measures round trips of a node with one server and with
// three, all in one process. Sign-up and login are nearly all Argon2id, on the
// node's side; look_up is a round trip alone.
func BenchmarkAccounts(b *testing.B) {
	var names atomic.Int64 // each sign-up needs a name of its own
	for _, servers := range []int{1, 3} {
		w := newWorld(b, servers)
		ctx := b.Context()
		n := w.member(0, "alice")
		login := w.nodeAt(0)
		if err := login.enrol(ctx, "bob", "1"); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("sign_up/servers=%d", servers), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				fresh := w.nodeAt(0) // a device has one account only
				b.StartTimer()
				if err := fresh.enrol(ctx, "carol", fmt.Sprint(names.Add(1))); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("login/servers=%d", servers), func(b *testing.B) {
			for b.Loop() {
				if _, err := login.Login(ctx, login.account, []byte(password)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("look_up/servers=%d", servers), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if i%lookUpsEach == lookUpsEach-1 { // one alone may not ask for more
					b.StopTimer()
					n = w.member(0, fmt.Sprintf("alice%d-", names.Add(1)))
					b.StartTimer()
				}
				if _, err := n.LookUp(ctx, n.account); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
