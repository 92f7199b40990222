package rendezvous

import "testing"

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
