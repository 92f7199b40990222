package rendezvous_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/balancer"
	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/circuit"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

const (
	// Each account has as many devices as it may: each account's password is stretched
	// once, which takes a third of a second.
	benchAccounts = 32
	benchDevices  = benchAccounts * record.MaxDevices
)

// benchWorld is servers behind a real balancer, and devices of accounts that are connected
// to them, evenly.
type benchWorld struct {
	made     provision.Cluster
	servers  []*rendezvous.Server
	balancer peer.AddrInfo
	direct   bool
	password *auth.Rehearsed
	devices  []*benchDevice
	names    atomic.Int64 // that accounts were given
	letters  atomic.Int64 // that were sent
}

// benchDevice is a client of one server: no more than a host, since what a node does beside
// is not measured here.
type benchDevice struct {
	key      directorytest.Key
	host     host.Host
	server   peer.ID
	account  record.Account
	identity directorytest.Key
}

func newBenchWorld(b *testing.B, servers int, direct bool) *benchWorld {
	b.Helper()
	plan := provision.Plan{Dir: b.TempDir(), Balancers: []provision.Machine{{Name: "b1", Addresses: []ma.Multiaddr{harness.Address(b)}}}}
	for i := range servers {
		plan.Servers = append(plan.Servers, provision.Machine{Name: fmt.Sprintf("s%d", i+1), Addresses: []ma.Multiaddr{harness.Address(b)}})
	}
	made, err := provision.Init(plan, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	w := &benchWorld{made: made, direct: direct, password: auth.NewRehearsed([]byte(password))}
	front, err := balancer.LoadDir(made.Balancers[0].Dir)
	if err != nil {
		b.Fatal(err)
	}
	balancing, err := balancer.New(front)
	if err != nil {
		b.Fatal(err)
	}
	harness.Run(b, balancing.Run)
	w.balancer = peer.AddrInfo{ID: made.Balancers[0].ID, Addrs: plan.Balancers[0].Addresses}
	for i, m := range made.Servers {
		cfg, err := rendezvous.LoadDir(m.Dir)
		if err != nil {
			b.Fatal(err)
		}
		if cfg.Logger = logger(); direct {
			cfg.Advertise = plan.Servers[i].Addresses
		}
		s, err := rendezvous.New(cfg.WithoutAllowances())
		if err != nil {
			b.Fatal(err)
		}
		harness.Run(b, s.Run)
		w.servers = append(w.servers, s)
	}
	harness.Await(b, "servers behind the balancer", func() bool {
		ready := 0
		for _, load := range balancing.Loads() {
			if load.Ready {
				ready++
			}
		}
		return ready == servers
	})
	w.populate(b)
	return w
}

// populate makes the accounts and logs all devices in.
func (w *benchWorld) populate(b *testing.B) {
	b.Helper()
	w.devices = w.connect(b, benchDevices)
	b.Cleanup(func() {
		for _, d := range w.devices {
			d.host.Close()
		}
	})
	ctx := harness.Within(b)
	for i := range benchAccounts {
		first, account := w.devices[i], fmt.Sprintf("p%d", i)
		registration, request, err := w.password.RegistrationStart()
		if err != nil {
			b.Fatal(err)
		}
		start := &pb.StartRegistration{Name: account, Roll: "1", Request: request}
		resp, err := first.ask(ctx, &pb.Request{Kind: &pb.Request_StartRegistration{StartRegistration: start}})
		if err != nil {
			b.Fatal(err)
		}
		opaqueRecord, _, err := registration.Finish(resp.GetRegistration().GetResponse(), account+"1")
		if err == nil {
			err = first.signUp(ctx, account, opaqueRecord)
		}
		if err != nil {
			b.Fatal(err)
		}
		log := record.NewDeviceLog(first.account, first.identity.Public())
		entry := log.Next(record.AddDevice, first.host.ID(), "first", directorytest.Now)
		for n := 1; n < record.MaxDevices; n++ {
			d := w.devices[n*benchAccounts+i]
			d.account, d.identity = first.account, first.identity
			if log, err = log.Append(entry.Sign(first.identity)); err != nil {
				b.Fatal(err)
			}
			entry = log.Next(record.AddDevice, d.host.ID(), "another", directorytest.Now)
			appended := &pb.AppendDevice{Account: string(d.account), Entry: entry.Sign(d.identity)}
			if _, err := d.ask(ctx, &pb.Request{Kind: &pb.Request_AppendDevice{AppendDevice: appended}}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// connect makes devices that are connected to the servers in turn.
func (w *benchWorld) connect(b *testing.B, n int) []*benchDevice {
	b.Helper()
	devices := make([]*benchDevice, n)
	group, ctx := errgroup.WithContext(b.Context())
	const atOnce = 16
	group.SetLimit(atOnce)
	for i := range devices {
		group.Go(func() (err error) {
			server := w.made.Servers[i%len(w.made.Servers)]
			devices[i], err = w.device(ctx, server)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return devices
}

func (w *benchWorld) device(ctx context.Context, server provision.Made) (*benchDevice, error) {
	key := directorytest.NewKey()
	h, err := libp2p.New(
		libp2p.Identity(key.Private()), libp2p.NoListenAddrs, libp2p.EnableRelay(), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(), libp2p.Ping(false),
	)
	if err != nil {
		return nil, err
	}
	addrs := circuit.Addrs(w.balancer)
	if w.direct {
		info, err := peer.AddrInfosFromP2pAddrs(server.Addresses...)
		if err != nil {
			return nil, errors.Join(err, h.Close())
		}
		addrs = info[0].Addrs
	}
	if err := h.Connect(ctx, peer.AddrInfo{ID: server.ID, Addrs: addrs}); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &benchDevice{key: key, host: h, server: server.ID}, nil
}

func (d *benchDevice) ask(ctx context.Context, req *pb.Request) (*pb.Response, error) {
	return exchange(network.WithAllowLimitedConn(ctx, "benchmark"), d.host, d.server, req)
}

// signUp makes an account of an OPAQUE record, with the device as its first.
func (d *benchDevice) signUp(ctx context.Context, name string, opaqueRecord []byte) error {
	account, err := record.NewAccount(name, "1")
	if err != nil {
		return err
	}
	d.account, d.identity = account, directorytest.NewKey()
	first := record.NewDeviceLog(account, d.identity.Public()).Next(record.AddDevice, d.host.ID(), "first", directorytest.Now)
	_, err = d.ask(ctx, &pb.Request{Kind: &pb.Request_SignUp{SignUp: &pb.SignUp{
		Name: name, Roll: "1", OpaqueRecord: opaqueRecord, Vault: make([]byte, 256), Identity: d.identity.Public(), Device: first.Sign(d.identity),
	}}})
	return err
}
