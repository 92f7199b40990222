package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/testnet/beacon"
)

// place says where a node's state is and whom it asks.
type place struct {
	home       string
	balancers  []multiaddr.Multiaddr
	clusterKey []byte // Ed25519 public key, or empty
	testnet    bool   // found by itself
}

var errNoBalancer = errors.New("no balancer is known; give the address of one with --balancer ADDR, or start a testnet on this machine with: testnet up")

// findPlace decides. A balancer that is given wins, then a testnet that runs
// on this machine, then the balancers of the last time. Unless --home says
// otherwise, what is done on a testnet is kept in the testnet's folder: its
// accounts vanish with it, and must not mix with a person's real ones.
func findPlace(o options) (place, error) {
	p := place{home: o.home}
	if p.home == "" {
		home, err := defaultHome()
		if err != nil {
			return p, err
		}
		p.home = home
	}
	if o.clusterKey != "" {
		p.clusterKey, _ = hex.DecodeString(o.clusterKey) // checked with the flags
	}
	addresses := o.balancers
	if len(addresses) == 0 {
		if net, ok := beacon.Find(); ok {
			addresses = []string{net.Balancer}
			p.testnet = true
			if !o.homeGiven {
				p.home = filepath.Join(net.Dir, "home")
			}
			if key, err := hex.DecodeString(net.ClusterKey); err == nil && len(p.clusterKey) == 0 {
				p.clusterKey = key
			}
		}
	}
	if len(addresses) == 0 {
		addresses = remembered(p.home)
	}
	if len(addresses) == 0 {
		return p, errNoBalancer
	}
	for _, address := range addresses {
		parsed, err := parseBalancer(address)
		if err != nil {
			return p, err
		}
		p.balancers = append(p.balancers, parsed)
	}
	return p, nil
}

// parseBalancer reads a multiaddr, host:port, or a port of this machine.
func parseBalancer(s string) (multiaddr.Multiaddr, error) {
	wrong := fmt.Errorf("%w: --balancer %q is neither a multiaddr like /dns4/example.org/tcp/4000, nor host:port, nor a port", errUsage, s)
	if strings.HasPrefix(s, "/") {
		address, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			return nil, wrong
		}
		return address, nil
	}
	host, port := "127.0.0.1", s
	if strings.Contains(s, ":") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil || host == "" {
			return nil, wrong
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, wrong
	}
	kind := "dns"
	if ip, err := netip.ParseAddr(host); err == nil {
		kind = "ip4"
		if ip.Is6() {
			kind = "ip6"
		}
	}
	address, err := multiaddr.NewMultiaddr("/" + kind + "/" + host + "/tcp/" + port)
	if err != nil {
		return nil, wrong
	}
	return address, nil
}

// rememberFile holds the balancers of the last time, one a line.
const rememberFile = "balancers"

func remembered(home string) []string {
	content, err := os.ReadFile(filepath.Join(home, rememberFile))
	if err != nil {
		return nil
	}
	return strings.Fields(string(content))
}

// remember keeps the balancers for the next time; a failure costs a flag then,
// and is not worth a word now.
func (p place) remember() {
	var lines strings.Builder
	for _, address := range p.balancers {
		fmt.Fprintln(&lines, address)
	}
	name := filepath.Join(p.home, rememberFile)
	fresh := fmt.Sprintf("%s.%d", name, os.Getpid())
	if os.WriteFile(fresh, []byte(lines.String()), 0o600) == nil {
		_ = os.Rename(fresh, name)
	}
}
