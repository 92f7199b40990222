package balancer

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// backend is one server that stands behind the balancer. It does not change.
type backend struct {
	certificate record.Certificate
	signed      []byte   // the certificate as it goes to clients
	addrs       [][]byte // direct multiaddrs; none means circuit only
}

// serveBackend keeps a server in the pool for as long as its stream beats.
func (b *Balancer) serveBackend(s network.Stream) error {
	id := s.Conn().RemotePeer()
	frames := wire.NewReader(s, wire.MaxBalancer)
	var hello pb.Backend
	if err := b.nextBeat(s, frames, &hello); err != nil {
		return err
	}
	server, err := b.verify(id, &hello)
	if err != nil {
		b.cfg.Logger.Warn("refused a server", "server", id, "err", err)
		// The answer must be on its way before a reset could overtake it.
		return wire.WriteFrame(s, &pb.BackendReply{Error: wire.ToWire(err)})
	}
	if err := b.admit(server, hello.GetReady()); err != nil {
		return wire.WriteFrame(s, &pb.BackendReply{Error: wire.ToWire(fmt.Errorf("%w: %w", wire.ErrFull, err))})
	}
	b.cfg.Logger.Info("server stands behind this balancer", "server", id, "name", server.certificate.Name)

	err = b.follow(s, frames, server)
	if b.dismiss(server) {
		b.cfg.Logger.Info("server is gone", "server", id, "name", server.certificate.Name, "err", err)
		if err != nil {
			// A frozen server holds its clients' circuits without a sign; with
			// the connection gone they notice and ask for another.
			b.host.Network().ClosePeer(id)
		}
	}
	return err
}

// follow answers beats until the server leaves (nil) or falls silent.
func (b *Balancer) follow(s network.Stream, frames *wire.Reader, server *backend) error {
	if err := wire.WriteFrame(s, &pb.BackendReply{}); err != nil {
		return fmt.Errorf("balancer: reply: %w", err)
	}
	for {
		var beat pb.Backend
		err := b.nextBeat(s, frames, &beat)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !time.Now().Before(server.certificate.Until) {
			return wire.WriteFrame(s, &pb.BackendReply{Error: wire.ToWire(refused(record.ErrExpired))})
		}
		b.setReady(server, beat.GetReady())
		if err := wire.WriteFrame(s, &pb.BackendReply{}); err != nil {
			return fmt.Errorf("balancer: reply: %w", err)
		}
	}
}

// nextBeat reads a frame and leaves BeatTimeout for it. The deadline holds for
// the reply too.
func (b *Balancer) nextBeat(s network.Stream, frames *wire.Reader, m *pb.Backend) error {
	if err := s.SetDeadline(time.Now().Add(b.cfg.BeatTimeout)); err != nil {
		return fmt.Errorf("balancer: beat: %w", err)
	}
	if err := frames.Read(m); err != nil {
		return fmt.Errorf("balancer: beat: %w", err)
	}
	return nil
}

// verify checks a server's first frame: the certificate is of this cluster, of
// this time and of the peer at the other end.
func (b *Balancer) verify(id peer.ID, hello *pb.Backend) (*backend, error) {
	certificate, err := record.VerifyCertificate(hello.GetCertificate(), b.cfg.ClusterKey, time.Now())
	if err != nil {
		return nil, refused(err)
	}
	if certificate.Server != id {
		return nil, refused(errors.New("the certificate is another server's"))
	}
	addrs := hello.GetAddresses()
	if len(addrs) > maxAddrs {
		return nil, refused(fmt.Errorf("%d addresses, at most %d", len(addrs), maxAddrs))
	}
	for _, raw := range addrs {
		if _, err := ma.NewMultiaddrBytes(raw); err != nil || len(raw) > maxAddrSize {
			return nil, refused(errors.New("an advertised address is not one"))
		}
	}
	return &backend{certificate: certificate, signed: hello.GetCertificate(), addrs: addrs}, nil
}

func refused(err error) error { return fmt.Errorf("%w: %w", wire.ErrRefused, err) }

// admit puts a server into the pool. A stream that stood for it before is
// superseded: its end means nothing any more.
func (b *Balancer) admit(server *backend, ready bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := server.certificate.Server
	if err := b.pool.ServerUp(id, ready); err != nil {
		return err
	}
	b.backends[id] = server
	b.host.ConnManager().Protect(id, protectTag)
	return nil
}

// setReady passes on what the server says of itself, unless a newer stream
// speaks for it.
func (b *Balancer) setReady(server *backend, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id := server.certificate.Server; b.backends[id] == server {
		b.pool.ServerReady(id, ready)
	}
}

// dismiss takes a server out of the pool; false means that a newer stream
// stands for it.
func (b *Balancer) dismiss(server *backend) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := server.certificate.Server
	if b.backends[id] != server {
		return false
	}
	delete(b.backends, id)
	b.pool.ServerDown(id)
	b.host.ConnManager().Unprotect(id, protectTag)
	return true
}

const protectTag = "tryst server"
