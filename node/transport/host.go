package transport

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/node/wire"
)

// ErrClosed is returned by a Host, or what hangs on it, that has been closed.
var ErrClosed = errors.New("transport: closed")

// ErrPortTaken is returned by New when something else listens on Config.ListenPort.
var ErrPortTaken = errors.New("transport: the port is taken")

// Config says how a Host is made.
type Config struct {
	// Key is the device key. Its public half is the host's peer ID.
	Key ed25519.PrivateKey
	// ListenPort is the port for TCP and for QUIC; 0 takes any free ones.
	ListenPort int
	// LoopbackOnly listens on 127.0.0.1 alone: everybody is on this machine.
	LoopbackOnly bool
	// NoListen opens no port: others reach the host over circuits only.
	NoListen bool
	// Logger receives what an operator would want to know: peer IDs and errors,
	// no names. Default: nothing is logged.
	Logger *slog.Logger
}

func (c *Config) validate() error {
	if len(c.Key) != ed25519.PrivateKeySize {
		return errors.New("transport: Config.Key is not an Ed25519 private key")
	}
	if c.ListenPort < 0 || c.ListenPort > 65535 {
		return fmt.Errorf("transport: Config.ListenPort %d is not a port", c.ListenPort)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// listen returns the addresses to listen on, TCP first. On all interfaces where
// not told otherwise; a machine without IPv6 just does not get that one.
func (c *Config) listen() []multiaddr.Multiaddr {
	if c.NoListen {
		return nil
	}
	hosts := []string{"/ip4/0.0.0.0", "/ip6/::"}
	if c.LoopbackOnly {
		hosts = []string{"/ip4/127.0.0.1"}
	}
	var out []multiaddr.Multiaddr
	for _, format := range []string{"%s/tcp/%d", "%s/udp/%d/quic-v1"} {
		for _, h := range hosts {
			out = append(out, multiaddr.StringCast(fmt.Sprintf(format, h, c.ListenPort)))
		}
	}
	return out
}

// Host is a device on the network. Its methods may be called from any
// goroutine.
type Host struct {
	// Immutable.
	log    *slog.Logger
	key    crypto.PrivKey
	host   host.Host
	door   *door
	events chan PeerEvent
	conns  event.Subscription // what events is fed from
	done   chan struct{}      // closed by Close

	// running counts the goroutines that Close waits for.
	running sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	receiver Receiver     // nil until Messages
	hello    func() Hello // nil until Messages
	serve    FileServer   // nil until ServeFiles
	syncs    SyncServer   // nil until ServeSync
	links    map[peer.ID]*opening
	inbound  map[peer.ID]*inboundStream
	serving  map[serving]int
	circuits []multiaddr.Multiaddr
}

// New starts a host: it listens and can be dialled. Streams of peers are refused
// until Messages, ServeFiles, ServeSync and StartTopics say what to do with them.
func New(cfg Config) (*Host, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	key, err := crypto.UnmarshalEd25519PrivateKey(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("transport: device key: %w", err)
	}
	at := new(door)
	base, err := newLibp2p(key, at)
	if err != nil {
		return nil, fmt.Errorf("transport: start: %w", err)
	}
	h := &Host{
		log: cfg.Logger, key: key, host: base, door: at,
		events: make(chan PeerEvent), done: make(chan struct{}),
		links:   make(map[peer.ID]*opening),
		inbound: make(map[peer.ID]*inboundStream),
		serving: make(map[serving]int),
	}
	// Handlers stand before the host listens, so that identify announces them
	// from the first connection on.
	base.SetStreamHandler(wire.Message, h.handleMessages)
	base.SetStreamHandler(wire.File, h.handleFile)
	base.SetStreamHandler(ownFile, h.handleOwnFile)
	base.SetStreamHandler(wire.GroupSync, h.handleSync)
	if err := h.watchPeers(); err != nil {
		return nil, errors.Join(fmt.Errorf("transport: watch peers: %w", err), base.Close())
	}
	if err := base.Network().Listen(cfg.listen()...); err != nil {
		if cfg.ListenPort != 0 {
			err = fmt.Errorf("%w: %w", ErrPortTaken, err)
		}
		return nil, errors.Join(fmt.Errorf("transport: listen: %w", err), h.Close())
	}
	if err := cfg.missed(base.Network().ListenAddresses()); err != nil {
		return nil, errors.Join(fmt.Errorf("transport: listen: %w", err), h.Close())
	}
	return h, nil
}

// missed returns an error if one of the IPv4 addresses to listen on is not among
// those that the host does: libp2p is content with any.
func (c *Config) missed(listening []multiaddr.Multiaddr) error {
	if c.ListenPort == 0 {
		return nil
	}
	for _, want := range c.listen() {
		if _, err := want.ValueForProtocol(multiaddr.P_IP4); err != nil {
			continue // a machine may have no IPv6
		}
		if !slices.ContainsFunc(listening, want.Equal) {
			return ErrPortTaken
		}
	}
	return nil
}

// newLibp2p makes a host with the two transports that nodes speak. It does not
// listen yet.
func newLibp2p(key crypto.PrivKey, at *door) (host.Host, error) {
	resources, err := newResourceManager()
	if err != nil {
		return nil, err
	}
	conns, err := connmgr.NewConnManager(connsLow, connsHigh, connmgr.WithGracePeriod(connsGrace))
	if err != nil {
		return nil, errors.Join(err, resources.Close())
	}
	return libp2p.New(
		libp2p.Identity(key),
		libp2p.NoListenAddrs,
		// Listed one by one: the default set pulls in WebRTC and WebTransport.
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(libp2pquic.NewTransport),
		// Noise first: TLS, as libp2p has it, ends where clocks are more than an hour apart,
		// which those of people's machines are.
		libp2p.Security(noise.ID, noise.New),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.EnableRelay(), // circuits; NoListenAddrs would turn them off
		libp2p.EnableHolePunching(),
		libp2p.SwarmOpts(swarm.WithDialRanker(rankTCPFirst)),
		libp2p.ConnectionGater(at),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(conns),
		libp2p.UserAgent(userAgent),
		libp2p.Ping(false), // message streams show who is alive
		libp2p.DisableMetrics(),
	)
}

// userAgent is what identify shows to everybody: that it is a node, and not
// which version.
const userAgent = "tryst"

// Close ends everything and waits for it: streams are reset, links fail, no
// Receiver or server of requests runs any more. Topics must have been closed before.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.mu.Unlock()
	close(h.done)
	err := errors.Join(h.conns.Close(), h.host.Close())
	h.running.Wait()
	if err != nil {
		return fmt.Errorf("transport: close: %w", err)
	}
	return nil
}

// start counts a goroutine that Close must wait for; it returns false when the
// host is closed. The goroutine calls h.running.Done.
func (h *Host) start() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.running.Add(1)
	return true
}

