package rendezvous

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/tryst-chat/tryst/rendezvous/quota"
)

// keepRoom has strangers' connections give way while there are many, until ctx ends.
//
// libp2p's connection manager knows who is protected and is not asked to do this: it
// closes nobody while those whom it may close are fewer than its low mark, and so none
// where most of the room is taken by devices that are logged in, which is when it
// matters.
func (s *Server) keepRoom(ctx context.Context) error {
	look := time.NewTicker(roomInterval)
	defer look.Stop()
	for {
		select {
		case now := <-look.C:
			for _, c := range s.giveWay(s.host.Network().Conns(), now) {
				c.Close() // an error says that it is closed
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// giveWay returns which of all connections are to be closed: as many strangers' as it
// takes, of those that have had their time to log in, the oldest first. It may use the
// slice.
func (s *Server) giveWay(conns []network.Conn, now time.Time) []network.Conn {
	many := s.cfg.conns * quota.IdleConns.Burst / quota.ServerConns
	few := many - s.cfg.conns/8
	if len(conns) <= many {
		return nil
	}
	excess := len(conns) - few
	strangers := slices.DeleteFunc(conns, func(c network.Conn) bool {
		return now.Sub(c.Stat().Opened) < s.cfg.grace || s.host.ConnManager().IsProtected(c.RemotePeer(), "")
	})
	slices.SortFunc(strangers, func(x, y network.Conn) int { return x.Stat().Opened.Compare(y.Stat().Opened) })
	return strangers[:min(excess, len(strangers))]
}
