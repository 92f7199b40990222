package client

import (
	"context"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// DeviceKeys is what opens a session with a device. Its signatures are the
// device's.
type DeviceKeys struct {
	Device  peer.ID
	Bundle  record.Bundle
	OneTime *record.OneTimePrekey // nil: none left, use the last-resort prekey
	Left    int                   // one-time prekeys that remain
}

// PublishKeys publishes this device's signed bundle (nil: unchanged) and adds
// signed one-time prekeys. It returns wire.ErrFull above record.MaxPrekeys.
func (c *Client) PublishKeys(ctx context.Context, bundle []byte, oneTime [][]byte) error {
	return c.do(ctx, &pb.Request{Kind: &pb.Request_PublishKeys{PublishKeys: &pb.PublishKeys{Bundle: bundle, OneTime: oneTime}}})
}

// Generation is how often this device has started, as the directory counts.
type Generation struct {
	Number uint64
	// HighestPrekey is the highest ID of a one-time prekey that the device ever
	// published, 0 if there was none.
	HighestPrekey uint32
	// Stepped says that the last start is the one that was asked about. Otherwise
	// another one has happened that this home does not know of.
	Stepped bool
}

// Token is what a start of a device is known by when it is asked about again.
type Token = [wire.TokenSize]byte

// BeginGeneration counts a start of this device, if last is the number of the one
// before (0: none). Asking again with the same token counts nothing. renew has the
// device's one-time prekeys removed when the start is counted.
func (c *Client) BeginGeneration(ctx context.Context, last uint64, token Token, renew bool) (Generation, error) {
	resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_BeginGeneration{BeginGeneration: &pb.BeginGeneration{
		Generation: last, Token: token[:], Renew: renew,
	}}})
	if err != nil {
		return Generation{}, err
	}
	m := resp.GetGeneration()
	g := Generation{Number: m.GetGeneration(), HighestPrekey: m.GetHighestPrekey(), Stepped: m.GetStepped()}
	switch {
	case m == nil:
		return Generation{}, fmt.Errorf("%w: no generation", ErrForged)
	case g.Stepped && g.Number != last+1:
		return Generation{}, fmt.Errorf("%w: generation %d follows %d", ErrForged, g.Number, last)
	case g.HighestPrekey > maxPrekeyID:
		return Generation{}, fmt.Errorf("%w: prekey %d", ErrForged, g.HighestPrekey)
	}
	return g, nil
}

// TakeKeys takes the keys of some devices of one account, each with a one-time
// prekey that is then nobody else's. Devices that have published none are left
// out. Asking again takes other prekeys.
func (c *Client) TakeKeys(ctx context.Context, account record.Account, devices []peer.ID) ([]DeviceKeys, error) {
	req := &pb.TakeKeys{Account: string(account)}
	for _, device := range devices {
		req.Devices = append(req.Devices, []byte(device))
	}
	resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_TakeKeys{TakeKeys: req}})
	if err != nil {
		return nil, err
	}
	var taken []DeviceKeys
	for _, k := range resp.GetKeys().GetDevices() {
		keys, err := keysFromWire(account, k)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrForged, err)
		}
		if !slices.Contains(devices, keys.Device) {
			return nil, fmt.Errorf("%w: keys of a device that was not asked for", ErrForged)
		}
		taken = append(taken, keys)
	}
	return taken, nil
}

func keysFromWire(account record.Account, k *pb.DeviceKeys) (DeviceKeys, error) {
	device, err := peer.IDFromBytes(k.GetDevice())
	if err != nil {
		return DeviceKeys{}, err
	}
	bundle, err := record.VerifyBundle(k.GetBundle(), account, device)
	if err != nil {
		return DeviceKeys{}, err
	}
	keys := DeviceKeys{Device: device, Bundle: bundle, Left: int(k.GetOneTimeLeft())}
	if len(k.GetOneTime()) > 0 {
		prekey, err := record.VerifyOneTimePrekey(k.GetOneTime(), device)
		if err != nil {
			return DeviceKeys{}, err
		}
		keys.OneTime = &prekey
	}
	return keys, nil
}
