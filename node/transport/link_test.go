package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
	rwire "github.com/tryst-chat/tryst/rendezvous/wire"
)

// pair returns two connected hosts, both open for messages, and b's receiver.
func pair(t testing.TB, r Receiver) (a, b *Host) {
	t.Helper()
	a, b = newHost(t), newHost(t)
	a.Messages(new(post), helloOf("alice1"))
	b.Messages(r, helloOf("bob2"))
	reach(t, a, b)
	return a, b
}

func link(t testing.TB, from, to *Host) *Link {
	t.Helper()
	l, err := from.Link(within(t), to.ID())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLinkDeliversInOrder(t *testing.T) {
	const n = 500
	inbox := new(post)
	a, b := pair(t, inbox)
	l := link(t, a, b)
	if l.Hello() != helloOf("bob2")() || l.Peer() != b.ID() {
		t.Errorf("hello %v from %s", l.Hello(), l.Peer())
	}
	outcomes := make([]<-chan error, n)
	for i := range outcomes {
		var err error
		if outcomes[i], err = l.Deliver(within(t), id(i), fmt.Appendf(nil, "envelope %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range outcomes {
		if err := await(t, "a receipt", o); err != nil {
			t.Fatal(err)
		}
	}
	got := inbox.deliveries()
	if len(got) != n {
		t.Fatalf("%d of %d arrived", len(got), n)
	}
	for i, d := range got {
		if d.ID != id(i) || string(d.Envelope) != fmt.Sprintf("envelope %d", i) {
			t.Fatalf("delivery %d is %s %q", i, d.ID, d.Envelope)
		}
	}
	if inbox.hellos[0] != helloOf("alice1")() {
		t.Errorf("hello %v", inbox.hellos[0])
	}
	if inbox.largest > MaxBatch {
		t.Errorf("a batch of %d", inbox.largest)
	}
	if again := link(t, a, b); again != l {
		t.Error("a second link to the same peer")
	}
}

func TestRefusalsReachTheirDelivery(t *testing.T) {
	refusals := []pb.Refusal{pb.Refusal_NONE, pb.Refusal_LATER, pb.Refusal_RENEW, pb.Refusal_UNKNOWN, pb.Refusal_BLOCKED}
	inbox := &post{answer: func(d Delivery) pb.Refusal { return refusals[int(d.Envelope[0])] }}
	a, b := pair(t, inbox)
	l := link(t, a, b)
	for i := range 100 {
		want := refusals[i%len(refusals)]
		outcome, err := l.Deliver(within(t), id(i), []byte{byte(i % len(refusals))})
		if err != nil {
			t.Fatal(err)
		}
		err = await(t, "a receipt", outcome)
		var refused *Refused
		if want == pb.Refusal_NONE && err != nil || want != pb.Refusal_NONE && (!errors.As(err, &refused) || refused.Refusal != want) {
			t.Errorf("outcome %v, want %s", err, want)
		}
	}
}

// gated is a Receiver that waits until it may go on.
type gated struct {
	post
	entered chan int
	proceed chan struct{}
}

func (g *gated) Receive(ctx context.Context, from peer.ID, h Hello, batch []Delivery) []pb.Refusal {
	g.entered <- len(batch)
	select {
	case <-g.proceed:
	case <-ctx.Done():
	}
	return g.post.Receive(ctx, from, h, batch)
}

func newGated() *gated { return &gated{entered: make(chan int, 1024), proceed: make(chan struct{})} }

func TestWindowBatchesAndBackPressure(t *testing.T) {
	g := newGated()
	a, b := pair(t, g)
	l := link(t, a, b)
	for i := range Window {
		if _, err := l.Deliver(within(t), id(i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if n := await(t, "the first batch", g.entered); n > MaxBatch {
		t.Errorf("a batch of %d", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Deliver(ctx, id(Window), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("one more than the window: %v", err)
	}
	g.proceed <- struct{}{}
	outcome, err := l.Deliver(within(t), id(Window), nil)
	if err != nil {
		t.Fatal(err)
	}
	close(g.proceed)
	if err := await(t, "a receipt", outcome); err != nil {
		t.Fatal(err)
	}
	if len(g.deliveries()) != Window+1 || g.largest < 2 {
		t.Errorf("%d arrived, in batches of at most %d", len(g.deliveries()), g.largest)
	}
}

func TestLinkFailsWhatWaitsWhenThePeerGoes(t *testing.T) {
	g := newGated()
	a, b := pair(t, g)
	l := link(t, a, b)
	outcome, err := l.Deliver(within(t), id(1), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	await(t, "it arrives", g.entered)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := await(t, "the outcome", outcome); err == nil {
		t.Error("delivered, though nobody said so")
	}
	await(t, "the link's end", l.Done())
	if l.Err() == nil {
		t.Error("no reason")
	}
	if _, err := l.Deliver(within(t), id(2), nil); err == nil {
		t.Error("delivered on a link that ended")
	}
	if _, err := a.Link(within(t), b.ID()); err == nil {
		t.Error("linked to a peer that is gone")
	}
}

func TestLinkAnewAfterItEnded(t *testing.T) {
	inbox := new(post)
	a, b := pair(t, inbox)
	first := link(t, a, b)
	first.Close()
	await(t, "its end", first.Done())
	second := link(t, a, b)
	if second == first {
		t.Fatal("the link that ended came again")
	}
	outcome, err := second.Deliver(within(t), id(1), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := await(t, "a receipt", outcome); err != nil {
		t.Fatal(err)
	}
}

func TestLinkIsSharedByThoseWhoAskAtOnce(t *testing.T) {
	a, b := pair(t, new(post))
	links := make([]*Link, 16)
	var asking sync.WaitGroup
	for i := range links {
		asking.Go(func() { links[i], _ = a.Link(within(t), b.ID()) })
	}
	asking.Wait()
	for _, l := range links {
		if l == nil || l != links[0] {
			t.Fatal("not one link for all")
		}
	}
}

func TestLinkRefusals(t *testing.T) {
	a, b, quiet := newHost(t), newHost(t), newHost(t)
	reach(t, a, b)
	reach(t, a, quiet)
	if _, err := a.Link(within(t), b.ID()); !errors.Is(err, ErrNotReady) {
		t.Errorf("before anybody logged in: %v", err)
	}
	a.Messages(new(post), helloOf("alice1"))
	b.Messages(new(post), helloOf("NOT AN ACCOUNT"))
	if _, err := a.Link(within(t), b.ID()); !errors.Is(err, ErrHello) {
		t.Errorf("a wrong hello: %v", err)
	}
	if _, err := a.Link(within(t), quiet.ID()); err == nil {
		t.Error("linked to a host where nobody is logged in")
	}
	if _, err := a.Link(within(t), newHost(t).ID()); err == nil {
		t.Error("linked to a peer that is not connected")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.Link(ctx, b.ID()); err == nil {
		t.Error("linked with a context that ended")
	}
	ok := newHost(t)
	ok.Messages(new(post), helloOf("carol3"))
	reach(t, a, ok)
	if _, err := link(t, a, ok).Deliver(within(t), id(1), make([]byte, wire.MaxEnvelope+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// rawStream opens a message stream without a Link.
func rawStream(t *testing.T, from, to *Host) network.Stream {
	t.Helper()
	s, err := from.host.NewStream(within(t), to.ID(), wire.Message)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.SetDeadline(time.Now().Add(patience))
	return s
}

func TestMalformedFramesEndTheStreamAndNothingElse(t *testing.T) {
	inbox := new(post)
	a, b := pair(t, inbox)
	hello := helloOf("alice1")().toWire()
	delivery := func(id, envelope []byte) *pb.Frame {
		return &pb.Frame{Kind: &pb.Frame_Delivery{Delivery: &pb.Delivery{Id: id, Envelope: envelope}}}
	}
	for name, send := range map[string]func(io.Writer) error{
		"no hello":        func(w io.Writer) error { return rwire.WriteFrame(w, delivery(make([]byte, 16), nil)) },
		"wrong hello":     func(w io.Writer) error { return rwire.WriteFrame(w, Hello{Account: "X"}.toWire()) },
		"oversized frame": func(w io.Writer) error { _, err := w.Write([]byte{0xff, 0xff, 0xff, 0x7f}); return err },
		"not protobuf":    func(w io.Writer) error { _, err := w.Write([]byte{3, 0xff, 0xff, 0xff}); return err },
		"second hello": func(w io.Writer) error {
			return errors.Join(rwire.WriteFrame(w, hello), rwire.WriteFrame(w, hello))
		},
		"short id": func(w io.Writer) error {
			return errors.Join(rwire.WriteFrame(w, hello), rwire.WriteFrame(w, delivery([]byte("short"), nil)))
		},
		"long envelope": func(w io.Writer) error {
			return errors.Join(rwire.WriteFrame(w, hello), rwire.WriteFrame(w, delivery(make([]byte, 16), make([]byte, wire.MaxEnvelope+1))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := rawStream(t, a, b)
			if err := send(s); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, s); err == nil {
				t.Error("the stream ended cleanly")
			}
		})
	}
	if n := len(inbox.deliveries()); n != 0 {
		t.Errorf("%d deliveries got through", n)
	}
	outcome, err := link(t, a, b).Deliver(within(t), id(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := await(t, "a receipt", outcome); err != nil {
		t.Fatal(err)
	}
}

// A receiver that fails while more has arrived than its box holds does not keep
// the host from closing.
func TestFailureWithAFullBox(t *testing.T) {
	g := &failing{entered: make(chan struct{}, 1), proceed: make(chan struct{})}
	a, b := pair(t, g)
	s := rawStream(t, a, b)
	frames := make([]*pb.Frame, 8*MaxBatch)
	for i := range frames {
		m := id(i)
		frames[i] = &pb.Frame{Kind: &pb.Frame_Delivery{Delivery: &pb.Delivery{Id: m[:], Envelope: make([]byte, 100)}}}
	}
	if err := rwire.WriteFrame(s, helloOf("alice1")().toWire()); err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		if err := rwire.WriteFrame(s, f); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "a first batch", g.entered)
	close(g.proceed)
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	if err := await(t, "that the host is closed", closed); err != nil {
		t.Error(err)
	}
}

// failing is a Receiver that breaks its promise of one outcome a delivery, when
// it is told to.
type failing struct{ entered, proceed chan struct{} }

func (f *failing) Receive(context.Context, peer.ID, Hello, []Delivery) []pb.Refusal {
	signal(f.entered)
	<-f.proceed
	return nil
}

func TestSecondStreamOfAPeerReplacesTheFirst(t *testing.T) {
	g := newGated()
	a, b := pair(t, g)
	first := link(t, a, b)
	if _, err := first.Deliver(within(t), id(1), nil); err != nil {
		t.Fatal(err)
	}
	await(t, "the first delivery", g.entered)
	s := rawStream(t, a, b)
	if err := rwire.WriteFrame(s, helloOf("alice1")().toWire()); err != nil {
		t.Fatal(err)
	}
	await(t, "the first link's end", first.Done())
	if _, err := readHello(rwire.NewReader(s, wire.MaxFrame)); err != nil {
		t.Fatalf("the second stream is not served: %v", err)
	}
	b.mu.Lock()
	n := len(b.inbound)
	b.mu.Unlock()
	if n != 1 {
		t.Errorf("%d inbound streams", n)
	}
}

// mute is a stream that takes everything and answers nothing.
type mute struct {
	network.Stream
	on *hook
}

// hook is a connection that only knows whether it was hung up.
type hook struct {
	network.Conn
	up chan struct{} // closed by Close
}

func (h *hook) Close() error { close(h.up); return nil }

func (m mute) Conn() network.Conn { return m.on }

func (mute) Write(b []byte) (int, error)      { return len(b), nil }
func (mute) SetWriteDeadline(time.Time) error { return nil }
func (mute) Reset() error                     { return nil }

func TestLinkGivesUpOnAPeerThatSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &hook{up: make(chan struct{})}
		l := newLink(mute{on: on})
		start := time.Now()
		outcomes := make([]<-chan error, 3)
		for i := range outcomes {
			var err error
			if outcomes[i], err = l.Deliver(t.Context(), id(i), nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(wire.DeliverTimeout - time.Second) // of the bubble's clock
		l.settle(id(0), pb.Refusal_NONE)
		if err := <-outcomes[0]; err != nil {
			t.Error(err)
		}
		for _, o := range outcomes[1:] {
			if err := <-o; !errors.Is(err, ErrSilent) {
				t.Errorf("outcome %v", err)
			}
		}
		if waited := time.Since(start); waited != 2*wire.DeliverTimeout-time.Second {
			t.Errorf("gave up after %s", waited)
		}
		if _, err := l.Deliver(t.Context(), id(9), nil); !errors.Is(err, ErrSilent) {
			t.Errorf("delivered afterwards: %v", err)
		}
		<-on.up // else nobody would dial the device where it is now
	})
}

func TestLinkIdlesWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(mute{})
		time.Sleep(24 * time.Hour) // of the bubble's clock
		if !l.alive() {
			t.Error("ended for being idle")
		}
		l.Close()
	})
}

func TestReceiptsKeepOrderAndSay(t *testing.T) {
	batch := []Delivery{{ID: id(0)}, {ID: id(1)}, {ID: id(2)}, {ID: id(3)}}
	frames := receipts(batch, []pb.Refusal{0, 0, pb.Refusal_LATER, 0})
	if len(frames) != 3 || len(frames[0].GetReceipt().GetIds()) != 2 ||
		frames[1].GetReceipt().GetRefusal() != pb.Refusal_LATER || frames[2].GetReceipt().GetRefusal() != 0 {
		t.Errorf("receipts %v", frames)
	}
}
