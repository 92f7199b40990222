package testnet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/testnet/freeport"
)

// The names of the machines of a testnet: folders in its folder.
func balancerName(i int) string {
	if i == 0 {
		return "balancer"
	}
	return "balancer-" + strconv.Itoa(i+1)
}

func serverName(i int) string { return "s" + strconv.Itoa(i+1) }

// provisioned reports whether a folder holds a testnet already.
func provisioned(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, balancerName(0)))
	return !errors.Is(err, fs.ErrNotExist)
}

// provisionCluster makes the keys and files of a testnet, or checks that those
// that are there are of the same one, and returns its servers.
func (c Config) provisionCluster() ([]provision.Server, error) {
	if !provisioned(c.Dir) {
		if err := c.initCluster(); err != nil {
			return nil, err
		}
	}
	servers, err := provision.LoadServers(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("testnet: %w", err)
	}
	cluster := servers[0]
	if len(cluster.Balancers) == 0 || len(cluster.Balancers[0].Addrs) == 0 {
		return nil, fmt.Errorf("testnet: %s was not made by testnet", c.Dir)
	}
	if n := len(cluster.Balancers); n != c.Balancers {
		return nil, fmt.Errorf("testnet: %s holds a testnet of %d balancers, not %d; take another --dir", c.Dir, n, c.Balancers)
	}
	if n := len(servers); n != c.Servers {
		return nil, fmt.Errorf("testnet: %s holds a testnet of %d servers, not %d; take --servers %d or another --dir", c.Dir, n, c.Servers, n)
	}
	port, err := cluster.Balancers[0].Addrs[0].ValueForProtocol(multiaddr.P_TCP)
	if err != nil || c.Port != 0 && port != strconv.Itoa(c.Port) {
		return nil, fmt.Errorf("testnet: the testnet in %s has its balancer on port %s; leave out --port or take another --dir", c.Dir, port)
	}
	return servers, nil
}

func (c Config) initCluster() error {
	ports, err := freeport.Draw(c.Servers + c.Balancers)
	if err != nil {
		return err
	}
	if c.Port != 0 {
		if err := freeport.Check(c.Port); err != nil {
			return fmt.Errorf("testnet: port %d is taken (%w); leave out --port or take another one", c.Port, err)
		}
		ports[c.Servers] = c.Port
	}
	plan := provision.Plan{Dir: c.Dir}
	for i := range c.Servers {
		plan.Servers = append(plan.Servers, c.machine(serverName(i), ports[i]))
	}
	for i := range c.Balancers {
		plan.Balancers = append(plan.Balancers, c.machine(balancerName(i), ports[c.Servers+i]))
	}
	if _, err := provision.Init(plan, time.Now()); err != nil {
		return fmt.Errorf("testnet: %w", err)
	}
	return nil
}

// discardCluster takes back what initCluster made.
func (c Config) discardCluster() error {
	names := []string{"cluster.key", "cluster.pub"}
	for i := range c.Balancers {
		names = append(names, balancerName(i))
	}
	for i := range c.Servers {
		names = append(names, serverName(i))
	}
	var err error
	for _, name := range names {
		err = errors.Join(err, os.RemoveAll(filepath.Join(c.Dir, name)))
	}
	return err
}

func (c Config) machine(name string, port int) provision.Machine {
	address := multiaddr.StringCast("/ip4/" + c.Place(name).host() + "/tcp/" + strconv.Itoa(port))
	return provision.Machine{Name: name, Addresses: []multiaddr.Multiaddr{address}}
}
