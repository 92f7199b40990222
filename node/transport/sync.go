package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	rwire "github.com/tryst-chat/tryst/rendezvous/wire"
)

// SyncServer answers a peer's request with the group messages that it lacks, at
// most wire.MaxSyncMessages, or with an error: then the peer gets nothing.
type SyncServer func(from peer.ID, req *pb.SyncRequest) ([][]byte, error)

// ServeSync opens the host for members who ask for group messages.
func (h *Host) ServeSync(serve SyncServer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.syncs = serve
}

// Sync asks a connected peer for group messages and returns what it sends: at most
// wire.MaxSyncMessages, and not many more bytes than wire.MaxSyncBytes.
func (h *Host) Sync(ctx context.Context, from peer.ID, req *pb.SyncRequest) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "sync"), syncTimeout)
	defer cancel()
	s, err := h.host.NewStream(network.WithNoDial(ctx, "Reach dials"), from, wire.GroupSync)
	if err != nil {
		return nil, fmt.Errorf("transport: sync with %s: %w", from, err)
	}
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	messages, err := askSync(s, req)
	if err != nil {
		_ = s.Reset()
		return nil, fmt.Errorf("transport: sync with %s: %w", from, errors.Join(ctx.Err(), err))
	}
	_ = s.Close()
	return messages, nil
}

func askSync(s network.Stream, req *pb.SyncRequest) (messages [][]byte, err error) {
	_ = s.SetDeadline(time.Now().Add(syncTimeout))
	if err := rwire.WriteFrame(s, req); err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	_ = s.CloseWrite()
	frames := rwire.NewReader(s, wire.MaxFrame)
	for size := 0; len(messages) < wire.MaxSyncMessages && size < wire.MaxSyncBytes; {
		var reply pb.SyncReply
		err := frames.Read(&reply)
		if errors.Is(err, io.EOF) {
			return messages, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		messages, size = append(messages, reply.GetMessage()), size+len(reply.GetMessage())
	}
	return messages, nil
}

// handleSync answers one request.
func (h *Host) handleSync(s network.Stream) {
	from := s.Conn().RemotePeer()
	if !h.beginServing(serving{from, wire.GroupSync}, maxSyncing) {
		_ = s.Reset()
		return
	}
	defer h.endServing(serving{from, wire.GroupSync})
	if err := h.answerSync(s, from); err != nil {
		h.log.Debug("group messages were not passed on", "peer", from, "err", err)
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

func (h *Host) answerSync(s network.Stream, from peer.ID) error {
	h.mu.Lock()
	serve := h.syncs
	h.mu.Unlock()
	if serve == nil {
		return ErrNotReady
	}
	_ = s.SetDeadline(time.Now().Add(syncTimeout))
	var req pb.SyncRequest
	if err := rwire.NewReader(s, wire.MaxSyncRequest).Read(&req); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	messages, err := serve(from, &req)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := rwire.WriteFrame(s, &pb.SyncReply{Message: m}); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return nil
}
