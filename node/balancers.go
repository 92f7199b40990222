package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/multiformats/go-multiaddr"
)

// askTimeout bounds the question who answers at an address.
const askTimeout = 5 * time.Second

// resolveBalancers completes the balancers' addresses with their peer IDs.
// Addresses of one balancer become one entry. It fails only when none answers.
func resolveBalancers(ctx context.Context, h host.Host, addrs []multiaddr.Multiaddr) ([]peer.AddrInfo, error) {
	var full []multiaddr.Multiaddr
	var failed error
	for _, addr := range addrs {
		if _, id := peer.SplitAddr(addr); id != "" {
			full = append(full, addr)
			continue
		}
		id, err := whoAnswers(ctx, h, addr)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("balancer %s: %w", addr, err))
			continue
		}
		full = append(full, addr.Encapsulate(multiaddr.StringCast("/p2p/"+id.String())))
	}
	if len(full) == 0 {
		return nil, failed
	}
	return peer.AddrInfosFromP2pAddrs(full...)
}

// whoAnswers returns the peer ID of whoever listens at an address: libp2p
// dials peers and not addresses, so it dials somebody who cannot exist and is
// told who was there instead. Nothing rests on the answer: a server that a
// balancer assigns must show the cluster's certificate.
func whoAnswers(ctx context.Context, h host.Host, addr multiaddr.Multiaddr) (peer.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_, public, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return "", err
	}
	nobody, err := peer.IDFromPublicKey(public)
	if err != nil {
		return "", err
	}
	ctx = network.WithForceDirectDial(ctx, "there is no other way yet")
	err = h.Connect(ctx, peer.AddrInfo{ID: nobody, Addrs: []multiaddr.Multiaddr{addr}})
	h.Peerstore().ClearAddrs(nobody)
	var other sec.ErrPeerIDMismatch
	if errors.As(err, &other) {
		return other.Actual, nil
	}
	if err == nil {
		err = errors.New("it answers under a key that nobody has")
	}
	return "", err
}
