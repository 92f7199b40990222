package testnet

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/testnet/beacon"
)

// Testnet is a running system.
type Testnet struct {
	Dir        string
	Balancer   string     // multiaddr with /p2p/: what a node is given
	Balancers  []string   // all of them
	ClusterKey string     // Ed25519 public key, 64 hexadecimal digits
	Tryst      string     // the program to be a node with: a path
	Servers    []*Machine // as they are between changes: see Grow, Shrink
	Front      *Machine   // the balancer
	Fronts     []*Machine // all of them

	config   Config
	bin      string     // the programs' folder
	changing sync.Mutex // held over a change of the servers

	mu    sync.Mutex // guards Servers while they change, and nodes
	nodes []*Node    // that were started
}

// Start starts a testnet and returns when all of it answers. The context
// bounds the start only; Stop ends the testnet.
func Start(ctx context.Context, config Config) (*Testnet, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	t, err := config.start(ctx)
	if err != nil && config.temporary {
		err = errors.Join(err, os.RemoveAll(config.Dir))
	}
	return t, err
}

func (c Config) start(ctx context.Context) (*Testnet, error) {
	bin, err := c.findPrograms(ctx)
	if err != nil {
		return nil, err
	}
	fresh := !provisioned(c.Dir)
	for try := 1; ; try++ {
		t, err := c.startOnce(ctx, bin)
		if err == nil || !fresh || try == bindTries || ctx.Err() != nil {
			return t, err
		}
		// Somebody took one of the ports: draw others. Nothing is lost, since
		// nobody has used the cluster yet.
		if err := c.discardCluster(); err != nil {
			return nil, fmt.Errorf("testnet: %w", err)
		}
	}
}

func (c Config) startOnce(ctx context.Context, bin string) (*Testnet, error) {
	servers, err := c.provisionCluster()
	if err != nil {
		return nil, err
	}
	t, err := c.assemble(servers, bin)
	if err != nil {
		return nil, err
	}
	c.say("Starting rendezvous servers (%d) and a balancer in %s …", c.Servers, c.Dir)
	if err := t.launch(ctx); err != nil {
		return nil, errors.Join(err, t.stopMachines())
	}
	return t, beacon.Write(c.Dir, t.Describe())
}

// assemble makes the machines of a cluster, none of which runs.
func (c Config) assemble(servers []provision.Server, bin string) (*Testnet, error) {
	t := &Testnet{
		Dir:        c.Dir,
		ClusterKey: hex.EncodeToString(servers[0].ClusterKey),
		Tryst:      executable(bin, "tryst"),
		config:     c,
		bin:        bin,
	}
	for i, b := range servers[0].Balancers {
		addresses, err := peer.AddrInfoToP2pAddrs(&b)
		if err != nil || len(addresses) == 0 {
			return nil, fmt.Errorf("testnet: balancer %d has no address: %w", i+1, err)
		}
		t.Balancers = append(t.Balancers, addresses[0].String())
		t.Fronts = append(t.Fronts, c.newMachine(bin, "balancer", balancerName(i)))
	}
	t.Balancer, t.Front = t.Balancers[0], t.Fronts[0]
	for _, s := range servers {
		own, _ := s.Own() // LoadServers has found it
		t.Servers = append(t.Servers, c.newServer(bin, own))
	}
	return t, nil
}

func (c Config) newServer(bin string, s provision.Peer) *Machine {
	var args []string
	if c.Reach == ReachDirect {
		for _, address := range s.Addresses {
			args = append(args, "--advertise", address.String())
		}
	}
	return c.newMachine(bin, "rendezvous", s.Name, args...)
}

// launch starts everything at once and waits until it answers.
func (t *Testnet) launch(ctx context.Context) error {
	group, starting := errgroup.WithContext(ctx)
	for _, m := range t.machines() {
		group.Go(func() error { return m.Start(starting) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return t.Ready(ctx)
}

func (t *Testnet) machines() []*Machine { return slices.Concat(t.Fronts, t.servers()) }

// Describe returns what the ready line and testnet.json say.
func (t *Testnet) Describe() beacon.Testnet {
	d := beacon.Testnet{
		Event: "ready", Balancer: t.Balancer, BalancerPID: t.Front.PID(),
		ClusterKey: t.ClusterKey, Dir: t.Dir, PID: os.Getpid(),
	}
	for _, s := range t.servers() {
		d.Servers = append(d.Servers, beacon.Server{Name: s.Name, PID: s.PID(), Peer: s.Peer(), Metrics: s.Metrics()})
	}
	return d
}

// Lost waits until a machine ends that nobody stopped, and returns its name;
// or until the context ends, and returns "".
func (t *Testnet) Lost(ctx context.Context, known map[string]bool) string {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	lost := make(chan string)
	for _, m := range t.machines() {
		if known[m.Name] {
			continue
		}
		ended, meant := m.lost()
		watching.Go(func() {
			select {
			case <-ended:
			case <-ctx.Done():
				return
			}
			if meant() {
				return
			}
			select {
			case lost <- m.Name:
			case <-ctx.Done():
			}
		})
	}
	select {
	case name := <-lost:
		return name
	case <-ctx.Done():
		return ""
	}
}

// Stop ends every node, server and balancer, and removes the folder if it is
// a temporary one.
func (t *Testnet) Stop() error {
	t.mu.Lock()
	nodes := t.nodes
	t.nodes = nil
	t.mu.Unlock()
	for _, n := range nodes {
		n.Kill()
	}
	err := t.stopMachines()
	if t.config.temporary {
		err = errors.Join(err, os.RemoveAll(t.Dir))
	}
	return err
}

// stopMachines stops the servers first, together, and then the balancers that they
// stand behind.
func (t *Testnet) stopMachines() error {
	var group errgroup.Group
	for _, m := range t.servers() {
		group.Go(func() error { return m.Stop() })
	}
	err := group.Wait()
	for _, m := range t.Fronts {
		err = errors.Join(err, m.Stop())
	}
	return err
}
