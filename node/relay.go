package node

import (
	"context"

	"github.com/multiformats/go-multiaddr"
)

// keepRelayed makes this device reachable through the balancers, for those who
// cannot dial it, and has that announced. Whoever can dial it does so first (see
// transport.Host.Reach).
func (d *device) keepRelayed(ctx context.Context) error {
	return d.link.client.KeepRelayed(ctx, func(circuits []multiaddr.Multiaddr) {
		d.link.host.SetCircuits(circuits)
		d.announce()
	})
}
