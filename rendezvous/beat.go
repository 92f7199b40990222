package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

var (
	// errCut ends the stream of a device that did not keep up, or that has
	// opened another one.
	errCut = errors.New("rendezvous: subscriber was cut off")
	// errLeaving ends the streams of a server that drains.
	errLeaving = errors.New("rendezvous: the server is leaving")
)

// beats is one beat stream, from its first frame to its end.
type beats struct {
	server *Server
	stream network.Stream
	frames *wire.Reader
	sub    *subscriber
}

// serveBeat holds a beat stream until either side ends it. The reason crosses
// the wire if it is one that the device can act on.
func (s *Server) serveBeat(ctx context.Context, stream network.Stream) {
	defer stream.Reset() // after a Close this does nothing
	stop := context.AfterFunc(ctx, func() { stream.Reset() })
	defer stop()
	b := &beats{server: s, stream: stream, frames: wire.NewReader(stream, wire.MaxBeat)}
	err := b.run(ctx)
	if reason := wire.ErrorOf(wire.Code(err)); !errors.Is(reason, wire.ErrInternal) {
		b.dismiss(err)
	}
	s.log.Debug("a beat stream ended", "err", err)
}

func (b *beats) run(ctx context.Context) error {
	first, err := b.read()
	if err != nil {
		return err
	}
	if err := b.admit(ctx, first.GetMinIndex()); err != nil {
		return err
	}
	defer b.server.hub.unsubscribe(b.sub)
	// Other strangers give way when many come. Each stream for itself: one that ends may
	// have another beside it.
	b.server.host.ConnManager().Protect(b.sub.device, b.stream.ID())
	defer b.server.host.ConnManager().Unprotect(b.sub.device, b.stream.ID())
	if err := b.greet(first.GetWatch()); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	watches := make(chan *pb.Watch)
	group.Go(func() error { return b.listen(ctx, watches) })
	group.Go(func() error {
		err := b.tell(ctx, watches)
		if !errors.Is(err, errLeaving) { // then the device hangs up, having read why
			b.stream.SetReadDeadline(time.Now()) // wakes listen
		}
		return err
	})
	return group.Wait()
}

// dismiss says why the stream ends and lets the device read that: a reset
// would overtake it.
func (b *beats) dismiss(reason error) {
	if b.write(&pb.Beat{Error: wire.ToWire(reason)}) != nil || b.stream.CloseWrite() != nil {
		return
	}
	b.stream.SetReadDeadline(time.Now().Add(lagTimeout))
	io.Copy(io.Discard, b.stream) // until the device hangs up
}

// admit finds out whose device it is, in a state that is as new as the device
// has seen, and subscribes it.
func (b *beats) admit(ctx context.Context, minIndex uint64) error {
	ctx, cancel := context.WithTimeout(ctx, lagTimeout)
	defer cancel()
	device := b.stream.Conn().RemotePeer()
	if err := b.server.cluster.WaitApplied(ctx, minIndex); err != nil {
		return err
	}
	account, err := b.server.accountOf(ctx, device)
	if err != nil {
		return err
	}
	b.sub = b.server.hub.subscribe(device, account)
	return nil
}

// greet answers the first frame: with what is known of the accounts watched,
// whether keys run out, and whether there is mail.
func (b *beats) greet(watch *pb.Watch) error {
	left, err := b.server.cluster.Directory().PrekeysLeft(b.sub.account, b.sub.device)
	if err != nil {
		return err
	}
	mail, err := b.server.cluster.Directory().HasMail(b.sub.account, b.sub.device, math.MaxUint64)
	if err != nil {
		return err
	}
	frame := &pb.Beat{}
	if left < wire.PrekeyLow {
		frame.Notices = append(frame.Notices, keysLow())
	}
	if mail {
		frame.Notices = append(frame.Notices, mailWaiting())
		frame.Index = b.server.cluster.Directory().ChangeIndex()
	}
	if err := b.write(frame); err != nil {
		return err
	}
	return b.watch(watch)
}

