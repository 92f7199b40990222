//go:build unix

package service

import "golang.org/x/sys/unix"

// mostFiles returns how many files this process may hold open. Go's runtime has raised
// the soft limit to the hard one before.
func mostFiles() (n int, known bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	const ample = 1 << 30 // also where there is no limit at all
	return int(min(uint64(limit.Cur), ample)), true
}
