package rendezvous

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// publishKeys takes the keys of the device that asks, and of no other.
func (s *Server) publishKeys(ctx context.Context, c caller, m *pb.PublishKeys) (*pb.Response, error) {
	return s.propose(ctx, c, directory.PublishKeys(c.account, c.device, m.GetBundle(), m.GetOneTime()...))
}

// beginGeneration counts a start of the device that asks, and of no other.
func (s *Server) beginGeneration(ctx context.Context, c caller, m *pb.BeginGeneration) (*pb.Response, error) {
	value, index, err := s.change(ctx, c, directory.BeginGeneration(
		c.account, c.device, m.GetGeneration(), m.GetToken(), m.GetRenew()))
	if err != nil {
		return nil, err
	}
	g, err := directory.ParseGeneration(value)
	if err != nil {
		return nil, err
	}
	return &pb.Response{Index: index, Kind: &pb.Response_Generation{Generation: &pb.Generation{
		Generation: g.Number, HighestPrekey: g.HighestPrekey, Stepped: g.Stepped,
	}}}, nil
}

// takeKeys counts each one-time prekey that it hands out. Whoever has had enough of a
// device is told to wait, rather than given its last-resort prekey: a node that begins
// sessions without end has lost something.
func (s *Server) takeKeys(ctx context.Context, c caller, m *pb.TakeKeys) (*pb.Response, error) {
	account, err := record.ParseAccount(m.GetAccount())
	if err != nil {
		return nil, badRequest(err)
	}
	if len(m.GetDevices()) == 0 || len(m.GetDevices()) > record.MaxDevices {
		return nil, wire.ErrBadRequest
	}
	var wanted []peer.ID
	for _, raw := range m.GetDevices() {
		device, err := peer.IDFromBytes(raw)
		if err != nil {
			return nil, badRequest(err)
		}
		wanted = append(wanted, device)
	}
	for i, device := range wanted {
		if err := s.allowed.prekeys.take(pair{c.account, device}, 1); err != nil {
			s.giveBack(c, wanted[:i])
			return nil, err
		}
	}
	value, index, err := s.change(ctx, c, directory.TakeKeys(account, wanted))
	if err != nil {
		if outcomeKnown(err) {
			s.giveBack(c, wanted)
		}
		return nil, err
	}
	taken, err := directory.ParseTakenKeys(value)
	if err != nil {
		return nil, err
	}
	keys := &pb.KeyBundles{}
	for _, k := range taken {
		if k.OneTime == nil {
			s.giveBack(c, []peer.ID{k.Device})
		}
		keys.Devices = append(keys.Devices, &pb.DeviceKeys{
			Device: []byte(k.Device), Bundle: k.Bundle, OneTime: k.OneTime, OneTimeLeft: uint32(k.Left),
		})
	}
	return &pb.Response{Index: index, Kind: &pb.Response_Keys{Keys: keys}}, nil
}

// giveBack gives an account back what it paid for prekeys that it did not get.
func (s *Server) giveBack(c caller, devices []peer.ID) {
	for _, device := range devices {
		s.allowed.prekeys.give(pair{c.account, device}, 1)
	}
}
