package provision

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// DefaultLifetime is how long certificates hold unless the plan says
// otherwise: long enough that nobody is surprised by one, short enough that a
// server that was given away is not trusted for ever.
const DefaultLifetime = 5 * 365 * 24 * time.Hour

// clockSkew is how far before now a certificate begins, for machines whose
// clock is behind.
const clockSkew = time.Hour

// nameForm keeps names usable as folders and in certificates.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Plan is a cluster to be.
type Plan struct {
	// Dir is where the files go; made if missing.
	Dir string
	// Servers are at least one; an odd number survives the loss of a minority.
	Servers []Machine
	// Balancers may be none where the nodes know the servers otherwise.
	Balancers []Machine
	// Lifetime of the certificates; 0 stands for DefaultLifetime.
	Lifetime time.Duration
}

// Machine is one server or balancer of a Plan.
type Machine struct {
	Name string // folder's name: small letters, digits, '-'
	// Addresses are where the others reach it, and where it listens unless it
	// is told otherwise: at least one, without /p2p/.
	Addresses []ma.Multiaddr
}

// ParseMachine reads "NAME=MULTIADDR" or "NAME=MULTIADDR,MULTIADDR".
func ParseMachine(s string) (Machine, error) {
	name, list, ok := strings.Cut(s, "=")
	if !ok {
		return Machine{}, fmt.Errorf("%q: write it as NAME=MULTIADDR, like s1=/ip4/192.0.2.1/tcp/4001", s)
	}
	m := Machine{Name: name}
	for one := range strings.SplitSeq(list, ",") {
		addr, err := ma.NewMultiaddr(one)
		if err != nil {
			return Machine{}, fmt.Errorf("address of %s: %w", name, err)
		}
		m.Addresses = append(m.Addresses, addr)
	}
	return m, nil
}

func (p Plan) check() error {
	if p.Dir == "" {
		return errors.New("provision: no folder")
	}
	if len(p.Servers) == 0 {
		return errors.New("provision: a cluster has at least one server")
	}
	if p.Lifetime < 0 {
		return errors.New("provision: certificates cannot expire before they begin")
	}
	seen := map[string]bool{}
	for _, m := range slices.Concat(p.Servers, p.Balancers) {
		if seen[m.Name] {
			return fmt.Errorf("provision: two machines are called %s", m.Name)
		}
		seen[m.Name] = true
		if err := m.check(); err != nil {
			return err
		}
	}
	return nil
}

func (m Machine) check() error {
	if !nameForm.MatchString(m.Name) {
		return fmt.Errorf("provision: %q is not a name: small letters, digits and '-', at most 32", m.Name)
	}
	if len(m.Addresses) == 0 {
		return fmt.Errorf("provision: %s has no address", m.Name)
	}
	for _, addr := range m.Addresses {
		if _, id := peer.SplitAddr(addr); id != "" {
			return fmt.Errorf("provision: the address of %s has a peer ID already; its key is made here", m.Name)
		}
	}
	return nil
}
