package presence

import (
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// listen handles a stream that another server opened.
func (g *Gossip) listen(s network.Stream) {
	defer s.Reset()
	from := s.Conn().RemotePeer()
	if !slices.Contains(g.following(), from) || !g.admit(s) {
		return
	}
	defer g.dismiss(s)
	frames := wire.NewReader(s, maxFrame)
	for {
		if err := s.SetReadDeadline(time.Now().Add(frameTimeout)); err != nil {
			return
		}
		var frame pb.Rumours
		err := frames.Read(&frame)
		for _, m := range frame.GetRumours() {
			if err != nil {
				break
			}
			var r rumour
			if r, err = fromWire(m); err == nil {
				err = g.hear(r)
			}
		}
		if err != nil {
			g.cfg.Logger.Debug("presence: stream from server ended", "server", from, "err", err)
			return
		}
	}
}

func (g *Gossip) admit(s network.Stream) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inbound[s] = struct{}{}
	g.readers.Add(1)
	return true
}

func (g *Gossip) dismiss(s network.Stream) {
	g.mu.Lock()
	delete(g.inbound, s)
	g.mu.Unlock()
	g.readers.Done()
}

// stopListening ends the streams of the other servers and waits for their
// readers.
func (g *Gossip) stopListening() {
	g.cfg.Host.RemoveStreamHandler(wire.Presence)
	g.mu.Lock()
	g.closed = true
	for s := range g.inbound {
		s.Reset()
	}
	g.mu.Unlock()
	g.readers.Wait()
}

// rumour is one pb.Rumour that may be one: its record is yet to be verified.
type rumour struct {
	account record.Account
	device  peer.ID
	record  []byte // nil: withdrawn
	seq     uint64 // of a withdrawn record
	left    time.Duration
}

func toWire(p Presence, now time.Time) *pb.Rumour {
	r := &pb.Rumour{
		Account: string(p.Account),
		Device:  []byte(p.Device),
		Record:  p.Record,
		LeftMs:  uint32(max(0, p.Until.Sub(now)).Milliseconds()),
	}
	if p.Record == nil {
		r.Seq = p.Seq
	}
	return r
}

func fromWire(m *pb.Rumour) (rumour, error) {
	account, err := record.ParseAccount(m.GetAccount())
	if err != nil {
		return rumour{}, fmt.Errorf("presence: rumour: %w", err)
	}
	device, err := peer.IDFromBytes(m.GetDevice())
	if err != nil {
		return rumour{}, fmt.Errorf("presence: rumour: %w", err)
	}
	r := rumour{account: account, device: device, seq: m.GetSeq(), left: time.Duration(m.GetLeftMs()) * time.Millisecond}
	if len(m.GetRecord()) > 0 {
		r.record = m.GetRecord()
	}
	return r, nil
}
