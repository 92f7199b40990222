//go:build unix

package beacon

import (
	"io/fs"
	"os"
	"syscall"
)

func own(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
