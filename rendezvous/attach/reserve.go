package attach

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	circuitv2 "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
)

// reserve holds a place on the balancer's relay (Circuit Relay v2) until ctx
// ends, and closes held once it has one. It fails only when no reservation
// stands any more: a renewal that fails must not cost the circuits there are.
func (a *Attachment) reserve(ctx context.Context, balancer peer.ID, held chan<- struct{}) error {
	var until time.Time
	for {
		asking, cancel := context.WithTimeout(ctx, dialTimeout)
		r, err := circuitv2.Reserve(asking, a.cfg.Host, peer.AddrInfo{ID: balancer})
		cancel()
		wait := reserveRetry
		switch {
		case err == nil:
			if until.IsZero() {
				close(held)
			}
			until = r.Expiration
			wait = time.Until(until) / 2 // the other half is for trying again
		case ctx.Err() != nil:
			return ctx.Err()
		case !time.Now().Add(wait).Before(until):
			return fmt.Errorf("attach: reserve a circuit: %w", err)
		default:
			a.cfg.Logger.Warn("reservation was not renewed yet", "balancer", balancer, "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
