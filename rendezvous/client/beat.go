package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

var (
	errDraining  = errors.New("the server is leaving")
	errUnwatched = errors.New("attention was called off")
)

// keepAttending holds a beat stream to the link's server whenever this device
// is logged in. A stream that fails is the end of the link.
func (c *Client) keepAttending(ctx context.Context, l *link) {
	for {
		c.mu.Lock()
		attend, changed := c.attend, c.changed
		c.mu.Unlock()
		if !attend {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return
			}
		}
		switch err := c.beat(ctx, l); {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errUnwatched):
		case errors.Is(err, wire.ErrNotLoggedIn):
			c.Attend(false)
			c.notices.put(Dismissed{Err: err})
		default:
			l.fail(fmt.Errorf("beat of server %s: %w", l.name, err))
			return
		}
	}
}

// beat runs one beat stream until it fails, the context ends, or Attend(false).
func (c *Client) beat(ctx context.Context, l *link) error {
	group, ctx := errgroup.WithContext(ctx)
	opening, cancel := context.WithTimeout(ctx, wire.BeatTimeout)
	defer cancel()
	s, err := openStream(opening, c.host, l.server, wire.Beat)
	if err != nil {
		return err
	}
	defer s.Reset()
	stop := context.AfterFunc(ctx, func() { s.Reset() })
	defer stop()
	group.Go(func() error { return c.sendBeats(ctx, s) })
	group.Go(func() error { return c.receiveBeats(s) })
	return group.Wait()
}

// sendBeats writes a frame every second, and at once when Watch was called.
func (c *Client) sendBeats(ctx context.Context, s network.Stream) error {
	ticker := time.NewTicker(wire.BeatInterval)
	defer ticker.Stop()
	frame := &pb.Beat{Watch: &pb.Watch{Accounts: c.watched()}, MinIndex: c.minIndex()}
	for {
		s.SetWriteDeadline(time.Now().Add(wire.BeatTimeout))
		if err := wire.WriteFrame(s, frame); err != nil {
			return err
		}
		c.mu.Lock()
		attend, changed := c.attend, c.changed
		c.mu.Unlock()
		if !attend {
			return errUnwatched
		}
		frame = &pb.Beat{}
		select {
		case <-ticker.C:
		case <-changed: // perhaps the attention; a frame too many does not hurt
		case <-c.rewatch:
			frame.Watch = &pb.Watch{Accounts: c.watched()}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// receiveBeats reads frames and passes their notices on. Whoever is silent for
// wire.BeatTimeout is gone.
func (c *Client) receiveBeats(s network.Stream) error {
	frames := wire.NewReader(s, wire.MaxBeat)
	for first := true; ; first = false {
		s.SetReadDeadline(time.Now().Add(wire.BeatTimeout))
		frame := new(pb.Beat)
		if err := frames.Read(frame); err != nil {
			return err
		}
		if err := wire.FromWire(frame.GetError()); err != nil {
			return err
		}
		if frame.GetDraining() {
			return errDraining
		}
		if first {
			c.notices.put(Resync{})
		}
		c.saw(frame.GetIndex())
		for _, n := range frame.GetNotices() {
			notice, err := noticeFromWire(n)
			if err != nil {
				c.log.Warn("a server sent a notice that does not verify", "err", err)
				continue
			}
			c.notices.put(notice)
		}
	}
}

func noticeFromWire(n *pb.Notice) (Notice, error) {
	switch kind := n.GetKind().(type) {
	case *pb.Notice_Up:
		presence, err := presenceFromWire(kind.Up)
		return PeerUp{Presence: presence}, err
	case *pb.Notice_AccountChanged:
		account, err := record.ParseAccount(kind.AccountChanged)
		return AccountChanged{Account: account}, err
	case *pb.Notice_GroupChanged:
		id := kind.GroupChanged.GetId()
		if len(id) != len(record.GroupID{}) {
			return nil, fmt.Errorf("%w: a group's ID", ErrForged)
		}
		return GroupChanged{Group: record.GroupID(id), Length: kind.GroupChanged.GetLength()}, nil
	case *pb.Notice_KeysLow:
		return KeysLow{}, nil
	case *pb.Notice_Mail:
		return MailWaiting{}, nil
	case *pb.Notice_GroupMail:
		if len(kind.GroupMail) != len(record.GroupID{}) {
			return nil, fmt.Errorf("%w: a group's ID", ErrForged)
		}
		return GroupMailWaiting{Group: record.GroupID(kind.GroupMail)}, nil
	case *pb.Notice_ContactsChanged:
		return ContactsChanged{Version: kind.ContactsChanged}, nil
	default:
		return nil, fmt.Errorf("%w: a kind of notice that this version does not know", ErrForged)
	}
}
