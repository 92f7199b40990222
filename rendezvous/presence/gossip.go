// Package presence knows where devices are: signed libp2p peer records, kept in
// memory for about a minute unless they are renewed.
//
// Table is the pure core. Gossip keeps the tables of all servers alike: each
// server has a stream to every other one, sends everything when it opens and
// then what changes. None of it is replicated by Raft or written to a disk: what
// is lost comes back with the next announcement. The package does not decide
// who may see whom and does not know which device is whose; the server does
// before it calls.
package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Config is what a Gossip needs.
type Config struct {
	// Host carries the streams. The addresses of the other servers are in its
	// peerstore.
	Host host.Host
	// Servers are all servers of the cluster to begin with, until Follow names
	// others; Host's own ID among them is left out. Nobody else is listened to.
	Servers []peer.ID
	// Changed is told of every device that came, moved or left (Record is nil
	// then), wherever it announced itself. It must not block, and is called
	// from several goroutines: of two changes of a device the one with the
	// higher Seq counts. May be nil.
	Changed func(Presence)
	// Logger may be nil. Neither accounts nor addresses are logged.
	Logger *slog.Logger
}

// Gossip is one server's view of who is where.
type Gossip struct {
	cfg   Config
	moved chan struct{} // others has changed; holds one

	mu      sync.Mutex // guards what follows
	others  []peer.ID
	table   *Table
	queues  map[peer.ID]*queue          // of the servers that a stream is open to
	inbound map[network.Stream]struct{} // streams being listened to
	closed  bool                        // Run has ended: no more inbound
	readers sync.WaitGroup              // of inbound
}

// New registers the handler of wire.Presence and returns a Gossip. It answers
// at once; Run makes it talk to the others.
func New(cfg Config) (*Gossip, error) {
	if cfg.Host == nil {
		return nil, errors.New("presence: no host")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func(Presence) {}
	}
	g := &Gossip{
		cfg:     cfg,
		moved:   make(chan struct{}, 1),
		table:   NewTable(),
		queues:  make(map[peer.ID]*queue),
		inbound: make(map[network.Stream]struct{}),
	}
	g.Follow(cfg.Servers)
	cfg.Host.SetStreamHandler(wire.Presence, g.listen)
	return g, nil
}

// Follow says who the servers are from now on.
func (g *Gossip) Follow(servers []peer.ID) {
	var others []peer.ID
	for _, id := range servers {
		if id != g.cfg.Host.ID() && !slices.Contains(others, id) {
			others = append(others, id)
		}
	}
	slices.Sort(others)
	g.mu.Lock()
	same := slices.Equal(g.others, others)
	g.others = others
	for stream := range g.inbound {
		if !slices.Contains(others, stream.Conn().RemotePeer()) {
			stream.Reset()
		}
	}
	g.mu.Unlock()
	if same {
		return
	}
	select {
	case g.moved <- struct{}{}:
	default: // Run has yet to look
	}
}

// Run gossips with the other servers until ctx ends.
func (g *Gossip) Run(ctx context.Context) error {
	defer g.stopListening()
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { g.sweep(ctx) })
	talking := make(map[peer.ID]context.CancelFunc)
	for {
		others := g.following()
		for id, stop := range talking {
			if !slices.Contains(others, id) {
				stop()
				delete(talking, id)
			}
		}
		for _, id := range others {
			if talking[id] == nil {
				talk, stop := context.WithCancel(ctx)
				talking[id] = stop
				serving.Go(func() { g.talk(talk, id) })
			}
		}
		select {
		case <-g.moved:
		case <-ctx.Done():
			return nil
		}
	}
}

func (g *Gossip) following() []peer.ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.others // replaced as a whole, never changed
}

// Announce takes the signed peer record of a device that announces itself to
// this server. The caller has checked that the connection is the device's and
// the device the account's. Errors as those of Table.Announce.
func (g *Gossip) Announce(account record.Account, device peer.ID, signed []byte) error {
	g.mu.Lock()
	p, outcome, err := g.table.Announce(account, device, signed, time.Now(), wire.PresenceLifetime)
	if err == nil {
		g.spread(p)
	}
	g.mu.Unlock()
	if err == nil && outcome == Changed {
		g.cfg.Changed(p)
	}
	return err
}

// Withdraw forgets a device everywhere. Unknown ones are left alone.
func (g *Gossip) Withdraw(device peer.ID) {
	g.mu.Lock()
	p, known := g.table.Of(device)
	outcome := Renewed
	if known {
		p, outcome = g.table.Withdraw(p.Account, device, p.Seq, time.Now(), wire.PresenceLifetime)
	}
	if outcome == Changed {
		g.spread(p)
	}
	g.mu.Unlock()
	if outcome == Changed {
		g.cfg.Changed(p)
	}
}

// Find returns the signed peer records of an account's devices.
func (g *Gossip) Find(account record.Account) [][]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.table.Find(account, time.Now())
}

// Len returns how many devices are known, for a metric.
func (g *Gossip) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.table.Len()
}

func (g *Gossip) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			g.mu.Lock()
			g.table.Expire(now)
			g.mu.Unlock()
		}
	}
}

// hear takes what another server says. A rumour that is not valid is that
// server's fault, and ends the stream.
func (g *Gossip) hear(r rumour) error {
	now := time.Now()
	g.mu.Lock()
	var p Presence
	var outcome Outcome
	var err error
	if r.record == nil {
		p, outcome = g.table.Withdraw(r.account, r.device, r.seq, now, r.left)
	} else {
		p, outcome, err = g.table.Announce(r.account, r.device, r.record, now, r.left)
	}
	g.mu.Unlock()
	switch {
	case errors.Is(err, ErrStale), errors.Is(err, wire.ErrFull):
		return nil // older news, or no room here: neither is the sender's fault
	case err != nil:
		return fmt.Errorf("presence: rumour: %w", err)
	case outcome == Changed:
		g.cfg.Changed(p)
	}
	return nil
}
