package transport

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire/pb"
)

// payload is the size of the messages that are measured, in bytes.
const payload = 256

// BenchmarkEcho is the yardstick: a raw libp2p stream there and back.
func BenchmarkEcho(b *testing.B) {
	x, y := newHost(b), newHost(b)
	y.host.SetStreamHandler("/echo", func(s network.Stream) { _, _ = io.Copy(s, s); _ = s.Close() })
	reach(b, x, y)
	s, err := x.host.NewStream(context.Background(), y.ID(), "/echo")
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, payload)
	for b.Loop() {
		if _, err := s.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(s, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeliver waits for each receipt before the next delivery.
func BenchmarkDeliver(b *testing.B) {
	x, y := pair(b, takeAll{})
	l := link(b, x, y)
	envelope := make([]byte, payload)
	for i := 0; b.Loop(); i++ {
		outcome, err := l.Deliver(context.Background(), id(i), envelope)
		if err != nil {
			b.Fatal(err)
		}
		if err := <-outcome; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeliverPipelined keeps the window full.
func BenchmarkDeliverPipelined(b *testing.B) {
	x, y := pair(b, takeAll{})
	l := link(b, x, y)
	envelope := make([]byte, payload)
	var last <-chan error
	for i := 0; b.Loop(); i++ {
		var err error
		if last, err = l.Deliver(context.Background(), id(i), envelope); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-last; err != nil {
		b.Fatal(err)
	}
}

type takeAll struct{}

func (takeAll) Receive(_ context.Context, _ peer.ID, _ Hello, batch []Delivery) []pb.Refusal {
	return make([]pb.Refusal, len(batch))
}

// BenchmarkFile fetches 8 MiB over a connection of its own, which it makes.
func BenchmarkFile(b *testing.B) {
	x, y := newHost(b), newHost(b)
	s := newShelf(128)
	y.ServeFiles(func(ctx context.Context, from peer.ID, req *pb.FileRequest, reply func(*pb.FileReply) error) error {
		for _, c := range s.chunks {
			if err := reply(&pb.FileReply{Chunk: c}); err != nil {
				return err
			}
		}
		return nil
	})
	reach(b, x, y)
	b.SetBytes(int64(len(s.chunks) * len(s.chunks[0])))
	for b.Loop() {
		if err := x.FetchFile(context.Background(), y.ID(), &pb.FileRequest{}, func(*pb.FileReply) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStreamBulk is BenchmarkFile's yardstick: as many bytes on a raw stream.
func BenchmarkStreamBulk(b *testing.B) {
	x, y := newHost(b), newHost(b)
	chunk := make([]byte, 64<<10)
	y.host.SetStreamHandler("/bulk", func(s network.Stream) {
		for range 128 {
			if _, err := s.Write(chunk); err != nil {
				return
			}
		}
		_ = s.Close()
	})
	reach(b, x, y)
	b.SetBytes(128 * int64(len(chunk)))
	for b.Loop() {
		s, err := x.host.NewStream(context.Background(), y.ID(), "/bulk")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTopic is the time until every other member has a message of 256 bytes,
// for our topics and for pubsub with the same settings and none of the guards.
func BenchmarkTopic(b *testing.B) {
	for _, n := range []int{3, 10, 50} {
		b.Run(fmt.Sprintf("raw/%d", n), func(b *testing.B) { benchmarkTopic(b, n, rawTopics) })
		b.Run(fmt.Sprintf("tryst/%d", n), func(b *testing.B) { benchmarkTopic(b, n, ourTopics) })
	}
}

type publisher func(data []byte) error

func benchmarkTopic(b *testing.B, n int, join func(*testing.B, []*Host, func()) publisher) {
	hosts := newHosts(b, n)
	reachAll(b, hosts)
	var heard atomic.Int64
	round := make(chan struct{}, 1)
	say := join(b, hosts, func() {
		if heard.Add(1)%int64(n-1) == 0 {
			round <- struct{}{}
		}
	})
	data := make([]byte, payload)
	for b.Loop() {
		if err := say(data); err != nil {
			b.Fatal(err)
		}
		await(b, "everybody has it", round)
	}
}

func ourTopics(b *testing.B, hosts []*Host, heard func()) publisher {
	m := membersOf(hosts...)
	groups := make([]*Topic, len(hosts))
	for i, h := range hosts {
		var err error
		deliver := func(context.Context, peer.ID, []byte) { heard() }
		if groups[i], err = startTopics(b, h, m).Join("topic", m.has, deliver); err != nil {
			b.Fatal(err)
		}
	}
	for _, g := range groups {
		eventually(b, "the mesh stands", func() bool { return g.Ready(len(hosts) - 1) })
	}
	return func(data []byte) error { return groups[0].Publish(context.Background(), data, len(hosts)-1) }
}

func rawTopics(b *testing.B, hosts []*Host, heard func()) publisher {
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	var first *pubsub.Topic
	var all []*meshes
	for i, h := range hosts {
		t := &Topics{meshes: newMeshes(h.log)}
		ps, err := pubsub.NewGossipSub(ctx, h.host, t.settings()...)
		if err != nil {
			b.Fatal(err)
		}
		topic, err := ps.Join("topic")
		if err != nil {
			b.Fatal(err)
		}
		sub, err := topic.Subscribe(pubsub.WithBufferSize(topicQueue))
		if err != nil {
			b.Fatal(err)
		}
		if i == 0 {
			first = topic
		}
		all = append(all, t.meshes)
		go func() {
			for {
				m, err := sub.Next(ctx)
				if err != nil {
					return
				}
				if m.GetFrom() != h.ID() {
					heard()
				}
			}
		}()
	}
	for _, m := range all {
		eventually(b, "the mesh stands", func() bool { n, _ := m.size("topic"); return n >= enough(len(hosts)-1) })
	}
	return func(data []byte) error { return first.Publish(ctx, data) }
}
