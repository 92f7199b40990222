// This file becomes part of the standard library's package time in programs whose
// clocks jump: see clock.go of package scenario.

package time

import (
	"sync/atomic"
	"syscall"
)

// shift is by how much the wall clock is wrong.
var shift struct {
	looked  atomic.Int64 // when the file was read last, by the monotonic clock
	seconds atomic.Int64
}

// shiftInterval is how often the file is read, in nanoseconds.
const shiftInterval = 50_000_000

// shiftedNow is runtimeNow with a wall clock that is wrong. The monotonic one, by
// which time passes, goes on, as when somebody sets a machine's clock.
func shiftedNow() (sec int64, nsec int32, mono int64) {
	sec, nsec, mono = runtimeNow()
	if looked := shift.looked.Load(); looked == 0 || mono-looked > shiftInterval {
		if shift.looked.CompareAndSwap(looked, mono) {
			shift.seconds.Store(readShift())
		}
	}
	return sec + shift.seconds.Load(), nsec, mono
}

func readShift() int64 {
	name, _ := syscall.Getenv("TRYST_SCENARIO_CLOCK")
	file, err := open(name)
	if err != nil {
		return 0
	}
	defer closefd(file)
	var content [32]byte
	n, err := read(file, content[:])
	if err != nil {
		return 0
	}
	seconds, err := atoi(content[:n])
	if err != nil {
		return 0
	}
	return int64(seconds)
}
