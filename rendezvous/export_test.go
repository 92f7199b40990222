package rendezvous

import (
	"context"
	"math"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/tryst-chat/tryst/rendezvous/quota"
)

// Propose has a command replicated without a request, as a measure of what
// requests cost.
func (s *Server) Propose(ctx context.Context, command []byte) error {
	_, _, err := s.cluster.Propose(ctx, command)
	return err
}

// WithRoom makes a server small: it has room for so many connections, and strangers
// have no time to log in when it is short of it.
func (c Config) WithRoom(conns int) Config {
	c.conns, c.grace = conns, 1
	return c
}

// WithFewRequests lets each device ask for a part of what it may, so that a slow
// machine can ask for more.
func (c Config) WithFewRequests() Config {
	const part = 4
	c.adjust = func(l quota.Limit) quota.Limit {
		if l == quota.DeviceRequests {
			l.Burst, l.Rate = l.Burst/part, l.Rate/part
		}
		return l
	}
	return c
}

// WithoutAllowances lets everybody do what they want as often as they want, for
// measuring what servers can do.
func (c Config) WithoutAllowances() Config {
	c.adjust = func(l quota.Limit) quota.Limit {
		l.Burst, l.Rate = math.MaxInt32, math.MaxInt32
		return l
	}
	return c
}

// Conns returns how many connections a server has.
func (s *Server) Conns() int { return len(s.host.Network().Conns()) }

// Streams returns how many streams others have opened to a server.
func (s *Server) Streams() (n int) {
	for _, conn := range s.host.Network().Conns() {
		for _, stream := range conn.GetStreams() {
			if stream.Stat().Direction == network.DirInbound {
				n++
			}
		}
	}
	return n
}

// Occupy takes all seats where logins and sign-ups are reckoned, and all places in the
// queue if queue is set, until free is called.
func (s *Server) Occupy(queue bool) (free func()) {
	all := []chan struct{}{s.bench.seats}
	if queue {
		all = append(all, s.bench.queue)
	}
	for _, places := range all {
		for range cap(places) {
			places <- struct{}{}
		}
	}
	return func() {
		for _, places := range all {
			for range cap(places) {
				<-places
			}
		}
	}
}

// NewResourceManager returns what bounds a server's connections and streams.
func NewResourceManager() (network.ResourceManager, error) {
	return newResourceManager(maxConns, nil, newRefusals())
}
