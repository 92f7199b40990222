package cluster

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// sink passes on what Raft and its log tell. A peer that does not answer is an
// error to Raft, many times a second; to the operator it is a warning now and
// then, since the others go on.
type sink struct {
	logger *slog.Logger

	mu   sync.Mutex
	last map[string]time.Time // guarded by mu: when a warning was last passed on
}

func hclogTo(logger *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Error})
	l.RegisterSink(&sink{logger: logger, last: map[string]time.Time{}})
	return l
}

// Accept implements hclog.SinkAdapter.
func (s *sink) Accept(_ string, level hclog.Level, msg string, args ...any) {
	for i, arg := range args {
		if f, ok := arg.(hclog.Format); ok && len(f) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
	}
	switch {
	case level >= hclog.Warn && s.due(msg):
		s.logger.Warn("raft: "+msg, args...)
	case level == hclog.Info:
		s.logger.Info("raft: "+msg, args...)
	default:
		s.logger.Debug("raft: "+msg, args...)
	}
}

func (s *sink) due(msg string) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, known := s.last[msg]; known && now.Sub(last) < warningPause {
		return false
	}
	s.last[msg] = now
	return true
}

// durableLog is the log, and reports what it cannot write: a server whose disk
// is full or broken must not stay in the cluster as if nothing were.
type durableLog struct {
	*wal.WAL
	space func() error
	fail  func(error)
}

func (l durableLog) StoreLog(entry *raft.Log) error { return l.StoreLogs([]*raft.Log{entry}) }

func (l durableLog) StoreLogs(entries []*raft.Log) error {
	err := l.space()
	if err == nil {
		err = l.WAL.StoreLogs(entries)
	}
	if err != nil {
		l.fail(err)
	}
	return err
}
