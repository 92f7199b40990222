package cluster

import (
	"io"
	"log/slog"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// sink passes on what Raft and its log tell. A peer that does not answer is an
// error to Raft; to the operator it is a warning, since the others go on.
type sink struct{ logger *slog.Logger }

func hclogTo(logger *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Error})
	l.RegisterSink(sink{logger})
	return l
}

// Accept implements hclog.SinkAdapter.
func (s sink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	switch {
	case level >= hclog.Warn:
		s.logger.Warn(msg, args...)
	case level == hclog.Info:
		s.logger.Info(msg, args...)
	default:
		s.logger.Debug(msg, args...)
	}
}

// durableLog is the log, and reports what it cannot write: a server whose disk
// is full or broken must not stay in the cluster as if nothing were.
type durableLog struct {
	*wal.WAL
	fail func(error)
}

func (l durableLog) StoreLog(entry *raft.Log) error { return l.StoreLogs([]*raft.Log{entry}) }

func (l durableLog) StoreLogs(entries []*raft.Log) error {
	err := l.WAL.StoreLogs(entries)
	if err != nil {
		l.fail(err)
	}
	return err
}
