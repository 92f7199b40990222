package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/badger"
	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// stateFolder is where the state lies within Config.Dir.
const stateFolder = "state"

// Cluster is this server's part of the replicated directory. All methods may be
// called at any time; those that need Raft wait for Run.
type Cluster struct {
	// Immutable after New.
	cfg       Config
	self      peer.ID
	store     *badger.Store
	directory *directory.Directory
	log       *wal.WAL
	snapshots *snapshots
	applied   *watermark // by the directory's ChangeIndex
	barriers  chan chan<- error
	failures  chan error // the first is enough

	raft    atomic.Pointer[raft.Raft] // nil before Run
	changes sync.Mutex                // held over a change of the membership
}

// New opens log and state. Run must follow, or Close.
func New(cfg Config) (*Cluster, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.OnApply == nil {
		cfg.OnApply = func([]directory.Event) {}
	}
	if cfg.OnMembers == nil {
		cfg.OnMembers = func() {}
	}
	if cfg.Vouched == nil {
		cfg.Vouched = func(peer.ID) bool { return false }
	}
	cfg.tick, cfg.patience = cmp.Or(cfg.tick, tickInterval), cmp.Or(cfg.patience, leaderPatience)
	cfg.ending = cmp.Or(cfg.ending, shutdownTimeout)
	c := &Cluster{
		cfg: cfg, self: cfg.Host.ID(),
		barriers: make(chan chan<- error, barrierQueue),
		failures: make(chan error, 1),
	}
	if err := c.open(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) open() (err error) {
	logs, state := filepath.Join(c.cfg.Dir, "log"), filepath.Join(c.cfg.Dir, "state")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return fmt.Errorf("cluster: open: %w", err)
	}
	if err := c.space(); err != nil {
		return err
	}
	if c.store, err = badger.Open(state, c.cfg.Logger); err != nil {
		return c.damaged("state", err)
	}
	if c.directory, err = directory.New(c.store); err != nil {
		return c.damaged("state", err)
	}
	c.applied = newWatermark(c.directory.ChangeIndex())
	if c.snapshots, err = newSnapshots(c.store, c.directory, filepath.Join(c.cfg.Dir, "spool")); err != nil {
		return err
	}
	c.log, err = wal.Open(logs, wal.WithSegmentSize(segmentSize), wal.WithLogger(hclogTo(c.cfg.Logger)))
	if err != nil {
		return c.damaged("log", err)
	}
	if err := c.dropLogBehind(c.directory.AppliedIndex()); err != nil {
		return fmt.Errorf("cluster: drop the log: %w", err)
	}
	return nil
}

// damaged says what to do about a state or log that cannot be opened. A server without
// them must not go on under its key: it would vote on what it has forgotten.
func (c *Cluster) damaged(what string, err error) error {
	return fmt.Errorf("this server's %s in %s cannot be opened: %w; if its files are damaged, "+
		"take the server out on another one (rendezvous remove) and make a new one (rendezvous add)", what, c.cfg.Dir, err)
}

// dropLogBehind empties a log that ends before the state. The state then is
// another server's snapshot, and this one ended before Raft had dropped the log
// that the snapshot replaces. Nothing could be appended to such a log, whose
// entries have no gaps.
func (c *Cluster) dropLogBehind(applied uint64) error {
	first, err := c.log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := c.log.LastIndex()
	if err != nil || last == 0 || last >= applied {
		return err
	}
	c.cfg.Logger.Info("the log ends before the state and is dropped", "log", last, "state", applied)
	return c.log.DeleteRange(first, last)
}

// Close closes log and state. Run does it too; it is for when Run is never
// called.
func (c *Cluster) Close() error {
	var err error
	if c.log != nil {
		err = c.log.Close()
	}
	switch {
	case c.store == nil:
	case c.roomToClose():
		err = errors.Join(err, c.store.Close())
	default:
		c.store.Abandon()
	}
	return err
}

// Directory returns the state, for queries. It follows the cluster: see
// WaitApplied and Barrier for how closely.
func (c *Cluster) Directory() *directory.Directory { return c.directory }

