package linear

import (
	"fmt"
	"path/filepath"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/keys"
)

// usher is a balancer that sends everybody to one server, so that this one alone
// answers.
type usher struct {
	peer.AddrInfo
	host host.Host
}

// newUsher makes an usher to the server whose folder is given.
func newUsher(dir string) (*usher, error) {
	server, err := provision.LoadServer(dir)
	if err != nil {
		return nil, fmt.Errorf("linear: %w", err)
	}
	own, ok := server.Own()
	if !ok {
		return nil, fmt.Errorf("linear: %s is not of its own cluster", filepath.Base(dir))
	}
	const day = 24 * 60 * 60
	answer := &pb.Assignment{Cluster: server.ClusterKey, Certificate: server.Certificate, Lifetime: day}
	for _, address := range own.Addresses {
		answer.Addresses = append(answer.Addresses, address.Bytes())
	}
	h, err := newHost(keys.New(), nil, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return nil, err
	}
	h.SetStreamHandler(wire.Balancer, func(s network.Stream) {
		defer s.Close()
		if wire.NewReader(s, wire.MaxBalancer).Read(new(pb.BalancerRequest)) == nil {
			_ = wire.WriteFrame(s, answer) // whoever asked has gone, or has it
		}
	})
	return &usher{peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}, h}, nil
}

func (u *usher) close() { u.host.Close() }
