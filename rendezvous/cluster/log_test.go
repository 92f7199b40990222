package cluster

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := hclogTo(slog.New(slog.NewTextHandler(&out, nil)))
		logger.Error("peer is away", "peers", hclog.Fmt("%d of %d", 1, 3))
		if got := out.String(); !strings.Contains(got, `level=WARN msg="raft: peer is away" peers="1 of 3"`) {
			t.Errorf("logged %q", got)
		}
		logger.Warn("something else")
		lines := func() int { return strings.Count(out.String(), "\n") }
		for range 100 {
			logger.Error("peer is away")
		}
		logger.Debug("not worth a line")
		if got := lines(); got != 2 {
			t.Errorf("%d lines, want the same warning once", got)
		}
		<-time.After(warningPause) // by the clock of the bubble
		logger.Error("peer is away")
		if got := lines(); got != 3 {
			t.Errorf("%d lines, want the warning again after %v", got, warningPause)
		}
	})
}