// listen reads frames. A device that is silent for wire.BeatTimeout is gone.
func (b *beats) listen(ctx context.Context, watches chan<- *pb.Watch) error {
	for {
		frame, err := b.read()
		if err != nil {
			return err
		}
		if err := b.server.allowed.beats.take(b.sub.device, 1); err != nil {
			b.server.refused.add(quota.DeviceBeatFrames)
			return err
		}
		if frame.GetWatch() == nil {
			continue
		}
		select {
		case watches <- frame.GetWatch():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tell writes a frame a second, and notices at once.
func (b *beats) tell(ctx context.Context, watches <-chan *pb.Watch) error {
	ticker := time.NewTicker(wire.BeatInterval)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-ticker.C:
			err = b.write(&pb.Beat{})
		case n := <-b.sub.queue:
			err = b.pass(ctx, n)
		case watch := <-watches:
			err = b.watch(watch)
		case <-b.server.leaving:
			return errors.Join(errLeaving, b.write(&pb.Beat{Draining: true}))
		case <-b.sub.cut:
			return errCut
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// pass writes a notice and those queued behind it. When the device's own
// account has changed it may be because the device was revoked.
func (b *beats) pass(ctx context.Context, n *pb.Notice) error {
	notices := []*pb.Notice{n}
	for more := true; more && len(notices) < maxQueue; {
		select {
		case n := <-b.sub.queue:
			notices = append(notices, n)
		default:
			more = false
		}
	}
	b.server.hub.passing(b.sub, notices)
	for _, n := range notices {
		if n.GetAccountChanged() != string(b.sub.account) {
			continue
		}
		if _, err := b.server.accountOf(ctx, b.sub.device); err != nil {
			return err
		}
	}
	return b.writeNotices(notices)
}

// watch replaces what the device watches and tells it how things stand. In this
// order, what happens in between is told twice rather than never.
func (b *beats) watch(watch *pb.Watch) error {
	if len(watch.GetAccounts()) > wire.MaxWatched {
		return fmt.Errorf("watch %d accounts: %w", len(watch.GetAccounts()), wire.ErrTooLarge)
	}
	accounts := make([]record.Account, len(watch.GetAccounts()))
	for i, name := range watch.GetAccounts() {
		var err error
		if accounts[i], err = record.ParseAccount(name); err != nil {
			return badRequest(err)
		}
	}
	b.server.hub.watch(b.sub, accounts)
	var known []*pb.Notice
	for _, account := range accounts {
		for _, p := range b.server.whereabouts(account, b.sub.account) {
			known = append(known, &pb.Notice{Kind: &pb.Notice_Up{Up: p}})
		}
	}
	return b.writeNotices(known)
}

// writeNotices writes notices in as many frames as they need, with the index that
// this server has reached: what they tell of is at or below it.
func (b *beats) writeNotices(notices []*pb.Notice) error {
	if len(notices) == 0 {
		return nil
	}
	index := b.server.cluster.Directory().ChangeIndex()
	for len(notices) > 0 {
		n, size := 0, 0
		for n < len(notices) && (n == 0 || size < maxBatch) {
			size += proto.Size(notices[n])
			n++
		}
		if err := b.write(&pb.Beat{Notices: notices[:n], Index: index}); err != nil {
			return err
		}
		notices = notices[n:]
	}
	return nil
}

func (b *beats) read() (*pb.Beat, error) {
	if err := b.stream.SetReadDeadline(time.Now().Add(wire.BeatTimeout)); err != nil {
		return nil, err
	}
	frame := new(pb.Beat)
	return frame, b.frames.Read(frame)
}

func (b *beats) write(frame *pb.Beat) error {
	if err := b.stream.SetWriteDeadline(time.Now().Add(wire.BeatTimeout)); err != nil {
		return err
	}
	return wire.WriteFrame(b.stream, frame)
}
