package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// BenchmarkFile is from SendFile until the receiver has been shown the file: read
// and announced, sealed, fetched, opened, written and its name given. Its limit is
// as many bytes on a raw stream, which nobody seals or keeps. heap-MB is by how much
// the heap of this process, garbage included, grew meanwhile at the most: that does
// not depend on the file's size.
func BenchmarkFile(b *testing.B) {
	onDiskAndInMemory(b, func(b *testing.B, w *world, home func() string) {
		alice := w.listener(b, home(), "alice", "42", EventDelivered)
		bob := w.listener(b, home(), "bob", "7", EventFile)
		alice.sends(bob.account, "first contact")
		for _, size := range []int64{8 << 20, 64 << 20} {
			path := filepath.Join(home(), "file")
			if err := writeNoise(path, size); err != nil {
				b.Fatal(err)
			}
			b.Run(sizeName(size), func(b *testing.B) {
				raw := bulk(b, bob.host(), alice.host(), size)
				var sent, limit laps
				peak := watchMemory(b)
				for b.Loop() {
					sent.time(func() {
						if _, err := alice.SendFile(b.Context(), string(bob.account), path); err != nil {
							b.Fatal(err)
						}
						if e := bob.hears(); e.Size != size {
							b.Fatalf("%d bytes", e.Size)
						}
					})
					alice.hears()
					limit.time(raw)
				}
				report(b, sent, limit)
				b.ReportMetric(float64(size)/1e6/(sent.median()/float64(time.Second)), "MB/s")
				b.ReportMetric(float64(peak())/(1<<20), "heap-MB")
			})
		}
	})
}

// writeNoise writes a file of so many random bytes.
func writeNoise(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	chunk := make([]byte, 1<<20)
	for ; size > 0; size -= int64(len(chunk)) {
		rand.Read(chunk)
		if _, err := f.Write(chunk[:min(size, int64(len(chunk)))]); err != nil {
			return fmt.Errorf("write noise: %w", err)
		}
	}
	return f.Close()
}

// watchMemory looks at the heap now and then; peak ends that and returns by how
// many bytes it grew at the most.
func watchMemory(b *testing.B) (peak func() uint64) {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, stop := context.WithCancel(b.Context())
	most := make(chan uint64, 1)
	go func() {
		high := before.HeapInuse
		defer func() { most <- high }()
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			high = max(high, m.HeapInuse)
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() uint64 {
		stop()
		return <-most - before.HeapInuse
	}
}
