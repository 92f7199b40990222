package transport

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/tryst-chat/tryst/node/wire"
)

// A libp2p host has one connection to a peer; it will not dial a second. A file
// therefore comes over a small host of its own, with a key drawn for this
// transfer. So that the serving side knows whom it serves, the first thing on the
// stream is a ticket: the device key's signature that this fresh peer ID fetches
// for the device from that server. It is of no use to anybody who has not got the
// fresh key, nor at any other server.
//
//	ticket = u8 length of peer ID || device's peer ID || signature[64]
//	signature = Ed25519(device key, label || server's peer ID || fresh peer ID)

// ownFile is wire.File over a connection of its own: a ticket comes first.
const ownFile protocol.ID = wire.File + "/own"

const ticketLabel = "tryst file connection 1"

// errTicket is returned for a ticket that does not verify.
var errTicket = errors.New("transport: wrong ticket")

func ticketBody(server, fresh peer.ID) []byte {
	return []byte(ticketLabel + string(server) + string(fresh))
}

func makeTicket(device crypto.PrivKey, self, server, fresh peer.ID) ([]byte, error) {
	signature, err := device.Sign(ticketBody(server, fresh))
	if err != nil {
		return nil, fmt.Errorf("sign ticket: %w", err)
	}
	ticket := append([]byte{byte(len(self))}, self...)
	return append(ticket, signature...), nil
}

// readTicket reads and checks a ticket, and returns the device that it is for.
func readTicket(r io.Reader, server, fresh peer.ID) (peer.ID, error) {
	var size [1]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return "", fmt.Errorf("read ticket: %w", err)
	}
	rest := make([]byte, int(size[0])+ed25519.SignatureSize)
	if _, err := io.ReadFull(r, rest); err != nil {
		return "", fmt.Errorf("read ticket: %w", err)
	}
	device, err := peer.IDFromBytes(rest[:size[0]])
	if err != nil {
		return "", fmt.Errorf("%w: %w", errTicket, err)
	}
	public, err := device.ExtractPublicKey()
	if err != nil {
		return "", fmt.Errorf("%w: %w", errTicket, err)
	}
	if ok, err := public.Verify(ticketBody(server, fresh), rest[size[0]:]); err != nil || !ok {
		return "", errTicket
	}
	return device, nil
}

// openOwn opens a file stream to a peer over a new connection, which release
// closes.
func (h *Host) openOwn(ctx context.Context, to peer.ID) (s network.Stream, release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, filePatience)
	defer cancel()
	small, err := newFileHost()
	if err != nil {
		return nil, nil, fmt.Errorf("start: %w", err)
	}
	defer func() {
		if err != nil {
			_ = small.Close()
		}
	}()
	if err := small.Connect(ctx, peer.AddrInfo{ID: to, Addrs: h.host.Peerstore().Addrs(to)}); err != nil {
		return nil, nil, err
	}
	s, err = small.NewStream(network.WithAllowLimitedConn(ctx, "files"), to, ownFile)
	if err != nil {
		return nil, nil, err
	}
	ticket, err := makeTicket(h.key, h.host.ID(), to, small.ID())
	if err != nil {
		return nil, nil, err
	}
	_ = s.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := s.Write(ticket); err != nil {
		return nil, nil, fmt.Errorf("show ticket: %w", err)
	}
	return s, func() { _ = small.Close() }, nil
}

// newFileHost makes a host that only dials.
func newFileHost() (host.Host, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	return libp2p.New(
		libp2p.Identity(key),
		libp2p.NoListenAddrs,
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(libp2pquic.NewTransport),
		libp2p.EnableRelay(),
		libp2p.SwarmOpts(swarm.WithDialRanker(rankTCPFirst)),
		libp2p.ResourceManager(&network.NullResourceManager{}), // one connection, one stream
		libp2p.UserAgent(userAgent),
		libp2p.Ping(false),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
	)
}

// handleOwnFile serves a file stream that shows a ticket.
func (h *Host) handleOwnFile(s network.Stream) {
	_ = s.SetReadDeadline(time.Now().Add(wire.HelloTimeout))
	device, err := readTicket(s, h.host.ID(), s.Conn().RemotePeer())
	if err != nil {
		h.log.Debug("file stream refused", "peer", s.Conn().RemotePeer(), "err", err)
		_ = s.Reset()
		return
	}
	h.serveFile(s, device)
}
