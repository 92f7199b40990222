package cluster

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// streams is Raft's stream layer over libp2p. It accepts members only: who
// speaks on a stream is certain from the connection, so that nobody else can
// vote or append.
type streams struct {
	host   host.Host
	member func(peer.ID) bool

	incoming chan net.Conn
	closed   chan struct{}

	mu   sync.Mutex
	open map[*conn]struct{} // guarded by mu; nil once closed
}

var _ raft.StreamLayer = (*streams)(nil)

func listen(h host.Host, member func(peer.ID) bool) *streams {
	s := &streams{
		host: h, member: member,
		incoming: make(chan net.Conn, acceptQueue),
		closed:   make(chan struct{}),
		open:     map[*conn]struct{}{},
	}
	h.SetStreamHandler(wire.Raft, s.handle)
	return s
}

func (s *streams) handle(stream network.Stream) {
	if !s.member(stream.Conn().RemotePeer()) {
		stream.Reset()
		return
	}
	c, err := s.track(stream)
	if err != nil {
		return
	}
	select {
	case s.incoming <- c:
	default: // nobody accepts so many: the other side tries again
		c.Close()
	}
}

// Accept implements net.Listener.
func (s *streams) Accept() (net.Conn, error) {
	select {
	case c := <-s.incoming:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Dial implements raft.StreamLayer. Raft has its own pauses between attempts;
// libp2p's, which grow to minutes, would keep a server that is back out.
func (s *streams) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	server, err := parseAddress(address)
	if err != nil {
		return nil, fmt.Errorf("cluster: dial: %w", err)
	}
	id := server.ID
	s.host.Peerstore().AddAddrs(id, server.Addresses, peerstore.TempAddrTTL)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	clearBackoff(s.host, id)
	stream, err := s.host.NewStream(ctx, id, wire.Raft)
	if err != nil {
		return nil, fmt.Errorf("cluster: dial: %w", err)
	}
	return s.track(stream)
}

func clearBackoff(h host.Host, id peer.ID) {
	if n, ok := h.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
		n.Backoff().Clear(id)
	}
}

// Addr implements net.Listener.
func (s *streams) Addr() net.Addr { return peerAddr(s.host.ID()) }

// Close ends all streams, so that no goroutine of Raft's waits on one.
func (s *streams) Close() error {
	s.host.RemoveStreamHandler(wire.Raft)
	s.mu.Lock()
	open := s.open
	s.open = nil
	s.mu.Unlock()
	if open == nil {
		return nil
	}
	close(s.closed)
	for c := range open {
		c.Stream.Reset()
	}
	return nil
}

func (s *streams) track(stream network.Stream) (*conn, error) {
	c := &conn{Stream: stream, streams: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		stream.Reset()
		return nil, net.ErrClosed
	}
	s.open[c] = struct{}{}
	return c, nil
}

func (s *streams) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// conn is a libp2p stream as a net.Conn between peer IDs.
type conn struct {
	network.Stream
	streams *streams
}

func (c *conn) LocalAddr() net.Addr  { return peerAddr(c.Conn().LocalPeer()) }
func (c *conn) RemoteAddr() net.Addr { return peerAddr(c.Conn().RemotePeer()) }

// Close resets: Raft is done with both directions, and a stream that is closed
// politely lingers until the other side does the same.
func (c *conn) Close() error {
	c.streams.forget(c)
	return c.Reset()
}

type peerAddr peer.ID

func (peerAddr) Network() string  { return "libp2p" }
func (a peerAddr) String() string { return peer.ID(a).String() }
