package attach

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// backend is the open wire.Backend stream to one balancer.
type backend struct {
	cfg       Config
	stream    network.Stream
	replies   *wire.Reader
	reachable chan struct{} // closed once clients can come: an address is advertised or a circuit reserved
}

// greet shows the certificate and waits for the balancer's word.
func greet(cfg Config, s network.Stream) (*backend, error) {
	b := &backend{
		cfg:       cfg,
		stream:    s,
		replies:   wire.NewReader(s, wire.MaxBalancer),
		reachable: make(chan struct{}),
	}
	hello := &pb.Backend{
		Certificate: cfg.Certificate,
		// Not ready, whatever Ready says: without a reservation, which the
		// balancer grants only from now on, nobody could come.
		Ready: false,
	}
	for _, addr := range cfg.Advertise {
		hello.Addresses = append(hello.Addresses, addr.Bytes())
	}
	if err := b.send(hello); err != nil {
		return nil, err
	}
	return b, b.receive()
}

// beat tells the balancer once a BeatInterval how this server is, and at once when
// that changes, until ctx ends. Then the stream is closed cleanly: the balancer assigns nobody here any
// more, and leaves circuits alone.
func (b *backend) beat(ctx context.Context) error {
	ticker := time.NewTicker(b.cfg.BeatInterval)
	defer ticker.Stop()
	look := time.NewTicker(readyPoll)
	defer look.Stop()
	waiting := b.reachable
	was := false
	for {
		ready := waiting == nil && b.cfg.Ready()
		if err := b.send(&pb.Backend{Ready: ready}); err != nil {
			return err
		}
		if ready != was {
			b.cfg.Logger.Info("told the balancer", "balancer", b.stream.Conn().RemotePeer(), "ready", ready)
			was = ready
		}
		for same := true; same; {
			select {
			case <-ctx.Done():
				b.stream.CloseWrite()
				return ctx.Err()
			case <-waiting:
				waiting, same = nil, false // clients may be waiting too
			case <-ticker.C:
				same = false
			case <-look.C:
				same = ready == (waiting == nil && b.cfg.Ready())
			}
		}
	}
}

// listen reads the balancer's replies until one is missed, says no, or the
// stream ends. It runs beside beat, so that a balancer that closes is noticed
// at once, and one that freezes a BeatTimeout after its last sign of life.
func (b *backend) listen() error {
	for {
		if err := b.receive(); err != nil {
			return err
		}
	}
}

func (b *backend) send(m *pb.Backend) error {
	if err := b.stream.SetWriteDeadline(time.Now().Add(b.cfg.BeatTimeout)); err != nil {
		return fmt.Errorf("attach: beat: %w", err)
	}
	if err := wire.WriteFrame(b.stream, m); err != nil {
		return fmt.Errorf("attach: beat: %w", err)
	}
	return nil
}

func (b *backend) receive() error {
	if err := b.stream.SetReadDeadline(time.Now().Add(b.cfg.BeatTimeout)); err != nil {
		return fmt.Errorf("attach: reply: %w", err)
	}
	var reply pb.BackendReply
	if err := b.replies.Read(&reply); err != nil {
		return fmt.Errorf("attach: reply: %w", err)
	}
	if err := wire.FromWire(reply.GetError()); err != nil {
		return fmt.Errorf("attach: the balancer says: %w", err)
	}
	return nil
}
