// Package programs builds the programs once for all tests of a package, and shows a
// test's log what a long run tells. Only tests import it.
package programs

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tryst-chat/tryst/testnet"
)

// all is set in CI, where nothing waits for the answer.
var all = flag.Bool("all", os.Getenv("CI") == "true", "run the tests that take long, too: every scenario, and the programs that are broken on purpose")

// Lengthy skips a test that belongs to the long ones, unless those are asked for: the
// ordinary ones together take three minutes.
func Lengthy(t testing.TB) {
	t.Helper()
	if !*all {
		t.Skip("it takes long; to run it, too, add the flag: -all")
	}
}

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
