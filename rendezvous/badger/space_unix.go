//go:build linux || darwin || freebsd

package badger

import "golang.org/x/sys/unix"

// freeSpace returns how many bytes this process may still write where dir lies.
func freeSpace(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return uint64(max(s.Bavail, 0)) * uint64(s.Bsize), nil
}
