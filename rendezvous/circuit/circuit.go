// Package circuit holds places on balancers' relays (libp2p Circuit Relay v2),
// through which a host that nobody can dial is reached.
//
// It is not AutoRelay, which would choose relays by itself and never advertises
// one on a private network or this machine: here the balancers are known, and
// what a balancer wants to see first is the caller's part. It dials nobody.
// Package attach uses it for servers, package client for devices.
package circuit

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// retry is the wait after a place failed to renew while the one before
	// still stands.
	retry = 5 * time.Second
	// leastWait is the wait before a renewal of a place that hardly stands,
	// which a relay with another clock grants: it is not asked in a spin.
	leastWait = time.Second
)

var tail = ma.StringCast("/p2p-circuit")

// Addrs returns the addresses at which a host with places on these balancers'
// relays is reached, without its own peer ID.
func Addrs(balancers ...peer.AddrInfo) []ma.Multiaddr {
	var addrs []ma.Multiaddr
	for _, b := range balancers {
		whole, err := peer.AddrInfoToP2pAddrs(&b)
		if err != nil {
			continue // not a peer ID: there would be nothing to dial either
		}
		for _, addr := range whole {
			addrs = append(addrs, addr.Encapsulate(tail))
		}
	}
	return addrs
}

// Reserve asks a balancer that the host is connected to for a place on its
// relay, or renews it, and returns until when it stands. It ends sooner with
// the connection.
func Reserve(ctx context.Context, h host.Host, balancer peer.ID) (until time.Time, err error) {
	place, err := client.Reserve(ctx, h, peer.AddrInfo{ID: balancer})
	if err != nil {
		return time.Time{}, fmt.Errorf("reserve a circuit: %w", err)
	}
	return place.Expiration, nil
}

// Hold holds a place until ctx ends: ask gets or renews it and says until when
// it stands, and held is called once there is one. Hold fails only when none
// stands any more: a renewal that fails must not cost the circuits there are.
func Hold(ctx context.Context, ask func(context.Context) (time.Time, error), held func(), log *slog.Logger) error {
	var until time.Time
	for {
		renewed, err := ask(ctx)
		wait := retry
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			if until.IsZero() {
				held()
			}
			until = renewed
			wait = max(time.Until(until)/2, leastWait) // the other half is for trying again
		case !time.Now().Add(wait).Before(until):
			return err
		default:
			log.Warn("a place on a relay was not renewed yet", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
