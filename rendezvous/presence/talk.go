package presence

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// Why a stream to another server ends, for the log.
var (
	errLagging = errors.New("presence: the other server lags behind")
	errHungUp  = errors.New("presence: the other server hung up")
)

// queue holds what one other server has yet to be told. It is never waited
// for: when it is full, overflow closes and the server gets everything anew.
type queue struct {
	news     chan Presence
	overflow chan struct{}
	lost     bool // overflow is closed; guarded by Gossip.mu
}

// spread queues news for every server that a stream is open to. The caller
// holds g.mu.
func (g *Gossip) spread(p Presence) {
	for _, q := range g.queues {
		if q.lost {
			continue
		}
		select {
		case q.news <- p:
		default:
			q.lost = true
			close(q.overflow)
		}
	}
}

// talk keeps one other server informed until ctx ends.
func (g *Gossip) talk(ctx context.Context, id peer.ID) {
	wait := minRetry
	for ctx.Err() == nil {
		began := time.Now()
		err := g.tell(ctx, id)
		if ctx.Err() != nil {
			return
		}
		g.cfg.Logger.Debug("presence: stream to server ended", "server", id, "err", err)
		if time.Since(began) > maxRetry {
			wait = minRetry // it worked for a while
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)): // jitter: servers must not redial in step
		}
		wait = min(2*wait, maxRetry)
	}
}

// tell opens a stream, sends everything, then what changes.
func (g *Gossip) tell(ctx context.Context, id peer.ID) error {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	// A forced dial goes out although one failed a moment ago: libp2p would make
	// a server that is back wait for 5 s and more.
	s, err := g.cfg.Host.NewStream(network.WithForceDirectDial(dialing, "presence"), id, wire.Presence)
	cancel()
	if err != nil {
		return err
	}
	hungUp := make(chan struct{})
	go func() {
		// The other side never speaks: reading ends when the stream does, be it
		// that ctx is over. Without it a server that restarted would be noticed
		// by the next write only.
		defer close(hungUp)
		s.Read(make([]byte, 1))
	}()
	defer func() { s.Reset(); <-hungUp }()               // only this side speaks: there is nothing to end cleanly
	stop := context.AfterFunc(ctx, func() { s.Reset() }) // a write may be waiting
	defer stop()

	q, all := g.subscribe(id)
	defer g.unsubscribe(id)
	for len(all) > 0 {
		n := min(maxBatch, len(all))
		if err := write(s, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return g.follow(s, q, hungUp)
}

// follow sends what comes into the queue, and an empty frame now and then, until
// the stream ends.
func (g *Gossip) follow(s network.Stream, q *queue, hungUp <-chan struct{}) error {
	idle := time.NewTicker(idleInterval)
	defer idle.Stop()
	for {
		var batch []Presence
		select {
		case <-hungUp:
			return errHungUp
		case <-q.overflow:
			return errLagging
		case <-idle.C:
		case p := <-q.news:
			batch = append(batch, p)
		}
		for len(batch) < maxBatch && len(q.news) > 0 { // this is the only reader
			batch = append(batch, <-q.news)
		}
		if err := write(s, batch); err != nil {
			return err
		}
	}
}

// subscribe starts a queue and returns all that came before it.
func (g *Gossip) subscribe(id peer.ID) (*queue, []Presence) {
	q := &queue{news: make(chan Presence, maxQueue), overflow: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queues[id] = q
	return q, g.table.All(time.Now())
}

func (g *Gossip) unsubscribe(id peer.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.queues, id)
}

func write(s network.Stream, batch []Presence) error {
	now := time.Now()
	frame := &pb.Rumours{Rumours: make([]*pb.Rumour, 0, len(batch))}
	for _, p := range batch {
		frame.Rumours = append(frame.Rumours, toWire(p, now))
	}
	if err := s.SetWriteDeadline(now.Add(frameTimeout)); err != nil {
		return err
	}
	return wire.WriteFrame(s, frame)
}
