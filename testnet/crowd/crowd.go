package crowd

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/testnet"
)

// Options say how large a crowd is and what is done with it.
type Options struct {
	// Nodes is how many devices come. Default: 10,000.
	Nodes int
	// Beating is how many of them hold a beat stream, which every node does that is logged
	// in; the others have their connection and their circuit and are silent. Default: 1,000,
	// or all if they are fewer.
	Beating int
	// Hold is how long they stay, idle, while it is measured. Default: 30 s.
	Hold time.Duration
	// Bin is a folder of the programs, as for testnet.Config.
	Bin string
	// Progress gets words for a person who waits. Default: nobody waits.
	Progress io.Writer
}

func (o Options) complete() (Options, error) {
	if o.Nodes == 0 {
		o.Nodes = standardNodes
	}
	if o.Beating == 0 {
		o.Beating = min(o.Nodes, standardBeating)
	}
	if o.Hold == 0 {
		o.Hold = standardHold
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Nodes < 1 || o.Hold < 0 || o.Beating < 0 || o.Beating > o.Nodes {
		return o, errors.New("crowd: a crowd has at least one node, of which all beat or some, and stays for a time")
	}
	if most, ok := mostFiles(); ok && o.Nodes+fewFiles > most {
		return o, fmt.Errorf("crowd: %d nodes need as many open files, and this system allows a program %d; take --nodes %d or fewer, or raise the limit (ulimit -Hn)",
			o.Nodes, most, max(most-fewFiles, 1))
	}
	return o, nil
}

// crowd is one run.
type crowd struct {
	options   Options
	net       *testnet.Testnet
	balancers []peer.AddrInfo
	cluster   ed25519.PublicKey
	opaque    []byte // what servers keep of the one password; set before anybody comes

	came    atomic.Int64 // devices that have been there
	present atomic.Int64 // devices whose beat stream runs
	lost    atomic.Int64 // beat streams that broke before the crowd left
	joining atomic.Int64 // devices that are entered in their accounts
	leaving atomic.Bool

	mu      sync.Mutex
	devices []*device // guarded by mu
}

// Run starts a testnet, brings the crowd, measures, lets it go, measures again, and
// stops everything. An error says that it could not be run; that fewer came than were
// meant to is a finding of the report.
func Run(ctx context.Context, o Options) (report Report, err error) {
	o, err = o.complete()
	if err != nil {
		return report, err
	}
	// Thousands of hosts in one heap are this program's alone: it may collect less often.
	defer debug.SetGCPercent(debug.SetGCPercent(crowdGC))
	net, err := testnet.Start(ctx, testnet.Config{Servers: servers, Bin: o.Bin, Progress: o.Progress})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, net.Stop()) }()
	c, err := newCrowd(o, net)
	if err != nil {
		return report, err
	}
	defer c.leave()
	return c.play(ctx)
}

func newCrowd(o Options, net *testnet.Testnet) (*crowd, error) {
	cluster, err := hex.DecodeString(net.ClusterKey)
	if err != nil {
		return nil, fmt.Errorf("crowd: cluster key: %w", err)
	}
	c := &crowd{options: o, net: net, cluster: cluster}
	for _, text := range net.Balancers {
		address, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, fmt.Errorf("crowd: balancer: %w", err)
		}
		info, err := peer.AddrInfoFromP2pAddr(address)
		if err != nil {
			return nil, fmt.Errorf("crowd: balancer: %w", err)
		}
		c.balancers = append(c.balancers, *info)
	}
	return c, nil
}

// play is the run itself, step by step.
func (c *crowd) play(ctx context.Context) (r Report, err error) {
	r.Nodes, r.Beating = c.options.Nodes, c.options.Beating
	if r.Before, err = c.measureIdle(ctx, min(settle, c.options.Hold)); err != nil {
		return r, err
	}
	if err := c.come(ctx, &r); err != nil {
		return r, err
	}
	if err := c.hold(ctx, &r); err != nil {
		return r, err
	}
	c.say("Two newcomers log in and write to each other.")
	if r.Newcomers, err = c.newcomers(ctx); err != nil {
		r.Newcomers.Failed = err.Error() // which is a finding
	}
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	c.say("The crowd leaves.")
	c.leave()
	if err := c.await(ctx, &r); err != nil {
		return r, err
	}
	r.judge()
	return r, nil
}

// come lets the crowd come.
func (c *crowd) come(ctx context.Context, r *Report) error {
	c.say("%d nodes come.", c.options.Nodes)
	telling, quiet := context.WithCancel(ctx)
	var told sync.WaitGroup
	told.Go(func() { c.progress(telling) })
	began := time.Now()
	err := c.grow(ctx)
	quiet()
	told.Wait()
	r.Growing, r.Broken = time.Since(began), c.lost.Load()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.Stopped = err.Error()
		c.say("No more come: %v.", err)
	}
	return nil
}

// hold measures the crowd at rest.
func (c *crowd) hold(ctx context.Context, r *Report) (err error) {
	c.say("%d are there. They are left alone for %v.", c.came.Load(), c.options.Hold)
	if !pause(ctx, min(settle, c.options.Hold)) {
		return ctx.Err()
	}
	lost, began := c.lost.Load(), time.Now()
	if r.During, err = c.measureIdle(ctx, c.options.Hold); err != nil {
		return err
	}
	r.Held = time.Since(began)
	r.Came, r.Present, r.Missed = c.came.Load(), c.present.Load(), c.lost.Load()-lost
	return nil
}

// measureIdle measures what the programs use while nothing is asked of them.
func (c *crowd) measureIdle(ctx context.Context, in time.Duration) (s State, err error) {
	began := time.Now()
	start, err := c.measure(ctx)
	if err != nil {
		return s, err
	}
	if !pause(ctx, in) {
		return s, ctx.Err()
	}
	if s, err = c.measure(ctx); err != nil {
		return s, err
	}
	s.idle(start, time.Since(began))
	return s, nil
}

// await waits until the programs have noticed that the crowd is gone, and measures.
func (c *crowd) await(ctx context.Context, r *Report) (err error) {
	began := time.Now()
	for {
		if r.After, err = c.measure(ctx); err != nil {
			return err
		}
		r.Returning = time.Since(began)
		if r.After.returned(r.Before, r.During) || r.Returning > leaveTimeout {
			return nil
		}
		if !pause(ctx, look) {
			return ctx.Err()
		}
	}
}

func (c *crowd) keep(d *device) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.devices = append(c.devices, d)
}

// leave closes every device that is there.
func (c *crowd) leave() {
	c.leaving.Store(true)
	c.mu.Lock()
	devices := c.devices
	c.devices = nil
	c.mu.Unlock()
	var closing sync.WaitGroup
	slots := make(chan struct{}, closers)
	for _, d := range devices {
		slots <- struct{}{}
		closing.Go(func() { d.close(); <-slots })
	}
	closing.Wait()
}

func (c *crowd) say(format string, args ...any) {
	fmt.Fprintf(c.options.Progress, format+"\n", args...)
}

// pause waits, or returns false when the context ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
