package transport

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
)

// shelf serves chunks, and notes who asked and over how many connections.
type shelf struct {
	chunks [][]byte
	asked  chan peer.ID
	err    error
}

func (s *shelf) serve(_ context.Context, from peer.ID, req *pb.FileRequest, reply func(*pb.FileReply) error) error {
	s.asked <- from
	for _, c := range s.chunks[req.GetFrom():] {
		if err := reply(&pb.FileReply{Chunk: c}); err != nil {
			return err
		}
	}
	return s.err
}

func newShelf(n int) *shelf {
	s := &shelf{asked: make(chan peer.ID, 100)}
	for range n {
		chunk := make([]byte, 64<<10)
		rand.Read(chunk)
		s.chunks = append(s.chunks, chunk)
	}
	return s
}

func fetchAll(t testing.TB, from, server *Host, first uint64) [][]byte {
	t.Helper()
	var got [][]byte
	err := from.FetchFile(within(t), server.ID(), &pb.FileRequest{From: first}, func(r *pb.FileReply) error {
		got = append(got, r.GetChunk())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestFetchFileOverAConnectionOfItsOwn(t *testing.T) {
	a, b := newHost(t), newHost(t)
	reach(t, a, b)
	s := newShelf(40)
	own := make(chan bool, 1)
	b.ServeFiles(func(ctx context.Context, from peer.ID, req *pb.FileRequest, reply func(*pb.FileReply) error) error {
		shared := slices.ContainsFunc(b.host.Network().ConnsToPeer(a.ID()), func(c network.Conn) bool {
			return slices.ContainsFunc(c.GetStreams(), func(s network.Stream) bool { return s.Protocol() == wire.File || s.Protocol() == ownFile })
		})
		own <- !shared
		return s.serve(ctx, from, req, reply)
	})
	for _, first := range []uint64{0, 17, 40} {
		got := fetchAll(t, a, b, first)
		if !slices.EqualFunc(got, s.chunks[first:], bytes.Equal) {
			t.Fatalf("from %d: %d other chunks", first, len(got))
		}
		if from := await(t, "the request", s.asked); from != a.ID() {
			t.Errorf("served to %s", from)
		}
		if !await(t, "the connection", own) {
			t.Error("the file took the shared connection")
		}
	}
	eventually(t, "only the shared connection is left", func() bool { return len(b.host.Network().Conns()) == 1 })
}

func TestFetchFileOverTheSharedConnection(t *testing.T) {
	a, b := newHost(t), newHost(t)
	reach(t, b, a) // b dials: a has no address of b that it could dial itself
	a.host.Peerstore().ClearAddrs(b.ID())
	s := newShelf(20)
	b.ServeFiles(s.serve)
	if got := fetchAll(t, a, b, 0); !slices.EqualFunc(got, s.chunks, bytes.Equal) {
		t.Fatal("other chunks")
	}
	if from := await(t, "the request", s.asked); from != a.ID() {
		t.Errorf("served to %s", from)
	}
}

func TestFetchFileFailures(t *testing.T) {
	a, b := newHost(t), newHost(t)
	reach(t, a, b)
	ignore := func(*pb.FileReply) error { return nil }
	if err := a.FetchFile(within(t), b.ID(), &pb.FileRequest{}, ignore); !errors.Is(err, ErrFileCut) {
		t.Errorf("nobody serves: %v", err)
	}
	s := newShelf(3)
	b.ServeFiles(s.serve)
	stop := errors.New("enough")
	if err := a.FetchFile(within(t), b.ID(), &pb.FileRequest{}, func(*pb.FileReply) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("each fails: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err := a.FetchFile(ctx, b.ID(), &pb.FileRequest{}, func(*pb.FileReply) error { cancel(); <-ctx.Done(); return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	broken := newShelf(3) // one of its own: s may still be serving what was cancelled
	broken.err = errors.New("the disk is gone")
	b.ServeFiles(broken.serve)
	if err := a.FetchFile(within(t), b.ID(), &pb.FileRequest{}, ignore); !errors.Is(err, ErrFileCut) {
		t.Errorf("the server fails: %v", err)
	}
	if err := a.FetchFile(within(t), newHost(t).ID(), &pb.FileRequest{}, ignore); err == nil {
		t.Error("fetched from a peer that is not connected")
	}
}

func TestTicket(t *testing.T) {
	draw := func() (crypto.PrivKey, peer.ID) {
		_, raw, _ := ed25519.GenerateKey(nil)
		k, err := crypto.UnmarshalEd25519PrivateKey(raw)
		if err != nil {
			t.Fatal(err)
		}
		id, err := peer.IDFromPrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return k, id
	}
	key, device := draw()
	_, server := draw()
	_, fresh := draw()
	_, other := draw()
	ticket, err := makeTicket(key, device, server, fresh)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readTicket(bytes.NewReader(ticket), server, fresh); err != nil || got != device {
		t.Fatalf("ticket is for %s, %v", got, err)
	}
	if _, err := readTicket(bytes.NewReader(ticket), other, fresh); !errors.Is(err, errTicket) {
		t.Errorf("at another server: %v", err)
	}
	if _, err := readTicket(bytes.NewReader(ticket), server, other); !errors.Is(err, errTicket) {
		t.Errorf("shown by another: %v", err)
	}
	for i := range ticket {
		forged := bytes.Clone(ticket)
		forged[i] ^= 1
		if got, err := readTicket(bytes.NewReader(forged), server, fresh); err == nil {
			t.Errorf("byte %d changed: ticket for %s", i, got)
		}
	}
	for n := range ticket {
		if _, err := readTicket(bytes.NewReader(ticket[:n]), server, fresh); err == nil {
			t.Errorf("%d bytes of a ticket will do", n)
		}
	}
}
