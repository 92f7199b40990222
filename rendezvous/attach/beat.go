package attach

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// backend is the open wire.Backend stream to one balancer.
type backend struct {
	cfg       Config
	stream    network.Stream
	replies   *wire.Reader
	answered  time.Time     // when the balancer last replied
	reachable chan struct{} // closed once clients can come: an address is advertised or a circuit reserved
}

// greet shows the certificate and waits for the balancer's word.
func greet(cfg Config, s network.Stream) (*backend, error) {
	b := &backend{
		cfg:       cfg,
		stream:    s,
		replies:   wire.NewReader(s, wire.MaxBalancer),
		answered:  time.Now(),
		reachable: make(chan struct{}),
	}
	return b, b.exchange(&pb.Backend{
		Certificate: cfg.Certificate,
		Addresses:   encodeAddrs(cfg.Advertise),
		// Not ready whatever Ready says: without a reservation, which the
		// balancer grants only from now on, nobody could come.
		Ready: false,
	})
}

// beat tells the balancer once a BeatInterval how this server is, until ctx
// ends or the balancer misses its reply. At the end of ctx the stream is closed
// cleanly: the balancer then assigns nobody here, and leaves circuits alone.
func (b *backend) beat(ctx context.Context) error {
	ticker := time.NewTicker(b.cfg.BeatInterval)
	defer ticker.Stop()
	waiting := b.reachable
	was := false
	for {
		ready := waiting == nil && b.cfg.Ready()
		if err := b.exchange(&pb.Backend{Ready: ready}); err != nil {
			b.stream.Reset()
			return err
		}
		if ready != was {
			b.cfg.Logger.Info("told the balancer", "balancer", b.stream.Conn().RemotePeer(), "ready", ready)
			was = ready
		}
		select {
		case <-ctx.Done():
			b.stream.Close()
			return ctx.Err()
		case <-waiting:
			waiting = nil // and beat at once: clients may be waiting too
		case <-ticker.C:
		}
	}
}

// exchange sends one frame and reads the reply. The reply is due BeatTimeout
// after the one before, so that a balancer that freezes is noticed as long
// after its last sign of life.
func (b *backend) exchange(m *pb.Backend) error {
	if err := b.stream.SetDeadline(b.answered.Add(b.cfg.BeatTimeout)); err != nil {
		return fmt.Errorf("attach: beat: %w", err)
	}
	if err := wire.WriteFrame(b.stream, m); err != nil {
		return fmt.Errorf("attach: beat: %w", err)
	}
	var reply pb.BackendReply
	if err := b.replies.Read(&reply); err != nil {
		return fmt.Errorf("attach: beat: %w", err)
	}
	if err := wire.FromWire(reply.GetError()); err != nil {
		return fmt.Errorf("attach: the balancer says: %w", err)
	}
	b.answered = time.Now()
	return nil
}

func encodeAddrs(addrs []ma.Multiaddr) [][]byte {
	var encoded [][]byte
	for _, addr := range addrs {
		encoded = append(encoded, addr.Bytes())
	}
	return encoded
}
