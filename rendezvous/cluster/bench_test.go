package cluster

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// BenchmarkPropose measures acknowledged writes (sign-ups) from many clients at
// once on the leader: beside BenchmarkRequests of package rendezvous, what Raft and the disk
// do alone.
func BenchmarkPropose(b *testing.B) {
	for _, servers := range []int{1, 3} {
		for _, clients := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("servers=%d/clients=%d", servers, clients), func(b *testing.B) {
				c := newCluster(b, servers)
				leader := c.leader()
				commands := make([][]byte, b.N)
				for i := range commands {
					commands[i] = directorytest.NewPerson(record.Account(fmt.Sprintf("p%d", i))).SignUp()
				}
				propose(b, leader, clients, commands)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
			})
		}
	}
}

// BenchmarkBarrier measures linearizable reads from many clients at once on a
// follower.
func BenchmarkBarrier(b *testing.B) {
	c := newCluster(b, 3)
	follower := c.others(c.leader())[0]
	b.SetParallelism(32)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := follower.Barrier(b.Context()); err != nil {
				b.Error(err)
			}
			follower.Directory().Credentials("nobody1")
		}
	})
}

func propose(b *testing.B, s *server, clients int, commands [][]byte) {
	var next atomic.Int64
	done := make(chan error, clients)
	b.ResetTimer()
	for range clients {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(commands) {
					done <- nil
					return
				}
				if _, _, err := s.Propose(b.Context(), commands[i]); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
}
