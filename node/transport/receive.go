package transport

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	rwire "github.com/tryst-chat/tryst/rendezvous/wire"
)

// Delivery is one sealed message as it arrived.
type Delivery struct {
	ID       wire.MessageID
	Envelope []byte
}

// Receiver takes what other devices deliver.
type Receiver interface {
	// Receive takes the deliveries, 1 to MaxBatch in the order they were sent, that
	// had arrived from a peer, and returns one outcome for each: pb.Refusal_NONE
	// once it is on disk, else why it was not taken. hello is what the peer claims
	// to be. For one peer calls follow each other; those for different peers run at
	// the same time. ctx ends with the stream.
	Receive(ctx context.Context, from peer.ID, hello Hello, batch []Delivery) []pb.Refusal
}

// Messages opens the host for messages, both ways: r takes what comes, and hello
// is how this device introduces itself on each stream from now on.
func (h *Host) Messages(r Receiver, hello func() Hello) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.receiver, h.hello = r, hello
}

// inboundStream is the one message stream that a peer has open to this device.
type inboundStream struct {
	stream network.Stream
	ended  chan struct{}
}

// handleMessages serves a message stream until it ends.
func (h *Host) handleMessages(s network.Stream) {
	if !h.start() {
		_ = s.Reset()
		return
	}
	defer h.running.Done()
	in, err := h.admit(s)
	if err == nil {
		err = h.serveMessages(s)
		h.dismiss(in)
	}
	_ = s.Reset()
	h.log.Debug("message stream ended", "peer", s.Conn().RemotePeer(), "reason", err)
}

// admit makes s its peer's one message stream: an older one is reset, and is over
// when admit returns, so that Receive is never called twice at a time for a peer.
func (h *Host) admit(s network.Stream) (*inboundStream, error) {
	if err := s.Scope().ReserveMemory(receiveMemory, network.ReservationPriorityMedium); err != nil {
		return nil, fmt.Errorf("reserve memory: %w", err)
	}
	p := s.Conn().RemotePeer()
	in := &inboundStream{stream: s, ended: make(chan struct{})}
	h.mu.Lock()
	older := h.inbound[p]
	h.inbound[p] = in
	h.mu.Unlock()
	if older != nil {
		_ = older.stream.Reset()
		<-older.ended
	}
	return in, nil
}

func (h *Host) dismiss(in *inboundStream) {
	p := in.stream.Conn().RemotePeer()
	h.mu.Lock()
	if h.inbound[p] == in {
		delete(h.inbound, p)
	}
	h.mu.Unlock()
	close(in.ended)
}

// serveMessages exchanges Hellos and then hands over what arrives.
func (h *Host) serveMessages(s network.Stream) error {
	h.mu.Lock()
	receiver, self := h.receiver, h.hello
	h.mu.Unlock()
	if receiver == nil {
		return ErrNotReady
	}
	_ = s.SetDeadline(time.Now().Add(wire.HelloTimeout))
	frames := rwire.NewReader(s, wire.MaxFrame)
	hello, err := readHello(frames)
	if err != nil {
		return err
	}
	if err := rwire.WriteFrame(s, self().toWire()); err != nil {
		return fmt.Errorf("answer hello: %w", err)
	}
	// From here on silence is ordinary. Writes have a deadline each, and libp2p's
	// keep-alive ends a connection whose other side is gone.
	_ = s.SetDeadline(time.Time{})

	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	box := newInbox()
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		cancel(readDeliveries(ctx, frames, box))
	}()
	err = receiveBatches(ctx, s, receiver, hello, box)
	cancel(err)   // ends the reader where it waits for room in the box,
	_ = s.Reset() // and where it waits for the stream
	<-reading
	return err
}

// readDeliveries fills the box until the stream ends or ctx does.
func readDeliveries(ctx context.Context, frames *rwire.Reader, box *inbox) error {
	for {
		var f pb.Frame
		if err := frames.Read(&f); err != nil {
			return fmt.Errorf("read deliveries: %w", err)
		}
		d := f.GetDelivery()
		id, ok := wire.ParseMessageID(d.GetId())
		if !ok || len(d.GetEnvelope()) > wire.MaxEnvelope {
			return fmt.Errorf("read deliveries: %w: not a delivery", rwire.ErrFrame)
		}
		if err := box.put(ctx, Delivery{ID: id, Envelope: d.GetEnvelope()}); err != nil {
			return err
		}
	}
}

// receiveBatches hands over and answers, batch by batch.
func receiveBatches(ctx context.Context, s network.Stream, r Receiver, hello Hello, box *inbox) error {
	for {
		batch, err := box.take(ctx)
		if err != nil {
			return context.Cause(ctx)
		}
		outcomes := r.Receive(ctx, s.Conn().RemotePeer(), hello, batch)
		if len(outcomes) != len(batch) {
			return fmt.Errorf("receiver gave %d outcomes for %d deliveries", len(outcomes), len(batch))
		}
		for _, frame := range receipts(batch, outcomes) {
			_ = s.SetWriteDeadline(time.Now().Add(writeTimeout))
			if err := rwire.WriteFrame(s, frame); err != nil {
				return fmt.Errorf("write receipt: %w", err)
			}
		}
	}
}

// receipts returns the frames that answer a batch: one for each run of equal
// outcomes, so that they stay in order.
func receipts(batch []Delivery, outcomes []pb.Refusal) []*pb.Frame {
	var frames []*pb.Frame
	var last *pb.Receipt
	for i, d := range batch {
		if last == nil || last.Refusal != outcomes[i] {
			last = &pb.Receipt{Refusal: outcomes[i]}
			frames = append(frames, &pb.Frame{Kind: &pb.Frame_Receipt{Receipt: last}})
		}
		last.Ids = append(last.Ids, d.ID[:])
	}
	return frames
}
