package badger

import (
	"fmt"
	"log/slog"
	"strings"
)

// quiet is Badger's logger: what it tells of its levels and files is for those
// who debug it, and none of its errors is one that somebody must act upon
// unless a transaction returns it too.
type quiet struct{ logger *slog.Logger }

func (q quiet) Errorf(format string, args ...any)   { q.logger.Warn(line(format, args)) }
func (q quiet) Warningf(format string, args ...any) { q.logger.Warn(line(format, args)) }
func (q quiet) Infof(format string, args ...any)    { q.logger.Debug(line(format, args)) }
func (q quiet) Debugf(format string, args ...any)   { q.logger.Debug(line(format, args)) }

func line(format string, args []any) string {
	return "badger: " + strings.TrimSpace(fmt.Sprintf(format, args...))
}
