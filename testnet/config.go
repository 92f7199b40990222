package testnet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Reach is how nodes get to the servers.
type Reach string

const (
	// ReachBalancer: by circuits over the balancer, the only address that
	// nodes are told. The default.
	ReachBalancer Reach = "balancer"
	// ReachDirect: the balancer's assignments carry the servers' addresses.
	ReachDirect Reach = "direct"
)

// Config says what to start.
type Config struct {
	// Servers is the number of rendezvous servers, 1 to 64. Default: 3.
	Servers int
	// Balancers is their number, 1 to 8. Default: 1. The others are named "balancer-2"
	// and so on.
	Balancers int
	// Port is the (first) balancer's TCP port on loopback. Default: any that is free.
	Port int
	// Dir is the folder of all keys, states and logs, made when missing. A
	// testnet that it holds already is started again. Default: a temporary
	// folder, which Stop removes.
	Dir string
	// Reach is ReachBalancer unless set.
	Reach Reach
	// Bin is a folder with the programs tryst, rendezvous and balancer.
	// Default: the folder of the running program if they are there, else they
	// are built into Dir/bin.
	Bin string
	// Place says where a server (s1, s2 and so on) or the balancer ("balancer")
	// runs. Default: all on this machine.
	Place func(name string) Place
	// Progress gets words for a person who waits. Default: nobody waits.
	Progress io.Writer

	temporary bool // Dir is to be removed
}

// complete checks a Config and fills in defaults.
func (c Config) complete() (Config, error) {
	if c.Servers == 0 {
		c.Servers = 3
	}
	if c.Balancers == 0 {
		c.Balancers = 1
	}
	if c.Reach == "" {
		c.Reach = ReachBalancer
	}
	if c.Place == nil {
		c.Place = func(string) Place { return Place{} }
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	switch {
	case c.Servers < 1 || c.Servers > maxServers:
		return c, fmt.Errorf("testnet: %d servers; 1 to %d are possible", c.Servers, maxServers)
	case c.Balancers < 1 || c.Balancers > maxBalancers:
		return c, fmt.Errorf("testnet: %d balancers; 1 to %d are possible", c.Balancers, maxBalancers)
	case c.Port < 0 || c.Port > 65535:
		return c, fmt.Errorf("testnet: %d is not a port", c.Port)
	case c.Reach != ReachBalancer && c.Reach != ReachDirect:
		return c, errors.New(`testnet: nodes reach servers by "balancer" or "direct"`)
	}
	var err error
	if c.Dir == "" {
		c.temporary = true
		c.Dir, err = os.MkdirTemp("", "tryst-testnet-")
	} else if c.Dir, err = filepath.Abs(c.Dir); err == nil {
		err = os.MkdirAll(c.Dir, 0o700)
	}
	if err != nil {
		return c, fmt.Errorf("testnet: %w; take another --dir", err)
	}
	return c, nil
}

// say tells whoever waits what goes on.
func (c Config) say(format string, args ...any) { fmt.Fprintf(c.Progress, format+"\n", args...) }
