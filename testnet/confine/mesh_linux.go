package confine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/tryst-chat/tryst/testnet"
)

// Mesh is a network with a line between any two places, each of which can be cut, in
// either direction. Whoever is in a place has its address, and a port of their own.
type Mesh struct {
	hub   *namespace // the switch that all lines go through
	nodes []meshNode
}

type meshNode struct {
	name, host string
	n          *namespace
}

// A mesh's network is one of its own, as Halves' is.
const (
	meshHost   = "10.98.0.%d"
	meshBridge = "hub"
	meshEnd    = "line" // of each place; the switch's ends have numbers
	maxMesh    = 100
)

// NewMesh makes a place for each name, all of which see each other.
func NewMesh(names ...string) (*Mesh, error) {
	if len(names) > maxMesh {
		return nil, fmt.Errorf("confine: a mesh of %d places; at most %d are possible", len(names), maxMesh)
	}
	if err := possible("ip"); err != nil {
		return nil, err
	}
	m := &Mesh{}
	if err := m.lay(names); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Mesh) lay(names []string) (err error) {
	if m.hub, err = newNamespace(network); err != nil {
		return err
	}
	for _, words := range [][]string{
		{"ip", "link", "add", "name", meshBridge, "type", "bridge"},
		{"ip", "link", "set", meshBridge, "up"},
	} {
		if err := m.hub.run(words...); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	for i, name := range names {
		n, err := newNamespace(network)
		if err != nil {
			return err
		}
		node := meshNode{name, fmt.Sprintf(meshHost, i+1), n}
		m.nodes = append(m.nodes, node)
		if err := m.connect(node, fmt.Sprintf("line%d", i+1)); err != nil {
			return err
		}
	}
	return nil
}

// connect lays the line from a place to the switch.
func (m *Mesh) connect(node meshNode, end string) error {
	place := fmt.Sprintf("/proc/%d/fd/%d", unix.Getpid(), node.n.file.Fd())
	for _, step := range []struct {
		n     *namespace
		words []string
	}{
		{m.hub, []string{"ip", "link", "add", "name", end, "type", "veth", "peer", "name", meshEnd, "netns", place}},
		{m.hub, []string{"ip", "link", "set", end, "master", meshBridge, "up"}},
		{node.n, []string{"ip", "link", "set", "lo", "up"}},
		{node.n, []string{"ip", "address", "add", node.host + prefix, "dev", meshEnd}},
		{node.n, []string{"ip", "link", "set", meshEnd, "up"}},
	} {
		if err := step.n.run(step.words...); err != nil {
			return err
		}
	}
	return nil
}

// Place returns the place with a name.
func (m *Mesh) Place(name string) testnet.Place {
	node := m.node(name)
	return node.n.place(node.host)
}

// Dial connects from a place to an address of the mesh.
func (m *Mesh) Dial(ctx context.Context, from, network, address string) (net.Conn, error) {
	return m.node(from).n.dial(ctx, network, address)
}

func (m *Mesh) node(name string) meshNode {
	i := slices.IndexFunc(m.nodes, func(n meshNode) bool { return n.name == name })
	return m.nodes[i]
}

// Cut has nothing from one place come through to another one; what that one sends
// still does. It is lost without a word.
func (m *Mesh) Cut(from, to string) error {
	return m.node(from).n.run("ip", "neighbour", "replace", m.node(to).host, "lladdr", nobody, "dev", meshEnd, "nud", "permanent")
}

// Heal mends all lines.
func (m *Mesh) Heal() error {
	var err error
	for _, node := range m.nodes {
		err = errors.Join(err, node.n.run("ip", "neighbour", "flush", "dev", meshEnd, "nud", "permanent"))
	}
	return err
}

// Close gives the network up; it is gone once no program is in it.
func (m *Mesh) Close() error {
	var err error
	for _, node := range m.nodes {
		err = errors.Join(err, node.n.close())
	}
	if m.hub != nil {
		err = errors.Join(err, m.hub.close())
	}
	return err
}
