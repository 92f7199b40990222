package crowd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/keys"
)

// A thousand passwords would take minutes of every processor. So the crowd proves one, and
// all its accounts get what the servers keep of it: nobody could log in to them with a
// password, and nobody does, since a device that is entered in an account's log is logged
// in.

// makeRecord registers a password, once.
func (c *crowd) makeRecord(ctx context.Context) (opaque []byte, err error) {
	d, err := c.newDevice()
	if err != nil {
		return nil, err
	}
	defer d.close()
	registration, request, err := auth.RegistrationStart([]byte("a password"))
	if err != nil {
		return nil, fmt.Errorf("crowd: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	resp, err := c.ask(ctx, d, &pb.Request{Kind: &pb.Request_StartRegistration{
		StartRegistration: &pb.StartRegistration{Name: "crowd", Roll: roll, Request: request},
	}})
	if err != nil {
		return nil, fmt.Errorf("crowd: register a password: %w", err)
	}
	account, err := record.NewAccount("crowd", roll)
	if err != nil {
		return nil, fmt.Errorf("crowd: %w", err)
	}
	opaque, _, err = registration.Finish(resp.GetRegistration().GetResponse(), string(account))
	return opaque, err
}

// roll is the roll number of all accounts here.
const roll = "x"

// household is an account of the crowd and its devices.
type household struct {
	account  record.Account
	name     string
	identity keys.Key
	log      record.DeviceLog
}

func newHousehold(number int) (*household, error) {
	h := &household{name: fmt.Sprintf("crowd%d", number), identity: keys.New()}
	var err error
	if h.account, err = record.NewAccount(h.name, roll); err != nil {
		return nil, fmt.Errorf("crowd: %w", err)
	}
	h.log = record.NewDeviceLog(h.account, h.identity.Public())
	return h, nil
}

// enter makes a device one of the household: the first signs up, others are appended.
// Who is told to wait does.
func (c *crowd) enter(ctx context.Context, h *household, d *device) error {
	entry := h.log.Next(record.AddDevice, d.host.ID(), "one of a crowd", time.Now()).Sign(h.identity)
	log, err := h.log.Append(entry)
	if err != nil {
		return fmt.Errorf("crowd: %w", err)
	}
	for {
		if h.log.Len() == 0 {
			_, err = c.ask(ctx, d, &pb.Request{Kind: &pb.Request_SignUp{SignUp: &pb.SignUp{
				Name: h.name, Roll: roll, OpaqueRecord: c.opaque, Identity: h.identity.Public(), Device: entry,
			}}})
		} else {
			err = d.AppendDevice(ctx, h.account, entry)
		}
		switch {
		case err == nil:
			h.log = log
			return nil
		case !errors.Is(err, wire.ErrTooMany) && !errors.Is(err, wire.ErrUnavailable):
			return err
		}
		if !pause(ctx, retry) {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// ask asks the server that a device is linked to: what the client has no call for.
func (c *crowd) ask(ctx context.Context, d *device, request *pb.Request) (*pb.Response, error) {
	select {
	case <-d.linked:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for _, id := range d.host.Network().Peers() {
		if id == c.balancers[0].ID {
			continue
		}
		s, err := d.host.NewStream(network.WithAllowLimitedConn(ctx, "over a balancer"), id, wire.Rendezvous)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", wire.ErrUnavailable, err)
		}
		return exchange(s, request)
	}
	return nil, fmt.Errorf("%w: the link was lost", wire.ErrUnavailable)
}

func exchange(s network.Stream, request proto.Message) (*pb.Response, error) {
	defer s.Reset() // after a Close this does nothing
	if err := s.SetDeadline(time.Now().Add(wire.RequestTimeout)); err != nil {
		return nil, err
	}
	if err := wire.WriteFrame(s, request); err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrUnavailable, err)
	}
	resp := new(pb.Response)
	if err := wire.NewReader(s, wire.MaxResponse).Read(resp); err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrUnavailable, err)
	}
	if err := wire.FromWire(resp.GetError()); err != nil {
		return nil, err
	}
	return resp, s.Close()
}