// Run takes part in the cluster until ctx ends, then hands over the leadership
// if it has it, and closes everything. It returns earlier if log or state can
// not be written any more (a full disk): the server must leave then.
func (c *Cluster) Run(ctx context.Context) (err error) {
	defer func() {
		if !errors.Is(err, errStuck) {
			err = errors.Join(err, c.Close())
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, transport, err := c.start()
	if err != nil {
		return err
	}
	c.raft.Store(r)
	c.cfg.Host.SetStreamHandler(wire.Forward, func(s network.Stream) { c.serveForward(ctx, s) })
	defer c.cfg.Host.RemoveStreamHandler(wire.Forward)

	var serving sync.WaitGroup
	serving.Go(func() { c.serveBarriers(ctx) })
	serving.Go(func() { c.serveTicks(ctx) })
	serving.Go(func() { c.watchSpace(ctx) })
	select {
	case <-ctx.Done():
	case err = <-c.failures:
		err = fmt.Errorf("this server leaves the others: %w", err)
		c.cfg.Logger.Error("leaving", "error", err)
	}
	c.handOver(ctx, r)
	cancel()
	return errors.Join(err, c.shutDown(r, transport, &serving))
}

// errStuck is for what does not end: a disk that does not answer, for one. Log and state
// are left as they are then, as by a power cut, since something may yet write to them.
var errStuck = errors.New("cluster: something is still at work on the log and the state, which are left as they are; whatever was acknowledged is on the disk")

// shutDown ends Raft and what serves beside it.
func (c *Cluster) shutDown(r *raft.Raft, transport *raft.NetworkTransport, serving *sync.WaitGroup) error {
	ended := make(chan error, 1)
	go func() {
		serving.Wait() // while there is still a Raft that answers
		raftEnds := r.Shutdown()
		// Raft itself would close its streams only when all its goroutines have ended, of
		// which one that takes or sends a snapshot may wait on a stream for minutes.
		err := transport.Close()
		ended <- errors.Join(raftEnds.Error(), err)
	}()
	timer := time.NewTimer(c.cfg.ending)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return errStuck
	}
}

// start starts Raft.
func (c *Cluster) start() (*raft.Raft, *raft.NetworkTransport, error) {
	logger := c.cfg.Logger
	for _, s := range c.cfg.Servers {
		logger.Info("server of the cluster", "name", s.Name, "peer", s.ID, "self", s.ID == c.self)
	}
	conf, log := c.cfg.raft(logger), durableLog{c.log, c.space, c.fail}
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: listen(c.cfg.Host, c.member), MaxPool: pooledStreams, Timeout: rpcTimeout, Logger: conf.Logger,
	})
	if c.cfg.Bootstrap {
		err := raft.BootstrapCluster(conf, log, c.log, c.snapshots, transport, c.cfg.first())
		if err != nil && !errors.Is(err, raft.ErrCantBootstrap) { // that one: there is state
			return nil, nil, errors.Join(fmt.Errorf("cluster: bootstrap: %w", err), transport.Close())
		}
	}
	r, err := raft.NewRaft(conf, &machine{
		store: c.store, directory: c.directory, applied: c.applied,
		onApply: c.cfg.OnApply, onMembers: c.cfg.OnMembers, space: c.space, fail: c.fail,
	}, log, c.log, c.snapshots, transport)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cluster: start: %w", err), transport.Close())
	}
	return r, transport, nil
}

// handOver gives the leadership away before leaving, so that nobody has to wait
// for an election.
func (c *Cluster) handOver(ctx context.Context, r *raft.Raft) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handOverTimeout)
	defer cancel()
	if r.State() != raft.Leader || voters(membersOf(r)) < 2 {
		return
	}
	if err := answer(ctx, r.LeadershipTransfer()); err != nil {
		c.cfg.Logger.Warn("the leadership could not be handed over", "error", err)
	}
}

func (c *Cluster) fail(err error) {
	select {
	case c.failures <- err:
	default: // Run knows already
	}
}

func (c *Cluster) running() *raft.Raft { return c.raft.Load() }
