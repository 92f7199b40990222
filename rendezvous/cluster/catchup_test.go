package cluster

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/badger"
	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/testnet/harness"
)

var accounts = flag.Int("accounts", 10_000, "how many accounts BenchmarkCatchUp has")

// BenchmarkCatchUp measures how long a server that was wiped takes to get the whole
// state from the others, and that they take writes meanwhile. It takes minutes to make
// a million accounts:
//
//	go test ./rendezvous/cluster -run - -bench CatchUp -benchtime 1x -timeout 1h -accounts 1000000
func BenchmarkCatchUp(b *testing.B) {
	c := newCluster(b, 3)
	first := c.leader().propose(b, directorytest.NewPerson("first1").SignUp())
	for _, s := range c.servers {
		if err := s.WaitApplied(harness.Within(b), first); err != nil {
			b.Fatal(err)
		}
	}
	for _, s := range c.servers {
		c.halt(s)
	}
	full, second, wiped := c.servers[0], c.servers[1], c.servers[2]
	began := time.Now()
	last := populate(b, full, *accounts)
	// Whoever has this state must be a majority, or the others go on without it.
	if err := errors.Join(os.RemoveAll(stateOf(second)), os.CopyFS(stateOf(second), os.DirFS(stateOf(full)))); err != nil {
		b.Fatal(err)
	}
	made, mib := time.Since(began), float64(size(b, full)>>20)
	c.start(full)
	c.start(second)
	n := 0
	defer func() {
		b.ReportMetric(made.Seconds(), "s/making")
		b.ReportMetric(mib, "MiB")
	}()
	for b.Loop() {
		if wiped.stop != nil {
			c.halt(wiped)
		}
		if err := os.RemoveAll(wiped.dir); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		c.start(wiped)
		n++
		index := full.propose(b, directorytest.NewPerson(record.Account(fmt.Sprintf("meanwhile%d", n))).SignUp())
		b.ReportMetric(time.Since(began).Seconds(), "s/write-meanwhile")
		if err := wiped.WaitApplied(b.Context(), max(index, last)); err != nil {
			b.Fatal(err)
		}
		harness.Await(b, "ready server", wiped.Ready)
		b.ReportMetric(time.Since(began).Seconds(), "s/wiped")
		size, err := wiped.Directory().Size()
		if err != nil || size.Accounts != uint64(1+*accounts+n) {
			b.Fatalf("%+v, %v", size, err)
		}
	}
}

func stateOf(s *server) string { return filepath.Join(s.dir, "state") }

// populate has a server that does not run know so many accounts, by entries that follow
// those it has. It returns the last one's index.
func populate(b *testing.B, s *server, accounts int) (last uint64) {
	b.Helper()
	store, err := badger.Open(stateOf(s), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	d, err := directory.New(store)
	if err != nil {
		b.Fatal(err)
	}
	const batch = 256
	at := d.Position()
	for done := 0; done < accounts; {
		entries := make([]directory.Entry, min(batch, accounts-done))
		var making sync.WaitGroup
		for worker := range runtime.GOMAXPROCS(0) {
			making.Go(func() {
				for i := worker; i < len(entries); i += runtime.GOMAXPROCS(0) {
					p := directorytest.NewPerson(record.Account(fmt.Sprintf("p%d", done+i)))
					entries[i] = directory.Entry{Index: at.Index + uint64(done+i) + 1, Term: at.Term, Command: p.SignUp()}
				}
			})
		}
		making.Wait()
		results, err := d.Apply(entries)
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range results {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
		done += len(entries)
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	return at.Index + uint64(accounts)
}

// size is that of a server's state on the disk.
func size(b *testing.B, s *server) (bytes int64) {
	b.Helper()
	err := filepath.Walk(stateOf(s), func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}