// contextUntil returns a context that ends when done is closed, or by cancel.
func contextUntil(done <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-done:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Libp2p returns the host beneath, for protocols that are not this package's.
func (h *Host) Libp2p() host.Host { return h.host }

// ID returns the device's peer ID.
func (h *Host) ID() peer.ID { return h.host.ID() }

// SetCircuits says at which addresses the host is reached over relays. Whoever
// calls it announces a SignedRecord again.
func (h *Host) SetCircuits(addrs []multiaddr.Multiaddr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.circuits = slices.Clone(addrs)
}

// addrs returns where the host is reached, its own addresses first: at most as
// many as others take, with room for the circuits.
func (h *Host) addrs() []multiaddr.Multiaddr {
	h.mu.Lock()
	circuits := h.circuits
	h.mu.Unlock()
	own := h.host.Addrs()
	return slices.Concat(own[:min(len(own), max(maxAddrs-len(circuits), 0))], circuits)
}

// SignedRecord returns the host's addresses, circuits included, as the directory
// takes them: a libp2p envelope (signed by the device key) of a peer record,
// newer than any that was returned before.
func (h *Host) SignedRecord() ([]byte, error) {
	info := peer.AddrInfo{ID: h.host.ID(), Addrs: h.addrs()}
	envelope, err := record.Seal(peer.PeerRecordFromAddrInfo(info), h.key)
	if err != nil {
		return nil, fmt.Errorf("transport: sign addresses: %w", err)
	}
	b, err := envelope.Marshal()
	if err != nil {
		return nil, fmt.Errorf("transport: marshal addresses: %w", err)
	}
	return b, nil
}
