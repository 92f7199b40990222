package service

import (
	"fmt"
	"log/slog"
)

// WarnOfFiles says so when the system lets this process hold fewer files open than it
// needs when it is full: connections beyond that would wait without a word.
func WarnOfFiles(logger *slog.Logger, need int) {
	if most, known := mostFiles(); known && most < need {
		logger.Warn(fewFiles(most, need))
	}
}

func fewFiles(most, need int) string {
	return fmt.Sprintf("this system lets the program hold %d files open, one a connection, and it needs %d when it is full; "+
		"raise the hard limit (systemd: LimitNOFILE=65536, a shell: ulimit -Hn)", most, need)
}
