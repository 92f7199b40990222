package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	rwire "github.com/tryst-chat/tryst/rendezvous/wire"
)

// Errors of links.
var (
	// ErrNotReady is returned by Link before Messages was called.
	ErrNotReady = errors.New("transport: nobody is logged in")
	// ErrSilent closes a link whose other side has sent no receipt for
	// wire.DeliverTimeout.
	ErrSilent = errors.New("transport: no receipt came")
	// ErrTooLarge is returned for an envelope of more than wire.MaxEnvelope bytes.
	ErrTooLarge = errors.New("transport: envelope too large")
)

// Refused is the outcome of a delivery that the other side did not take, and
// says why. The link goes on.
type Refused struct{ Refusal pb.Refusal }

func (r *Refused) Error() string { return "transport: refused: " + r.Refusal.String() }

// Link is the message stream that this device has opened to another. Its methods
// may be called from any goroutine.
type Link struct {
	// Immutable.
	stream network.Stream
	hello  Hello
	window chan struct{} // a token for every delivery that waits
	done   chan struct{}

	// write is held around a frame and its entry in pending, so that both have
	// the same order.
	write sync.Mutex

	mu       sync.Mutex
	err      error     // why it ended; nil while it lives
	pending  []waiting // oldest first
	patience *time.Timer
}

// waiting is a delivery without its receipt.
type waiting struct {
	id      wire.MessageID
	outcome chan<- error
}

// opening is a link, or the attempt to make one that several callers share.
type opening struct {
	ready chan struct{} // closed when link or err is set
	link  *Link
	err   error
}

// Link returns the link to a connected peer. If there is none it opens a stream
// and exchanges Hellos, for at most wire.HelloTimeout. It does not dial: see
// Reach. A link that ended is never returned.
func (h *Host) Link(ctx context.Context, to peer.ID) (*Link, error) {
	for {
		o, mine, err := h.openingTo(to)
		if err != nil {
			return nil, fmt.Errorf("transport: link to %s: %w", to, err)
		}
		if mine {
			o.link, o.err = h.open(ctx, to)
			close(o.ready)
		}
		select {
		case <-o.ready:
		case <-ctx.Done():
			return nil, fmt.Errorf("transport: link to %s: %w", to, ctx.Err())
		}
		switch {
		case o.err == nil && o.link.alive():
			return o.link, nil
		case o.err == nil:
			h.forget(to, o) // it ended; open another
		case mine:
			h.forget(to, o)
			return nil, fmt.Errorf("transport: link to %s: %w", to, o.err)
		case ctx.Err() != nil || !errors.Is(o.err, context.Canceled):
			return nil, fmt.Errorf("transport: link to %s: %w", to, o.err)
		default: // whoever opened it gave up, which is no reason for us to
			h.forget(to, o)
		}
	}
}

// openingTo returns the entry for a peer; mine tells that the caller must fill it.
func (h *Host) openingTo(to peer.ID) (o *opening, mine bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false, ErrClosed
	}
	if h.hello == nil {
		return nil, false, ErrNotReady
	}
	if o, ok := h.links[to]; ok {
		return o, false, nil
	}
	o = &opening{ready: make(chan struct{})}
	h.links[to] = o
	return o, true, nil
}

func (h *Host) forget(to peer.ID, o *opening) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.links[to] == o {
		delete(h.links, to)
	}
}

// open opens the stream, exchanges Hellos and starts the goroutine that reads
// receipts.
func (h *Host) open(ctx context.Context, to peer.ID) (*Link, error) {
	ctx, cancel := context.WithTimeout(ctx, wire.HelloTimeout)
	defer cancel()
	ctx = network.WithNoDial(ctx, "Reach dials")
	s, err := h.host.NewStream(network.WithAllowLimitedConn(ctx, "messages are small"), to, wire.Message)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Reset() })
	defer stop()
	h.mu.Lock()
	hello := h.hello
	h.mu.Unlock()
	l := newLink(s)
	frames := rwire.NewReader(s, wire.MaxFrame)
	if err = rwire.WriteFrame(s, hello().toWire()); err == nil {
		l.hello, err = readHello(frames)
	}
	if err != nil {
		_ = s.Reset()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			hangUp(s)
		}
		return nil, errors.Join(ctx.Err(), err)
	}
	if !h.start() {
		_ = s.Reset()
		return nil, ErrClosed
	}
	go func() {
		defer h.running.Done()
		l.close(l.readReceipts(frames))
	}()
	return l, nil
}

