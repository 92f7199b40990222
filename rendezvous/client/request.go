package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// ask has one request answered by whatever server the client is linked to,
// trying again elsewhere until the context ends. That is safe for every
// request: commands are idempotent in the directory, and the rest changes
// nothing. It returns wire's sentinel for a server's refusal, and ErrOffline
// when no server answered in time. Where a server says that this device asks for too
// much just now, it waits, and returns wire.ErrSoon when the context would end first.
func (c *Client) ask(ctx context.Context, req *pb.Request) (*pb.Response, error) {
	req.MinIndex = c.minIndex()
	if proto.Size(req) > wire.MaxRequest {
		return nil, wire.ErrTooLarge
	}
	for wait := limitedLeast; ; {
		l, err := c.await(ctx)
		if err != nil {
			return nil, err
		}
		resp, err := c.exchange(ctx, l, req)
		if err == nil {
			err = wire.FromWire(resp.GetError())
		}
		switch {
		case err == nil:
			c.saw(resp.GetIndex())
			return resp, nil
		case resp != nil && errors.Is(err, wire.ErrSoon) && pauseWithin(ctx, wait):
			wait = min(2*wait, limitedMost)
			continue
		case resp != nil && !errors.Is(err, wire.ErrUnavailable):
			return nil, err // the server's word, and it would not change elsewhere
		case ctx.Err() != nil:
			return nil, offline(ctx, err)
		}
		l.fail(err) // await passes over a dead link, so this cannot spin on it
		c.log.Debug("request failed, trying again", "server", l.name, "err", err)
	}
}

// pauseWithin pauses for about d, or returns false at once if the context ends sooner.
func pauseWithin(ctx context.Context, d time.Duration) bool {
	d = jitter(d)
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	return pause(ctx, d)
}

// do is ask where the answer is only that it was done.
func (c *Client) do(ctx context.Context, req *pb.Request) error {
	_, err := c.ask(ctx, req)
	return err
}

// await returns the link, waiting for one until the context ends.
func (c *Client) await(ctx context.Context) (*link, error) {
	for {
		c.mu.Lock()
		l, cause, changed := c.link, c.cause, c.changed
		c.mu.Unlock()
		if l != nil && l.alive() {
			return l, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, offline(ctx, cause)
		}
	}
}

// offline is what a call returns when its context ended first.
func offline(ctx context.Context, cause error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // the caller's own wish
	}
	return fmt.Errorf("%w: %w", ErrOffline, cause)
}

// exchange asks one server once. The stream ends with the link.
func (c *Client) exchange(ctx context.Context, l *link, req *pb.Request) (*pb.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, wire.RequestTimeout)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-l.dead:
			cancel()
		case <-ctx.Done():
		}
	})
	resp := new(pb.Response)
	if err := roundTrip(ctx, c.host, l.server, wire.Rendezvous, req, resp, wire.MaxResponse); err != nil {
		return nil, fmt.Errorf("ask server %s: %w", l.name, err)
	}
	return resp, nil
}

// roundTrip opens a stream on a connection that exists, writes one frame and
// reads one of at most max bytes. It holds to the context's end.
func roundTrip(ctx context.Context, h host.Host, to peer.ID, id protocol.ID, req, resp proto.Message, max int) error {
	s, err := openStream(ctx, h, to, id)
	if err != nil {
		return err
	}
	// Not a deadline of the stream's own: it might strike a moment before the
	// context's, and the caller's impatience would pass for the server's failure.
	stop := context.AfterFunc(ctx, func() { s.Reset() })
	defer stop()
	if err := wire.WriteFrame(s, req); err != nil {
		s.Reset()
		return err
	}
	s.CloseWrite()
	if err := wire.NewReader(s, max).Read(resp); err != nil {
		s.Reset()
		return err
	}
	return s.Close()
}

// openStream opens a stream without dialling: who is not connected is gone.
// Circuits may be marked as limited, and then need to be allowed.
func openStream(ctx context.Context, h host.Host, to peer.ID, id protocol.ID) (network.Stream, error) {
	ctx = network.WithNoDial(ctx, "the link is the connection")
	ctx = network.WithAllowLimitedConn(ctx, "over a balancer")
	return h.NewStream(ctx, to, id)
}

// pause waits, or returns false when the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
