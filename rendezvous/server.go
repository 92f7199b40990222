package rendezvous

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"github.com/tryst-chat/tryst/rendezvous/attach"
	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/clock"
	"github.com/tryst-chat/tryst/rendezvous/cluster"
	"github.com/tryst-chat/tryst/rendezvous/presence"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/terms"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Server is one rendezvous server.
type Server struct {
	// Immutable after New.
	cfg         Config
	log         *slog.Logger
	host        host.Host
	cluster     *cluster.Cluster
	presence    *presence.Gossip
	attachment  *attach.Attachment
	auth        *auth.Server
	mint        *terms.Mint
	hub         *hub
	metrics     *metrics
	refused     refusals
	certificate record.Certificate // its own
	http        net.Listener       // nil: no metrics
	admin       net.Listener       // for the operator on this machine

	guesses guesses
	allowed allowances
	bench   bench
	streams chan incoming // from libp2p's goroutines to Run's
	stopped chan struct{} // closed when Run takes no more streams
	leaving chan struct{} // closed when the drain begins
	drained sync.Once
	roster  roster
	clocks  clocks
	moved   chan struct{} // the members may have changed; holds one
	leave   sync.Once
	left    chan error // one: this server was taken out, on its operator's word; or what came in between
}

// incoming is a stream and what serves it.
type incoming struct {
	stream network.Stream
	serve  func(context.Context, network.Stream)
}

// New opens the server's state and its sockets. Nothing is answered before Run,
// which must follow, or Close.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.complete(time.Now())
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:     cfg,
		log:     cfg.Logger.With("server", cfg.Server.Name),
		auth:    auth.NewServer(cfg.Server.Secrets),
		mint:    terms.NewMint(cfg.Server.Secrets.ChallengeKey()),
		guesses: guesses{limiter: auth.NewLimiter()},
		allowed: newAllowances(cfg.adjust),
		bench:   newBench(),
		refused: newRefusals(),
		streams: make(chan incoming),
		stopped: make(chan struct{}),
		leaving: make(chan struct{}),
		moved:   make(chan struct{}, 1),
		left:    make(chan error, 1),
	}
	s.hub = newHub(s.seenBy)
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open assembles the parts. Sockets come last: handlers are registered before
// anybody can call.
func (s *Server) open() (err error) {
	if err := s.cfg.remembers(); err != nil {
		return err
	}
	if s.host, err = newHost(s.cfg, s.refused); err != nil {
		return err
	}
	// complete has verified it.
	if s.certificate, err = record.VerifyCertificate(s.cfg.Server.Certificate, s.cfg.Server.ClusterKey, time.Now()); err != nil {
		return fmt.Errorf("rendezvous: this server's certificate: %w", err)
	}
	s.warnOfExpiry(time.Now())
	var members []cluster.Server
	for _, m := range s.first() {
		members = append(members, m.Server)
	}
	s.cluster, err = cluster.New(cluster.Config{
		Host: s.host, Dir: s.cfg.Dir, Servers: members, Bootstrap: !s.cfg.Server.Joins,
		Logger: s.log, OnApply: s.hub.changed, OnMembers: s.membersMoved, Vouched: s.vouchFor, Free: s.free,
	})
	if err != nil {
		return err
	}
	s.presence, err = presence.New(presence.Config{Host: s.host, Changed: s.hub.present, Logger: s.log})
	if err != nil {
		return err
	}
	if err := s.meet(); err != nil {
		return err
	}
	s.attachment, err = attach.New(attach.Config{
		Host: s.host, Balancers: s.cfg.Server.Balancers, Certificate: s.cfg.Server.Certificate,
		Advertise: s.cfg.Advertise, Ready: s.Ready, Logger: s.log,
	})
	if err != nil {
		return err
	}
	s.metrics = s.newMetrics()
	if s.http, err = listenHTTP(s.cfg.MetricsListen); err != nil {
		return fmt.Errorf("rendezvous: metrics: %w", err)
	}
	if s.admin, err = listenAdmin(s.cfg.Dir); err != nil {
		return err
	}
	s.handle(wire.Rendezvous, s.serve)
	s.handle(wire.Beat, s.serveBeat)
	s.handle(wire.Servers, s.serveMembers)
	if err := s.host.Network().Listen(s.cfg.Listen...); err != nil {
		return fmt.Errorf("rendezvous: listen: %w", err)
	}
	return nil
}

// warnOfExpiry tells the operator in time that nodes will refuse this server.
func (s *Server) warnOfExpiry(now time.Time) {
	if now.Add(expiryNotice).After(s.certificate.Until) {
		s.log.Warn("this server's certificate is about to expire; renew it", "within", expiryNotice)
	}
}

// handle brings the streams of a protocol to Run, which owns all goroutines
// that serve.
func (s *Server) handle(id protocol.ID, serve func(context.Context, network.Stream)) {
	s.host.SetStreamHandler(id, func(stream network.Stream) {
		select {
		case s.streams <- incoming{stream, serve}:
		case <-s.stopped:
			stream.Reset()
		}
	})
}

// Name returns what the operator calls this server.
func (s *Server) Name() string { return s.cfg.Server.Name }

