package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// serve answers the one request of a stream.
func (s *Server) serve(ctx context.Context, stream network.Stream) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, wire.RequestTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { stream.SetReadDeadline(time.Now()) })
	defer stop()
	stream.SetReadDeadline(began.Add(readTimeout))
	req := new(pb.Request)
	if err := wire.NewReader(stream, wire.MaxRequest).Read(req); err != nil {
		s.metrics.observe("none", "bad frame", time.Since(began))
		stream.Reset()
		return
	}
	kind, resp, err := s.answer(ctx, stream.Conn().RemotePeer(), req)
	if err != nil {
		resp = &pb.Response{Kind: &pb.Response_Error{Error: wire.ToWire(err)}}
	}
	s.metrics.observe(kind, outcome(err), time.Since(began))
	stream.SetWriteDeadline(time.Now().Add(writeGrace))
	if err := wire.WriteFrame(stream, resp); err != nil {
		stream.Reset()
		return
	}
	stream.Close()
}

// answer finds out who asks and whether they may, and has the request
// answered. Errors are package wire's sentinels.
func (s *Server) answer(ctx context.Context, from peer.ID, req *pb.Request) (kind string, resp *pb.Response, err error) {
	r, ok := s.routeOf(req)
	if !ok {
		return "unknown", nil, wire.ErrBadRequest
	}
	defer func() { err = s.refusal(r.kind, err) }()
	c := caller{device: from}
	if err := s.allowed.requests.take(from, 1); err != nil {
		return r.kind, nil, err
	}
	if !r.atOnce {
		if err := s.cluster.WaitApplied(ctx, req.GetMinIndex()); err != nil {
			return r.kind, nil, err
		}
		if err := s.countStranger(from); err != nil {
			return r.kind, nil, err
		}
	}
	if r.access == devices {
		if c.account, err = s.accountOf(ctx, from); err != nil {
			return r.kind, nil, err
		}
	}
	if resp, err = r.answer(ctx, c); err != nil {
		return r.kind, nil, err
	}
	// After the read: nothing that was read is newer, so that the client's next read,
	// which waits for this index wherever it goes, is as new as this one. An index from
	// before it would let the client go back in time.
	resp.Index = max(resp.Index, s.cluster.Directory().ChangeIndex())
	return r.kind, resp, nil
}

// countStranger counts a request of a device that is not logged in, as far as this
// server knows: it may make fewer that take any work.
func (s *Server) countStranger(from peer.ID) error {
	_, active, err := s.cluster.Directory().AccountOfDevice(from)
	if err == nil && active {
		return nil
	}
	if err != nil && !errors.Is(err, wire.ErrNoAccount) {
		return err
	}
	return s.allowed.strangers.take(from, 1)
}

// accountOf returns the account that a device may act for now, or
// wire.ErrNotLoggedIn. It does not say so before it knows that it is not this
// server that lags behind.
func (s *Server) accountOf(ctx context.Context, device peer.ID) (record.Account, error) {
	for fresh := false; ; fresh = true {
		account, active, err := s.cluster.Directory().AccountOfDevice(device)
		switch {
		case err == nil && active:
			return account, nil
		case err != nil && !errors.Is(err, wire.ErrNoAccount):
			return "", err
		case fresh:
			return "", wire.ErrNotLoggedIn
		}
		if err := s.cluster.Barrier(ctx); err != nil {
			return "", err
		}
	}
}

// change has a command of somebody's replicated, and returns what came of it and its
// index.
func (s *Server) change(ctx context.Context, c caller, command []byte) (value []byte, index uint64, err error) {
	if err := s.allowed.writes.take(c, 1); err != nil {
		return nil, 0, err
	}
	return s.cluster.Propose(ctx, command)
}

// outcomeKnown tells a command that certainly came to nothing from one that may be
// carried out yet.
func outcomeKnown(err error) bool {
	return !errors.Is(err, wire.ErrUnavailable) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// propose is change where only the index is of interest.
func (s *Server) propose(ctx context.Context, c caller, command []byte) (*pb.Response, error) {
	_, index, err := s.change(ctx, c, command)
	if err != nil {
		return nil, err
	}
	return done(index), nil
}

// refusal makes every error one that may cross the wire. What is no sentinel
// is this server's failure, and the operator's to read.
func (s *Server) refusal(kind string, err error) error {
	var limited *refused
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limited):
		s.refused.add(limited.limit)
		return limited
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: the server could not do it in time", wire.ErrUnavailable)
	case wire.ErrorOf(wire.Code(err)) == wire.ErrInternal:
		s.log.Error("a request failed", "kind", kind, "err", err)
		return wire.ErrInternal
	default:
		return err
	}
}
