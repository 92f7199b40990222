package rendezvous_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/client"
)

const (
	mailClients = 16
	mailEach    = 60   // letters that each client puts in a round, to the next one
	mailSize    = 1024 // bytes of an envelope: a short message, sealed and padded
	mailRounds  = 5    // of the same people, who may put so many letters at once
)

// BenchmarkFetchMail measures letters that are fetched and taken, a page at a time, by 16
// clients of three servers. How many can be put says BenchmarkRequests.
func BenchmarkFetchMail(b *testing.B) {
	w := newWorld(b, 3)
	ctx := b.Context()
	var people []*node
	var fetching time.Duration
	rounds := 0
	for b.Loop() {
		if rounds%mailRounds == 0 {
			b.StopTimer()
			people = nil
			for i := range mailClients {
				people = append(people, w.member(i%3, fmt.Sprintf("p%d.%c", rounds, 'a'+rune(i))))
			}
			b.StartTimer()
		}
		letter := func(to, n int) client.Letter {
			return client.Letter{ID: [16]byte{byte(n), byte(rounds), byte(rounds >> 8)}, To: people[to].host.ID(), Envelope: make([]byte, mailSize)}
		}
		b.StopTimer()
		timed(b, func(i int) error {
			to := (i + 1) % mailClients
			for n := range mailEach {
				errs, err := people[i].PutMail(ctx, people[to].account, []client.Letter{letter(to, n)})
				if err != nil || errs[0] != nil {
					return fmt.Errorf("put: %v, %w", errs, err)
				}
			}
			return nil
		})
		b.StartTimer()
		fetching += timed(b, func(i int) error { return people[i].fetchAll(b) })
		rounds++
	}
	b.ReportMetric(float64(rounds*mailClients*mailEach)/fetching.Seconds(), "fetched/s")
}

// fetchAll fetches and takes the letters of a round.
func (n *node) fetchAll(b *testing.B) error {
	var taken uint64
	for got := 0; ; {
		mail, _, err := n.FetchMail(b.Context(), taken, 0)
		if err != nil {
			return err
		}
		if len(mail) > 0 {
			taken = mail[len(mail)-1].Number
		} else if got >= mailEach {
			return nil
		}
		got += len(mail)
	}
}

// timed runs a job for each client, all at the same time.
func timed(b *testing.B, job func(client int) error) time.Duration {
	began := time.Now()
	var group sync.WaitGroup
	for i := range mailClients {
		group.Go(func() {
			if err := job(i); err != nil {
				b.Error(err)
			}
		})
	}
	group.Wait()
	return time.Since(began)
}
