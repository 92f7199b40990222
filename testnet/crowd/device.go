package crowd

import (
	"context"
	"fmt"
	"sync"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/tryst-chat/tryst/rendezvous/client"
)

// device is one of the crowd: a host and a client that keeps itself linked, until close.
type device struct {
	*client.Client
	host   host.Host
	linked chan struct{} // closed when it has its first server
	here   chan struct{} // closed when its first beat stream runs

	end  context.CancelFunc
	runs sync.WaitGroup
}

// newDevice makes a device that looks for a server from now on.
func (c *crowd) newDevice() (*device, error) {
	h, err := newHost()
	if err != nil {
		return nil, err
	}
	cl, err := client.New(client.Config{Host: h, Balancers: c.balancers, ClusterKey: c.cluster})
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("crowd: %w", err)
	}
	ctx, end := context.WithCancel(context.Background())
	d := &device{Client: cl, host: h, linked: make(chan struct{}), here: make(chan struct{}), end: end}
	d.runs.Go(func() { _ = cl.Run(ctx) }) // it returns nothing but nil
	d.runs.Go(func() { c.follow(d) })
	return d, nil
}

// follow counts what becomes of a device's beat stream, until the device is closed.
func (c *crowd) follow(d *device) {
	linked, here := sync.OnceFunc(func() { close(d.linked) }), sync.OnceFunc(func() { close(d.here) })
	beats := false
	for notice := range d.Notices() {
		switch notice.(type) {
		case client.Linked:
			linked()
		case client.Resync: // the first frame of a beat stream
			if !beats {
				c.present.Add(1)
				beats = true
			}
			here()
		case client.Unlinked, client.Dismissed:
			if beats {
				c.present.Add(-1)
				beats = false
				if !c.leaving.Load() {
					c.lost.Add(1)
				}
			}
		}
	}
	if beats {
		c.present.Add(-1)
	}
}

func (d *device) close() {
	d.end()
	d.runs.Wait()
	d.host.Close()
}

// newHost makes a host that is as light as libp2p has them: it dials TCP, is reached
// through circuits, and counts nothing. It weighs some 160 KB and 12 goroutines.
func newHost() (host.Host, error) {
	private, _, err := crypto.GenerateEd25519Key(nil)
	if err != nil {
		return nil, fmt.Errorf("crowd: %w", err)
	}
	h, err := libp2p.New(
		libp2p.Identity(private),
		libp2p.NoListenAddrs, libp2p.EnableRelay(), // which a host that does not listen has not
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.ConnectionManager(connmgr.NullConnMgr{}),
		libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(), libp2p.Ping(false),
	)
	if err != nil {
		return nil, fmt.Errorf("crowd: %w", err)
	}
	return h, nil
}
