package node

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// The benchmarks measure nodes with real servers, all in this process, and beside
// each figure its limit, in turns in the same run: what libp2p alone takes for the
// same bytes between the same two hosts. Figures are medians, since other work on
// the machine makes outliers. They are
//
//	ns/op      of what the benchmark is named after
//	limit-ns   of the limit
//	x-limit    the one over the other

// laps are measured times.
type laps []time.Duration

// time adds how long f takes.
func (l *laps) time(f func()) {
	began := time.Now()
	f()
	*l = append(*l, time.Since(began))
}

func (l laps) median() float64 {
	if len(l) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l))
	return float64(sorted[len(sorted)/2])
}

// report prints a figure and its limit.
func report(b *testing.B, measured, limit laps) {
	b.ReportMetric(measured.median(), "ns/op")
	b.ReportMetric(limit.median(), "limit-ns")
	b.ReportMetric(measured.median()/limit.median(), "x-limit")
}

// memoryFolder is a file system in memory, where the machine has one: what a node
// does without what its disk takes.
const memoryFolder = "/dev/shm"

// onDiskAndInMemory runs a benchmark with nodes at home on the disk, and in memory.
// A node syncs every message to its disk before it says anything about it.
func onDiskAndInMemory(b *testing.B, run func(b *testing.B, w *world, home func() string)) {
	b.Run("disk", func(b *testing.B) { run(b, newWorld(b), b.TempDir) })
	b.Run("memory", func(b *testing.B) {
		if _, err := os.Stat(memoryFolder); err != nil {
			b.Skip("no " + memoryFolder)
		}
		run(b, newWorld(b), func() string {
			dir, err := os.MkdirTemp(memoryFolder, "tryst-bench-")
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { os.RemoveAll(dir) })
			return dir
		})
	})
}

// listener is a node that is logged in, and some of its events.
type listener struct {
	testing.TB
	*Node
	account record.Account
	heard   chan Event
}

// listener signs somebody up and logs them in. heard takes the events of some
// kinds; errors fail the benchmark.
func (w *world) listener(b *testing.B, home, name, roll string, kinds ...EventKind) *listener {
	b.Helper()
	l := &listener{TB: b, Node: w.node(home), heard: make(chan Event, 1<<16)}
	var reading sync.WaitGroup
	reading.Go(func() {
		for e := range l.Events() {
			switch {
			case e.Kind == EventError:
				b.Errorf("%s: %v", name, e.Err)
			case slices.Contains(kinds, e.Kind):
				l.heard <- e
			}
		}
	})
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Errorf("close: %v", err)
		}
		reading.Wait()
	})
	var err error
	if l.account, err = l.SignUp(b.Context(), name, roll, []byte(password)); err != nil {
		b.Fatal(err)
	}
	if _, err := l.Login(b.Context(), string(l.account), []byte(password)); err != nil {
		b.Fatal(err)
	}
	await(b, "keys that are published", func() (published bool) {
		err := l.device.store.View(func(tx *store.Tx) error {
			_, published = tx.Meta(bundlePublished)
			return nil
		})
		return err == nil && published
	})
	return l
}

func (l *listener) host() host.Host { return l.device.link.host.Libp2p() }

// hears waits for the next event.
func (l *listener) hears() Event {
	l.Helper()
	select {
	case e := <-l.heard:
		return e
	case <-time.After(testTimeout):
		l.Fatalf("%s: no event came", l.account)
		return Event{}
	}
}

// sends sends a text and waits until it is delivered, which must be the next event.
func (l *listener) sends(to record.Account, text string) {
	l.Helper()
	id, err := l.Send(l.Context(), string(to), text)
	if err != nil {
		l.Fatal(err)
	}
	if e := l.hears(); e.ID != id || e.Kind != EventDelivered {
		l.Fatalf("heard of %s %s instead of the delivery of %s", e.Kind, e.ID, id)
	}
}

const (
	echoProtocol = "/bench/echo"
	bulkProtocol = "/bench/bulk"
)

// echo opens a raw stream between two nodes' hosts, on the connection that they
// have, and returns a round trip of so many bytes on it.
func echo(b *testing.B, from, to *listener, size int) (roundTrip func()) {
	b.Helper()
	to.host().SetStreamHandler(echoProtocol, func(s network.Stream) {
		_, _ = io.Copy(s, s)
		_ = s.Close()
	})
	s, err := from.host().NewStream(b.Context(), to.host().ID(), echoProtocol)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Reset() })
	buf := make([]byte, size)
	return func() {
		if _, err := s.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(s, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// bulk returns a transfer of so many bytes on a raw stream between two hosts.
func bulk(b *testing.B, from host.Host, to host.Host, size int64) (transfer func()) {
	b.Helper()
	to.SetStreamHandler(bulkProtocol, func(s network.Stream) {
		chunk := make([]byte, 64<<10)
		for left := size; left > 0; left -= int64(len(chunk)) {
			if _, err := s.Write(chunk[:min(left, int64(len(chunk)))]); err != nil {
				return
			}
		}
		_ = s.Close()
	})
	if err := from.Connect(b.Context(), peer.AddrInfo{ID: to.ID(), Addrs: to.Addrs()}); err != nil {
		b.Fatal(err)
	}
	return func() {
		s, err := from.NewStream(b.Context(), to.ID(), bulkProtocol)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, s); err != nil || n != size {
			b.Fatal(n, err)
		}
		_ = s.Close()
	}
}

// sizeName names a size in bytes.
func sizeName(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%dMiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}
