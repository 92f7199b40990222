package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

var errNoLeader = errors.New("cluster: no leader")

// outcome is what the leader made of a command.
type outcome struct {
	index   uint64
	value   []byte
	refusal error // a sentinel of package wire: the command was applied to no effect
}

// Propose has a command applied by the cluster and returns its result's value
// and its index in the log. Any server takes it; a follower forwards it to the
// leader.
//
// The error is the command's own (a sentinel of package wire, with the index),
// wire.ErrTooLarge, or wire.ErrUnavailable once ctx has ended without a quorum, or
// this server has known no leader for leaderPatience. After the last the outcome is unknown and the caller may propose the same
// command again, as Propose itself does while ctx lasts: all errors of Raft
// but "not leader" and "not enqueued" leave it open whether the command will be
// applied, and commands are idempotent for that reason.
func (c *Cluster) Propose(ctx context.Context, command []byte) (value []byte, index uint64, err error) {
	switch {
	case len(command) == 0:
		return nil, 0, fmt.Errorf("%w: empty command", wire.ErrBadRequest)
	case len(command) > directory.MaxCommand:
		return nil, 0, fmt.Errorf("%w: command of %d bytes", wire.ErrTooLarge, len(command))
	}
	out, err := c.submit(ctx, command)
	if err != nil {
		return nil, 0, err
	}
	return out.value, out.index, out.refusal
}

// submit brings a command, or without one a barrier, to the leader until one
// has answered, ctx ends, or there has been none for too long.
func (c *Cluster) submit(ctx context.Context, command []byte) (outcome, error) {
	led := time.Now() // when there was last a leader to try
	for {
		out, err := c.attempt(ctx, command)
		switch {
		case err == nil:
			return out, nil
		case !errors.Is(err, errNoLeader):
			led = time.Now()
		case time.Since(led) >= c.cfg.patience:
			return outcome{}, fmt.Errorf("%w: %w", wire.ErrUnavailable, err)
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return outcome{}, fmt.Errorf("%w: %w", wire.ErrUnavailable, err)
		}
	}
}

func (c *Cluster) attempt(ctx context.Context, command []byte) (outcome, error) {
	leader, ok := c.Leader()
	switch {
	case !ok:
		return outcome{}, errNoLeader
	case leader == c.self:
		return c.lead(ctx, command)
	default:
		return c.forward(ctx, leader, command)
	}
}

// lead proposes a command to Raft, which fails unless this server leads. Without
// a command it is a barrier: the index is then that of the last entry applied
// behind it. When ctx ends first, the outcome is unknown.
func (c *Cluster) lead(ctx context.Context, command []byte) (outcome, error) {
	r := c.running()
	if r == nil {
		return outcome{}, errNoLeader
	}
	if len(command) == 0 {
		if err := answer(ctx, r.Barrier(enqueueTimeout)); err != nil {
			return outcome{}, fmt.Errorf("cluster: barrier: %w", err)
		}
		return outcome{index: c.directory.ChangeIndex()}, nil
	}
	future := r.Apply(command, enqueueTimeout)
	if err := answer(ctx, future); err != nil {
		return outcome{}, fmt.Errorf("cluster: propose: %w", err)
	}
	switch response := future.Response().(type) {
	case directory.Result:
		return outcome{future.Index(), response.Value, response.Err}, nil
	case error:
		return outcome{}, response
	default:
		return outcome{}, fmt.Errorf("cluster: propose: response %T", response)
	}
}

// answer waits for what Raft says to something, for as long as ctx lasts. Raft knows no
// such bound: what is in its queue when it is shut down it never answers, and whoever waits
// for that waits for ever. The goroutine does, too, until the process ends, which is then.
func answer(ctx context.Context, future raft.Future) error {
	answered := make(chan error, 1)
	go func() { answered <- future.Error() }()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forward asks the leader to propose.
func (c *Cluster) forward(ctx context.Context, leader peer.ID, command []byte) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	stream, err := c.cfg.Host.NewStream(ctx, leader, wire.Forward)
	if err != nil {
		return outcome{}, fmt.Errorf("cluster: forward: %w", err)
	}
	// Ends the exchange with ctx, and frees the stream in any case.
	stop := context.AfterFunc(ctx, func() { stream.Reset() })
	defer func() { stop(); stream.Reset() }()

	if err := wire.WriteFrame(stream, &pb.Forward{Command: command}); err != nil {
		return outcome{}, fmt.Errorf("cluster: forward: %w", err)
	}
	var reply pb.ForwardReply
	if err := wire.NewReader(stream, wire.MaxResponse).Read(&reply); err != nil {
		return outcome{}, fmt.Errorf("cluster: forward: %w", err)
	}
	refusal := wire.FromWire(reply.GetError())
	if errors.Is(refusal, wire.ErrUnavailable) {
		return outcome{}, fmt.Errorf("cluster: forward: %w", refusal)
	}
	return outcome{reply.GetIndex(), reply.GetResult(), refusal}, nil
}

// serveForward proposes for another server, on a goroutine of libp2p's that ends
// with ctx. It does not forward again: if the leadership has moved the other
// asks anew.
func (c *Cluster) serveForward(ctx context.Context, stream network.Stream) {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout) // the other waits no longer
	defer cancel()
	stop := context.AfterFunc(ctx, func() { stream.Reset() })
	defer stop()
	if !c.member(stream.Conn().RemotePeer()) {
		stream.Reset()
		return
	}
	var request pb.Forward
	if err := wire.NewReader(stream, directory.MaxCommand+frameOverhead).Read(&request); err != nil {
		stream.Reset()
		return
	}
	out, err := c.lead(ctx, request.GetCommand())
	reply := &pb.ForwardReply{Index: out.index, Result: out.value}
	if err != nil {
		reply.Error = wire.ToWire(wire.ErrUnavailable)
	} else if out.refusal != nil {
		reply.Error = wire.ToWire(out.refusal)
	}
	if err := wire.WriteFrame(stream, reply); err != nil {
		stream.Reset()
		return
	}
	stream.Close()
}
