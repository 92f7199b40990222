package rendezvous

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

func TestPostage(t *testing.T) {
	p, now := newPostage(), time.Unix(1_800_000_000, 0)
	pay := func(want bool, device peer.ID, letters int, after time.Duration) {
		t.Helper()
		now = now.Add(after)
		if got := p.pay(device, letters, now); got != want {
			t.Errorf("%s pays for %d letters: %t", device, letters, got)
		}
	}
	pay(true, "a", postageBurst, 0)
	pay(false, "a", 1, 0)
	pay(true, "b", 1, 0) // each device for itself
	pay(false, "a", postageRate+1, time.Second)
	pay(true, "a", postageRate, 0)
	pay(false, "a", 1, -time.Hour) // a clock that goes back adds nothing
	pay(true, "a", postageRate, time.Second)
	pay(false, "a", postageBurst+1, 1000*time.Hour) // never more than at once
	pay(true, "a", postageBurst, 0)
}

// Nothing grows without end, and who is forgotten is the one who was quiet longest.
func TestPostageForgets(t *testing.T) {
	p, now := newPostage(), time.Unix(1_800_000_000, 0)
	p.pay("quiet", postageBurst, now)
	p.pay("loud", postageBurst, now)
	for i := range postageDevices - 1 {
		p.pay(peer.ID(fmt.Sprint(i)), 1, now)
		p.pay("loud", 1, now)
	}
	if len(p.purse) != postageDevices || p.order.Len() != postageDevices {
		t.Errorf("%d purses", len(p.purse))
	}
	if p.pay("loud", 1, now) {
		t.Error("a device that goes on is forgotten")
	}
	if !p.pay("quiet", 1, now) {
		t.Error("the device that was quiet longest is remembered")
	}
}

func TestDisk(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		disk Disk
		used int
		full bool
	}{
		{Disk{}, 0, false},
		{Disk{Size: 10 * gib, Free: 10 * gib}, 0, false},
		{Disk{Size: 10 * gib, Free: 2*gib + gib/10}, 79, false},
		{Disk{Size: 10 * gib, Free: 2 * gib}, 80, true},
		{Disk{Size: 10 * gib}, 100, true},
		{Disk{Size: 1000 * gib, Free: 100 * gib}, 90, false},
		{Disk{Size: 1000 * gib, Free: 15 * gib}, 98, true},
		{Disk{Size: gib, Free: 2 * gib}, 0, false},
	} {
		if c.disk.used() != c.used || c.disk.full() != c.full {
			t.Errorf("%+v: %d %% used, full: %t", c.disk, c.disk.used(), c.disk.full())
		}
	}
	if disk, err := diskOf(t.TempDir()); err != nil || disk.Size == 0 || disk.Free > disk.Size {
		t.Errorf("this disk: %+v, %v", disk, err)
	}
	if _, err := diskOf(t.TempDir() + "/nowhere"); err == nil {
		t.Error("a folder that is not there has a disk")
	}
}