// ID returns the server's peer ID.
func (s *Server) ID() peer.ID { return s.host.ID() }

// Addresses returns where the server listens, each ending in /p2p/ID.
func (s *Server) Addresses() []ma.Multiaddr {
	listening, err := s.host.Network().InterfaceListenAddresses()
	if err != nil {
		return nil
	}
	listening = slices.DeleteFunc(listening, func(addr ma.Multiaddr) bool {
		_, err := addr.ValueForProtocol(ma.P_CIRCUIT)
		return err == nil // the circuit transport's own name for itself
	})
	whole, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: s.host.ID(), Addrs: listening})
	if err != nil {
		return nil
	}
	return whole
}

// MetricsAddr returns the operator's address (host:port), empty for none.
func (s *Server) MetricsAddr() string {
	if s.http == nil {
		return ""
	}
	return s.http.Addr().String()
}

// Ready reports whether the server takes new nodes: it has a leader, has caught
// up, is not leaving, and its clock is not wrong.
func (s *Server) Ready() bool {
	return !s.isLeaving() && s.clocks.now().State != clock.Wrong && s.cluster.Ready()
}

func (s *Server) isLeaving() bool {
	select {
	case <-s.leaving:
		return true
	default:
		return false
	}
}

// Run serves until ctx ends. Then it sends its nodes away, hands over the
// leadership, and returns when all has ended. It returns earlier with an error
// if the state can not be written any more, or its clock is wrong. The Server is
// closed afterwards.
func (s *Server) Run(ctx context.Context) error {
	defer s.close()
	// Two lives beside ctx's: the front serves nodes until they were sent away,
	// the back outlives it, since whoever serves still asks the directory.
	front, stopFront := context.WithCancel(context.WithoutCancel(ctx))
	back, stopBack := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFront()
	defer stopBack()
	failed := make(chan error, 1)
	go func() {
		failed <- s.cluster.Run(back)
		stopFront()
	}()
	stop := context.AfterFunc(ctx, func() {
		s.drain(front)
		stopFront()
	})
	defer stop()
	err := s.runFront(front)
	stopBack()
	return errors.Join(err, <-failed)
}

// runFront runs all that serves or depends on the directory.
func (s *Server) runFront(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.attachment.Run(ctx) })
	group.Go(func() error { return s.presence.Run(ctx) })
	group.Go(func() error { return s.keepIntroduced(ctx) })
	group.Go(func() error { return s.keepMembership(ctx) })
	group.Go(func() error { return s.keepRoom(ctx) })
	group.Go(func() error { return s.awaitLeave(ctx) })
	group.Go(func() error { return s.serveHTTP(ctx) })
	group.Go(func() error { return s.serveAdmin(ctx) })
	group.Go(func() error { s.serveStreams(ctx); return nil })
	if err := group.Wait(); !errors.Is(err, errLeft) {
		return err
	}
	return nil
}

// errLeft ends a server that has left the cluster, in good order.
var errLeft = errors.New("rendezvous: this server has left the cluster")

// awaitLeave returns when ctx ends, or with an error when the server has left.
func (s *Server) awaitLeave(ctx context.Context) error {
	select {
	case err := <-s.left:
		return cmp.Or(err, errLeft)
	case <-ctx.Done():
		return nil
	}
}

func (s *Server) membersMoved() {
	select {
	case s.moved <- struct{}{}:
	default: // keepMembership has yet to look
	}
}

// serveStreams serves each stream in a goroutine of its own, and returns when
// all of them have ended.
func (s *Server) serveStreams(ctx context.Context) {
	var serving sync.WaitGroup
	defer serving.Wait()
	defer close(s.stopped)
	for {
		select {
		case in := <-s.streams:
			serving.Go(func() { in.serve(ctx, in.stream) })
		case <-ctx.Done():
			return
		}
	}
}

// drain tells every node to find another server, and waits until they have
// gone, for at most drainTimeout.
func (s *Server) drain(ctx context.Context) {
	first := false
	s.drained.Do(func() { first = true; close(s.leaving) })
	if !first {
		return // by Leave
	}
	s.log.Info("leaving", "sessions", s.hub.len())
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	const look = 10 * time.Millisecond
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for s.hub.len() > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close closes what New opened, for when Run is never called.
func (s *Server) Close() error {
	err := s.close()
	if s.cluster != nil {
		err = errors.Join(err, s.cluster.Close())
	}
	return err
}

// close closes the sockets; the cluster's Run has closed the rest.
func (s *Server) close() error {
	if s.http != nil {
		s.http.Close() // an error only says that it is closed
	}
	if s.admin != nil {
		s.admin.Close()
	}
	if s.host == nil {
		return nil
	}
	return s.closeHost()
}

// closeHost waits, within a bound, for whoever still serves a stream.
func (s *Server) closeHost() error {
	closed := make(chan error, 1)
	go func() { closed <- s.host.Close() }()
	timer := time.NewTimer(hostTimeout)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-timer.C:
		return fmt.Errorf("rendezvous: connections are still open after %v", hostTimeout)
	}
}
