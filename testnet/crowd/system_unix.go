//go:build unix

package crowd

import (
	"time"

	"golang.org/x/sys/unix"
)

// mostFiles returns how many files this program may hold open. Go's runtime has raised
// the soft limit to the hard one.
func mostFiles() (n int, known bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	const ample = 1 << 30 // also where there is no limit at all
	return int(min(uint64(limit.Cur), ample)), true
}

// used returns how much of the processors this program has used.
func used() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
