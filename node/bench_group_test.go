package node

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// burst is how many messages a member sends back to back.
const burst = 64

// BenchmarkGroup is from SendGroup until every other member has been shown the
// message: of one at a time, and for each of a burst. Every member opens it and has
// it on its disk by then. Its limit is raw GossipSub with the same settings among
// as many hosts, which open nothing and keep nothing.
//
// All members run in this process, so that they share its processors and disk: the
// figures are the work of a whole group.
func BenchmarkGroup(b *testing.B) {
	for _, n := range []int{3, 10, 50} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			onDiskAndInMemory(b, func(b *testing.B, w *world, home func() string) {
				ours, raw := newTalk(b, w, n, home), newRawTalk(b, n)
				for _, messages := range []int{1, burst} {
					b.Run(fmt.Sprintf("burst=%d", messages), func(b *testing.B) {
						var sent, limit laps
						for b.Loop() {
							sent.time(func() { ours(messages) })
							limit.time(func() { raw(messages) })
						}
						report(b, sent, limit)
						b.ReportMetric(float64(messages)/(sent.median()/float64(time.Second)), "messages/s")
					})
				}
			})
		})
	}
}

// talk has one member send so many messages, and returns when all others have them.
type talk func(messages int)

func newTalk(b *testing.B, w *world, members int, home func() string) talk {
	b.Helper()
	alice := w.listener(b, home(), "alice", "42")
	if _, err := alice.CreateGroup(b.Context(), "g"); err != nil {
		b.Fatal(err)
	}
	var others []*listener
	for i := 1; i < members; i++ {
		bob := w.listener(b, home(), "bob", fmt.Sprint(i), EventMessage)
		if _, waiting, err := bob.JoinGroup(b.Context(), "g"); err != nil || waiting {
			b.Fatalf("join: waiting %t, %v", waiting, err)
		}
		others = append(others, bob)
	}
	text := strings.Repeat("x", 256)
	say := func(messages int) {
		for range messages {
			if _, err := alice.SendGroup(b.Context(), "g", text); err != nil {
				b.Fatal(err)
			}
		}
		for _, bob := range others {
			for range messages {
				bob.hears()
			}
		}
	}
	s, _ := alice.device.rooms.named("g")
	await(b, "everybody on the topic", func() bool {
		return len(alice.device.rooms.rotation(s.ID()).Subscribed()) == members-1
	})
	say(1) // hands out the sender key
	return say
}

// newRawTalk is the same among hosts that run GossipSub with the settings of
// package transport.
func newRawTalk(b *testing.B, members int) talk {
	b.Helper()
	var topics []*pubsub.Topic
	var hosts []host.Host
	heard := make(chan struct{}, 1<<16)
	for range members {
		h, topic := newRawMember(b, heard)
		for _, other := range hosts {
			if err := h.Connect(b.Context(), *host.InfoFromHost(other)); err != nil {
				b.Fatal(err)
			}
		}
		hosts, topics = append(hosts, h), append(topics, topic)
	}
	for _, topic := range topics {
		await(b, "everybody on the topic", func() bool { return len(topic.ListPeers()) == members-1 })
	}
	data := []byte(strings.Repeat("x", 512)) // what a message of 256 bytes comes to, sealed
	say := func(messages int) {
		for range messages {
			ready := pubsub.WithReadiness(pubsub.MinTopicSize(min(members-1, pubsub.GossipSubDlo)))
			if err := topics[0].Publish(b.Context(), data, ready); err != nil {
				b.Fatal(err)
			}
		}
		for range messages * (members - 1) {
			select {
			case <-heard:
			case <-time.After(testTimeout):
				b.Fatal("a raw message did not arrive")
			}
		}
	}
	say(1)
	return say
}

func newRawMember(b *testing.B, heard chan<- struct{}) (host.Host, *pubsub.Topic) {
	b.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableMetrics())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	const queue = 1024
	params := pubsub.DefaultGossipSubParams()
	params.HeartbeatInterval = 200 * time.Millisecond
	params.HistoryLength, params.HistoryGossip = 15, 5
	params.PruneBackoff, params.UnsubscribeBackoff = time.Second, time.Second
	ps, err := pubsub.NewGossipSub(ctx, h, pubsub.WithGossipSubParams(params), pubsub.WithFloodPublish(false),
		pubsub.WithPeerOutboundQueueSize(queue), pubsub.WithValidateQueueSize(8*queue),
		pubsub.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		b.Fatal(err)
	}
	topic, err := ps.Join("raw")
	if err != nil {
		b.Fatal(err)
	}
	sub, err := topic.Subscribe(pubsub.WithBufferSize(queue))
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			m, err := sub.Next(ctx)
			if err != nil {
				return
			}
			if m.GetFrom() != h.ID() {
				heard <- struct{}{}
			}
		}
	}()
	return h, topic
}
