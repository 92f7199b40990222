package linear

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/confine"
	"github.com/tryst-chat/tryst/testnet/keys"
	"github.com/tryst-chat/tryst/testnet/linear/check"
)

// Options say how to run.
type Options struct {
	// Seed is what faults and requests are drawn from; the machine decides how they
	// meet. 0 draws one.
	Seed uint64
	// For is how long clients ask while things go wrong. Default: 30 s.
	For time.Duration
	// Bin is a folder of the programs, as for testnet.Config.
	Bin string
	// Keep keeps the folder of drawings, states and logs though nothing is wrong.
	Keep bool
	// Progress gets words for a person who waits. Default: nobody waits.
	Progress io.Writer
}

// run is one run.
type run struct {
	*recorder
	options Options
	net     *testnet.Testnet
	mesh    *confine.Mesh // nil: the network cannot be cut
	uncut   string        // why not
	fronts  []peer.AddrInfo
	cluster ed25519.PublicKey
	world   *world
	dir     string // of drawings, and of the testnet

	counting sync.Mutex
	faults   map[string]int // guarded by counting
}

// Run runs clients against a testnet of its own while things go wrong, and reports
// what it found. An error says that it could not be run.
func Run(ctx context.Context, o Options) (report Report, err error) {
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.For == 0 {
		o.For = 30 * time.Second
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	r, err := newRun(o)
	if err != nil {
		return report, err
	}
	r.say("Seed %d.", o.Seed)
	defer func() {
		err = errors.Join(err, r.stop())
		if err != nil || !report.keeps() {
			err = errors.Join(err, os.RemoveAll(r.dir))
		}
	}()
	if err := r.start(ctx); err != nil {
		return report, err
	}
	final, err := r.play(ctx)
	if err != nil {
		return report, err
	}
	return r.judge(final)
}

func newRun(o Options) (*run, error) {
	dir, err := os.MkdirTemp("", "tryst-linear-")
	if err != nil {
		return nil, fmt.Errorf("linear: %w", err)
	}
	return &run{options: o, world: &world{}, faults: make(map[string]int), dir: dir}, nil
}

// start starts the testnet, in a network that can be cut if there may be one.
func (r *run) start(ctx context.Context) (err error) {
	places := []string{balancerName}
	for i := range servers {
		places = append(places, serverName(i))
	}
	config := testnet.Config{Servers: servers, Bin: r.options.Bin, Dir: filepath.Join(r.dir, "testnet"), Progress: r.options.Progress}
	switch r.mesh, err = confine.NewMesh(places...); {
	case errors.Is(err, confine.ErrUnavailable):
		r.mesh, r.uncut = nil, err.Error()
		r.say("The network is not cut: %v.", err)
	case err != nil:
		return err
	default:
		config.Place = r.mesh.Place
	}
	return r.launch(ctx, config)
}

// launch starts a testnet and signs the members up.
func (r *run) launch(ctx context.Context, config testnet.Config) (err error) {
	if r.net, err = testnet.Start(ctx, config); err != nil {
		return err
	}
	for _, address := range r.net.Balancers {
		front, err := peer.AddrInfoFromString(address)
		if err != nil {
			return fmt.Errorf("linear: %w", err)
		}
		r.fronts = append(r.fronts, *front)
	}
	return r.enrol(ctx)
}

// enrol signs the members up.
func (r *run) enrol(ctx context.Context) error {
	r.recorder = newRecorder()
	r.world.prekey = make([]uint32, members)
	r.world.members = make([]*member, members)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(startsAtOnce)
	for i := range members {
		group.Go(func() error {
			d, err := r.device(keys.New())
			if err != nil {
				return err
			}
			m := &member{
				device: d, recorder: r.recorder, number: i, world: r.world,
				rng: rand.New(rand.NewPCG(r.options.Seed, uint64(i))), sure: true,
				chains: make(map[record.GroupName]record.Chain), prekeys: quota.NewMeter[int](quota.Prekeys, members),
			}
			r.world.members[i] = m
			ctx, cancel := context.WithTimeout(ctx, settleTimeout)
			defer cancel()
			if m.account, err = d.signUp(ctx, fmt.Sprintf("member%d-", i), keys.New()); err != nil {
				return fmt.Errorf("linear: sign up: %w", err)
			}
			m.publish(ctx)
			return nil
		})
	}
	return group.Wait()
}

func (r *run) device(key keys.Key) (*device, error) {
	return newDevice(key, r.fronts, r.cluster, r.mesh)
}

// play has the clients ask while things go wrong, and looks at the servers after it.
func (r *run) play(ctx context.Context) (check.Final, error) {
	group, working := errgroup.WithContext(ctx)
	over := make(chan struct{})
	r.begin()
	group.Go(func() error {
		defer close(over)
		return r.progress(working)
	})
	r.work(working, group, over)
	for i := range registrars {
		group.Go(func() error { return r.register(working, members+i, over) })
	}
	f := &faults{r, rand.New(rand.NewPCG(r.options.Seed, members))}
	group.Go(func() error { return f.suffer(working, over) })
	if err := group.Wait(); err != nil {
		return check.Final{}, err
	}
	r.say("All is healed; looking at what each server holds.")
	settling, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := r.net.Ready(settling); err != nil {
		return check.Final{}, err
	}
	for _, m := range r.world.members {
		m.close()
	}
	return r.look(ctx)
}

// work has all members ask until over is closed.
func (r *run) work(ctx context.Context, group *errgroup.Group, over <-chan struct{}) {
	for _, m := range r.world.members {
		group.Go(func() error {
			for sleep(ctx, over, time.Duration(m.rng.Int64N(int64(mostIdle)))) {
				m.step(ctx)
			}
			return nil
		})
	}
}

// progress tells how far the run is until it is over.
func (r *run) progress(ctx context.Context) error {
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	end := time.NewTimer(r.options.For)
	defer end.Stop()
	for began := time.Now(); ; {
		select {
		case <-ticker.C:
			r.say("%v: %d requests", time.Since(began).Round(time.Second), r.len())
		case <-end.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// judge has the history judged.
func (r *run) judge(final check.Final) (Report, error) {
	r.say("Judging %d requests.", r.len())
	r.mu.Lock()
	defer r.mu.Unlock()
	began := time.Now()
	verdict, err := check.Judge(r.history, final, judgeTimeout, r.draw)
	if err != nil {
		return Report{}, err
	}
	r.counting.Lock()
	defer r.counting.Unlock()
	report := Report{
		Seed: r.options.Seed, For: r.options.For, Requests: r.counts, Faults: r.faults, Uncut: r.uncut,
		LongestWait: r.longest, Objects: verdict.Objects, Operations: verdict.Operations, Judging: time.Since(began),
		Burnt: verdict.Burnt, Again: verdict.Again, Undecided: verdict.Undecided,
		Violations: append(r.wrong, verdict.Violations...),
	}
	report.Good = len(report.Violations) == 0 && len(report.Undecided) == 0
	if !report.Good || r.options.Keep {
		report.Dir = r.dir
	}
	return report, nil
}

// draw makes a page of what is known about an object, and beside it a text with its
// history; mu is held.
func (r *run) draw(object string, m porcupine.Model, i porcupine.LinearizationInfo) (string, error) {
	file := filepath.Join(r.dir, strings.ReplaceAll(object, " ", "-"))
	var history strings.Builder
	for _, op := range r.history {
		if op.Object == object {
			fmt.Fprintf(&history, "%v to %v client %d: %s %+v: %v\n", op.Call, op.Return, op.Client, kindOf(op.What), op.What, op.Outcome)
		}
	}
	err := os.WriteFile(file+".txt", []byte(history.String()), 0o600)
	if err = errors.Join(err, porcupine.VisualizePath(m, i, file+".html")); err != nil {
		return "", fmt.Errorf("linear: draw: %w", err)
	}
	return file + ".html", nil
}

func (r *run) stop() error {
	var err error
	for _, m := range r.world.members {
		if m != nil {
			m.close()
		}
	}
	if r.net != nil {
		err = r.net.Stop()
	}
	if r.mesh != nil {
		err = errors.Join(err, r.mesh.Close())
	}
	return err
}

func (r *run) suffered(kind string) {
	r.counting.Lock()
	defer r.counting.Unlock()
	r.faults[kind]++
}

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.options.Progress, format+"\n", args...)
}
