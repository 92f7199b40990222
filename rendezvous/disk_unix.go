//go:build linux || darwin || freebsd

package rendezvous

import "golang.org/x/sys/unix"

// diskOf counts as df does: what is reserved for root is neither used nor free.
func diskOf(dir string) (Disk, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Disk{}, err
	}
	block, free := uint64(s.Bsize), uint64(s.Bavail)
	return Disk{Size: (s.Blocks - s.Bfree + free) * block, Free: free * block}, nil
}
