package attach

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/circuit"
)

// reserve holds a place on the balancer's relay until ctx ends, and closes held
// once it has one. It fails when no reservation stands any more.
func (a *Attachment) reserve(ctx context.Context, balancer peer.ID, held chan<- struct{}) error {
	ask := func(ctx context.Context) (time.Time, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return circuit.Reserve(ctx, a.cfg.Host, balancer)
	}
	err := circuit.Hold(ctx, ask, func() { close(held) }, a.cfg.Logger.With("balancer", balancer))
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("attach: %w", err)
	}
	return err
}
