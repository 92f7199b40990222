// Package programs builds the programs once for all tests of a package, and shows a
// test's log what a long run tells. Only tests import it.
package programs

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tryst-chat/tryst/testnet"
)

// Once is the programs of one package's tests. The zero value has not built them.
type Once struct {
	once sync.Once
	dir  string
	err  error
}

// Bin returns the folder of the programs.
func (p *Once) Bin(t testing.TB) string {
	t.Helper()
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "tryst-programs-"); p.err == nil {
			p.err = testnet.Build(context.Background(), filepath.Join(p.dir, "bin"))
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return filepath.Join(p.dir, "bin")
}

// Remove removes what was built. It is for TestMain, which is what runs last.
func (p *Once) Remove() {
	if p.dir != "" {
		os.RemoveAll(p.dir)
	}
}

// Log sends what is written to a test's log.
type Log struct{ testing.TB }

// Write implements io.Writer.
func (l Log) Write(b []byte) (int, error) {
	l.Logf("%s", b)
	return len(b), nil
}