func newLink(s network.Stream) *Link {
	l := &Link{stream: s, window: make(chan struct{}, Window), done: make(chan struct{})}
	l.patience = time.AfterFunc(wire.DeliverTimeout, func() {
		l.close(ErrSilent)
		hangUp(s)
	})
	l.patience.Stop() // until something waits for a receipt
	return l
}

// hangUp closes the connection of a stream on which nobody answers. A device
// that lost its power leaves it standing for half a minute, and as long as it
// stands nobody dials the device where it is now.
func hangUp(s network.Stream) { _ = s.Conn().Close() }

// Hello returns how the other side introduced itself.
func (l *Link) Hello() Hello { return l.hello }

// Peer returns the device on the other side.
func (l *Link) Peer() peer.ID { return l.stream.Conn().RemotePeer() }

// Done is closed when the link has ended; Err then says why.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err returns why the link ended, nil while it lives.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close ends the link; what waits for a receipt fails with ErrClosed.
func (l *Link) Close() { l.close(ErrClosed) }

// Deliver sends an envelope, after those given to Deliver before, and returns
// without waiting for the receipt. The channel yields one value: nil when the
// other side has it on disk, *Refused when it did not take it, or why the link
// ended before the receipt, so that nobody knows. Deliver itself waits, as long as
// ctx allows, while Window deliveries are under way or the network is slow.
func (l *Link) Deliver(ctx context.Context, id wire.MessageID, envelope []byte) (<-chan error, error) {
	if len(envelope) > wire.MaxEnvelope {
		return nil, ErrTooLarge
	}
	select {
	case l.window <- struct{}{}:
	case <-l.done:
		return nil, l.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	outcome := make(chan error, 1)
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.expect(id, outcome); err != nil {
		return nil, err
	}
	_ = l.stream.SetWriteDeadline(time.Now().Add(writeTimeout))
	frame := &pb.Frame{Kind: &pb.Frame_Delivery{Delivery: &pb.Delivery{Id: id[:], Envelope: envelope}}}
	if err := rwire.WriteFrame(l.stream, frame); err != nil {
		l.close(fmt.Errorf("transport: deliver: %w", err)) // fails outcome too
	}
	return outcome, nil
}

// expect enters a delivery that is about to be written.
func (l *Link) expect(id wire.MessageID, outcome chan<- error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.pending = append(l.pending, waiting{id, outcome})
	if len(l.pending) == 1 {
		l.patience.Reset(wire.DeliverTimeout)
	}
	return nil
}

// readReceipts runs until the stream ends.
func (l *Link) readReceipts(frames *rwire.Reader) error {
	for {
		var f pb.Frame
		if err := frames.Read(&f); err != nil {
			return fmt.Errorf("transport: read receipts: %w", err)
		}
		receipt := f.GetReceipt()
		if receipt == nil {
			return fmt.Errorf("transport: read receipts: %w: not a receipt", rwire.ErrFrame)
		}
		for _, raw := range receipt.GetIds() {
			if id, ok := wire.ParseMessageID(raw); ok {
				l.settle(id, receipt.GetRefusal())
			}
		}
	}
}

// settle gives a delivery its outcome. A receipt for what nobody waits for is
// ignored.
func (l *Link) settle(id wire.MessageID, refusal pb.Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.pending, func(w waiting) bool { return w.id == id })
	if i < 0 {
		return
	}
	outcome := l.pending[i].outcome
	l.pending = slices.Delete(l.pending, i, i+1)
	<-l.window
	switch {
	case len(l.pending) == 0:
		l.patience.Stop()
	case i == 0:
		// Receipts come in order, so that patience is for the oldest.
		l.patience.Reset(wire.DeliverTimeout)
	}
	if refusal == pb.Refusal_NONE {
		outcome <- nil
	} else {
		outcome <- &Refused{refusal}
	}
}

func (l *Link) alive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err == nil
}

// close ends the link, once, and fails what waits.
func (l *Link) close(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	l.patience.Stop()
	for _, w := range l.pending {
		w.outcome <- err
	}
	l.pending = nil
	close(l.done)
	_ = l.stream.Reset()
}
