package rendezvous_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	lprecord "github.com/libp2p/go-libp2p/core/record"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/provision"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// logger shows logs when TRYST_TEST_LOG is set.
func logger() *slog.Logger {
	if os.Getenv("TRYST_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// world is a cluster of real servers, with an introducer in the balancer's
// place: package balancer has tests of its own, and no server knows it.
type world struct {
	testing.TB
	made    provision.Cluster
	servers []*rendezvous.Server
	stops   []func()
	// configure changes each server's configuration.
	configure func(rendezvous.Config) rendezvous.Config
	disk      atomic.Pointer[rendezvous.Disk] // of all servers; nil: empty
	*introducer
}

func newWorld(t testing.TB, servers int) *world {
	t.Helper()
	return newWorldOf(t, servers, func(c rendezvous.Config) rendezvous.Config { return c })
}

// newWorldOf is newWorld with servers that are configured otherwise.
func newWorldOf(t testing.TB, servers int, configure func(rendezvous.Config) rendezvous.Config) *world {
	t.Helper()
	plan := provision.Plan{Dir: t.TempDir()}
	for i := range servers {
		plan.Servers = append(plan.Servers, provision.Machine{
			Name: fmt.Sprintf("s%d", i+1), Addresses: []ma.Multiaddr{harness.Address(t)},
		})
	}
	made, err := provision.Init(plan, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, made: made, configure: configure, servers: make([]*rendezvous.Server, servers), stops: make([]func(), servers)}
	for i := range servers {
		w.start(i)
	}
	w.introducer = newIntroducer(t, w.made)
	for _, s := range w.servers {
		harness.Await(t, "a server that is ready", s.Ready)
	}
	return w
}

// start starts a server, again if it was stopped.
func (w *world) start(i int) {
	w.Helper()
	cfg, err := rendezvous.LoadDir(w.made.Servers[i].Dir)
	if err != nil {
		w.Fatal(err)
	}
	cfg.Logger = logger()
	cfg.Disk = func(string) (rendezvous.Disk, error) {
		if disk := w.disk.Load(); disk != nil {
			return *disk, nil
		}
		return rendezvous.Disk{}, nil
	}
	s, err := rendezvous.New(w.configure(cfg))
	if err != nil {
		w.Fatal(err)
	}
	w.servers[i], w.stops[i] = s, harness.Run(w, s.Run)
}

func newHost(t testing.TB, k directorytest.Key, listen bool) host.Host {
	t.Helper()
	private, err := crypto.UnmarshalEd25519PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	options := []libp2p.Option{libp2p.Identity(private), libp2p.Transport(tcp.NewTCPTransport), libp2p.DisableMetrics(), libp2p.NoListenAddrs}
	if listen {
		options[len(options)-1] = libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0")
	}
	h, err := libp2p.New(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// node is a device with a client that runs.
type node struct {
	testing.TB
	*client.Client
	key      directorytest.Key
	host     host.Host
	account  record.Account
	identity directorytest.Key
	stop     func()
}

// node makes a device; the link comes up on its own.
func (w *world) node() *node {
	w.Helper()
	return w.nodeWith(directorytest.NewKey())
}

// nodeWith makes a device of a key.
func (w *world) nodeWith(key directorytest.Key) *node {
	w.Helper()
	n := &node{TB: w.TB, key: key}
	n.host = newHost(w, n.key, false)
	var err error
	n.Client, err = client.New(client.Config{
		Host: n.host, ClusterKey: w.made.Key, Logger: logger(),
		Balancers: []peer.AddrInfo{{ID: w.host.ID(), Addrs: w.host.Addrs()}},
	})
	if err != nil {
		w.Fatal(err)
	}
	n.stop = harness.Run(w, n.Run)
	return n
}

// nodeAt makes a device that is linked to a certain server.
func (w *world) nodeAt(server int) *node {
	w.Helper()
	w.prefer(server)
	n := w.node()
	if linked := next[client.Linked](n); linked.Server != w.made.Servers[server].Name {
		w.Fatalf("linked to %s", linked.Server)
	}
	return n
}

const password = "correct horse battery staple"

// enrol signs up; the vault holds the identity key's seed in the clear, since
// what it is sealed with is the node's affair.
func (n *node) enrol(ctx context.Context, name, roll string) error {
	account, err := n.SignUp(ctx, name, roll, []byte(password), func(account record.Account, _ auth.ExportKey) (client.Enrolment, error) {
		n.identity = directorytest.NewKey()
		log := record.NewDeviceLog(account, n.identity.Public())
		return client.Enrolment{
			Vault:    ed25519.PrivateKey(n.identity).Seed(),
			Identity: n.identity.Public(),
			Device:   log.Next(record.AddDevice, n.host.ID(), "first", time.Now()).Sign(n.identity),
		}, nil
	})
	n.account = account
	return err
}

// anyRecord is a well-formed OPAQUE record that no password opens, for those
// who never log in: a true one costs half a second of Argon2id.
var anyRecord = sync.OnceValues(func() ([]byte, error) {
	registration, request, err := auth.RegistrationStart([]byte(password))
	if err != nil {
		return nil, err
	}
	response, err := auth.NewServer(auth.NewSecrets()).RegistrationResponse("anybody1", request)
	if err != nil {
		return nil, err
	}
	opaqueRecord, _, err := registration.Finish(response, "anybody1")
	return opaqueRecord, err
})

// member makes a device that is linked to a server and signed up there, as
// name and roll number 1.
func (w *world) member(server int, name string) *node {
	w.Helper()
	n := w.nodeAt(server)
	account, err := record.NewAccount(name, "1")
	if err != nil {
		w.Fatal(err)
	}
	opaqueRecord, err := anyRecord()
	if err != nil {
		w.Fatal(err)
	}
	n.account, n.identity = account, directorytest.NewKey()
	first := record.NewDeviceLog(account, n.identity.Public()).Next(record.AddDevice, n.host.ID(), "first", time.Now())
	_, err = exchange(harness.Within(w), n.host, w.servers[server].ID(), &pb.Request{Kind: &pb.Request_SignUp{SignUp: &pb.SignUp{
		Name: name, Roll: "1", OpaqueRecord: opaqueRecord, Identity: n.identity.Public(), Device: first.Sign(n.identity),
	}}})
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// add adds a device to an account with the identity key in hand.
func (n *node) add(ctx context.Context, second *node) error {
	found, err := n.LookUp(ctx, n.account)
	if err != nil {
		return err
	}
	second.account, second.identity = n.account, n.identity
	entry := found.Log.Next(record.AddDevice, second.host.ID(), "another", time.Now())
	return second.AppendDevice(ctx, n.account, entry.Sign(n.identity))
}

// login logs a device in to an account, as a node does.
func (n *node) login(ctx context.Context, account record.Account) error {
	found, err := n.Login(ctx, account, []byte(password))
	if err != nil {
		return err
	}
	n.account, n.identity = account, directorytest.Key(ed25519.NewKeyFromSeed(found.Vault))
	entry := found.Account.Log.Next(record.AddDevice, n.host.ID(), "another", time.Now())
	return n.AppendDevice(ctx, account, entry.Sign(n.identity))
}

// next waits for a notice of one type, passing over others.
func next[N client.Notice](n *node) N {
	n.Helper()
	after := time.After(harness.Timeout)
	for {
		select {
		case notice, open := <-n.Notices():
			if found, ok := notice.(N); ok {
				return found
			}
			if !open {
				n.Fatalf("the notices ended before a %T", *new(N))
			}
		case <-after:
			n.Fatalf("there never was a %T", *new(N))
		}
	}
}

// hear is next for what may be missed while a node finds another server, as it
// does where the machine is too busy for beats: then there is a Resync in its
// place, and told is false.
func hear[N client.Notice](n *node) (notice N, told bool) {
	n.Helper()
	after := time.After(harness.Timeout)
	for {
		select {
		case notice := <-n.Notices():
			switch found := notice.(type) {
			case N:
				return found, true
			case client.Resync:
				return *new(N), false
			}
		case <-after:
			n.Fatalf("there never was a %T", *new(N))
		}
	}
}

// whereabouts is a signed peer record with some address.
func (n *node) whereabouts(seq uint64) []byte {
	n.Helper()
	r := &peer.PeerRecord{PeerID: n.host.ID(), Seq: seq, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/192.0.2.7/tcp/4242")}}
	private, err := crypto.UnmarshalEd25519PrivateKey(n.key)
	if err != nil {
		n.Fatal(err)
	}
	envelope, err := lprecord.Seal(r, private)
	if err != nil {
		n.Fatal(err)
	}
	signed, err := envelope.Marshal()
	if err != nil {
		n.Fatal(err)
	}
	return signed
}

// student is a device that signs up without a client.
type student struct {
	key  directorytest.Key
	host host.Host
	name string
}

func newStudent(t testing.TB, name string) student {
	key := directorytest.NewKey()
	return student{key, newHost(t, key, false), name}
}

func (p student) signUp(opaqueRecord []byte) *pb.Request {
	account, err := record.NewAccount(p.name, "1")
	if err != nil {
		panic(err) // the names here are names
	}
	identity := directorytest.NewKey()
	first := record.NewDeviceLog(account, identity.Public()).Next(record.AddDevice, p.host.ID(), "first", time.Now())
	return &pb.Request{Kind: &pb.Request_SignUp{SignUp: &pb.SignUp{
		Name: p.name, Roll: "1", OpaqueRecord: opaqueRecord, Identity: identity.Public(), Device: first.Sign(identity),
	}}}
}
