package linear

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/testnet/confine"
	"github.com/tryst-chat/tryst/testnet/keys"
)

// device is a host with a client that runs, until close.
type device struct {
	*client.Client
	host host.Host
	key  keys.Key

	end  context.CancelFunc
	runs sync.WaitGroup
}

// newDevice makes a device that finds servers with the help of balancers.
func newDevice(key keys.Key, balancers []peer.AddrInfo, cluster ed25519.PublicKey, mesh *confine.Mesh) (*device, error) {
	h, err := newHost(key, mesh, libp2p.NoListenAddrs)
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Host: h, Balancers: balancers, ClusterKey: cluster})
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("linear: %w", err)
	}
	ctx, end := context.WithCancel(context.Background())
	d := &device{Client: c, host: h, key: key, end: end}
	d.runs.Go(func() { _ = c.Run(ctx) }) // it returns nothing but nil
	d.runs.Go(func() {                   // nobody needs the notices, but they must not pile up
		for range c.Notices() {
		}
	})
	return d, nil
}

func (d *device) close() {
	d.end()
	d.runs.Wait()
	d.host.Close()
}

// newHost makes a host that dials into the mesh, if there is one.
func newHost(key keys.Key, mesh *confine.Mesh, listen libp2p.Option) (host.Host, error) {
	private, err := crypto.UnmarshalEd25519PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("linear: %w", err)
	}
	dial := tcp.WithDialerForAddr(func(to ma.Multiaddr) (tcp.ContextDialer, error) {
		if mesh == nil || manet.IsIPLoopback(to) {
			return &net.Dialer{}, nil
		}
		return dialer{mesh}, nil
	})
	h, err := libp2p.New(libp2p.Identity(private), libp2p.Transport(tcp.NewTCPTransport, dial), libp2p.DisableMetrics(),
		listen, libp2p.EnableRelay()) // which a host that does not listen has not
	if err != nil {
		return nil, fmt.Errorf("linear: %w", err)
	}
	return h, nil
}

// dialer connects to what is in the mesh from where the balancer is.
type dialer struct{ mesh *confine.Mesh }

// DialContext implements tcp.ContextDialer.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.mesh.Dial(ctx, balancerName, network, address)
}

// signUp makes an account with this device as its first, under a new identity key.
func (d *device) signUp(ctx context.Context, name string, identity keys.Key) (record.Account, error) {
	return d.SignUp(ctx, name, roll, []byte("a password"), func(account record.Account, _ client.ExportKey) (client.Enrolment, error) {
		log := record.NewDeviceLog(account, identity.Public())
		return client.Enrolment{
			Identity: identity.Public(),
			Device:   log.Next(record.AddDevice, d.host.ID(), "device", time.Now()).Sign(identity),
		}, nil
	})
}

// roll is the roll number of all accounts here.
const roll = "1"

// text is a key, a hash or an ID as a history names it.
func text(b []byte) string { return hex.EncodeToString(b[:min(len(b), 16)]) }
