package balancer

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"
)

// A model that forgets nothing: a device has a permit while the last one that
// was granted stands and it has not left.
func TestPermits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const room, devices = 4, 8
		p, model := newPermits(room), make(map[peer.ID]time.Time)
		now := time.Unix(1_800_000_000, 0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "passes")) * time.Minute)
			device := peer.ID([]byte{byte(rapid.IntRange(1, devices).Draw(t, "device"))})
			live := 0
			for _, until := range model {
				if now.Before(until) {
					live++
				}
			}
			if rapid.Bool().Draw(t, "leaves") {
				p.drop(device)
				delete(model, device)
			} else {
				until := now.Add(time.Hour)
				switch granted := p.grant(device, until, now); {
				case granted:
					model[device] = until
				case live < room:
					t.Fatalf("refused with %d of %d", live, room)
				case now.Before(model[device]):
					t.Fatal("a renewal was refused")
				}
			}
			if len(p.until) > room {
				t.Fatalf("%d are held", len(p.until))
			}
			for d := range byte(devices) {
				id := peer.ID([]byte{d + 1})
				if want := now.Before(model[id]); p.valid(id, now) != want {
					t.Fatalf("device %d: valid %t, want %t", d+1, !want, want)
				}
			}
		}
	})
}
