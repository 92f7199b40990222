package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	lprecord "github.com/libp2p/go-libp2p/core/record"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// Presence says where a device is, in its own signed words. That the device
// acts for the account is the server's claim: check it against the device log.
type Presence struct {
	Account record.Account
	Info    peer.AddrInfo
	Seq     uint64 // of the signed record: of two, the higher one holds
}

// Announce tells where this device is: a signed libp2p peer record (RFC 0003),
// to be repeated every wire.AnnounceInterval and when an address changes.
func (c *Client) Announce(ctx context.Context, signedPeerRecord []byte) error {
	return c.do(ctx, &pb.Request{Kind: &pb.Request_Announce{Announce: &pb.Announce{Record: signedPeerRecord}}})
}

// Withdraw takes the announcement back.
func (c *Client) Withdraw(ctx context.Context) error {
	return c.do(ctx, &pb.Request{Kind: &pb.Request_Withdraw{Withdraw: &pb.Withdraw{}}})
}

// FindPeers returns the devices of some accounts that are online, any number
// of accounts at a time. Records that do not verify are left out.
func (c *Client) FindPeers(ctx context.Context, accounts []record.Account) ([]Presence, error) {
	var found []Presence
	for page := wire.MaxFindPeers; len(accounts) > 0; {
		page = min(page, len(accounts))
		some, err := c.findPage(ctx, accounts[:page])
		if errors.Is(err, wire.ErrTooLarge) && page > 1 {
			page /= 2 // long records: fewer at a time
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
		accounts = accounts[page:]
	}
	return found, nil
}

func (c *Client) findPage(ctx context.Context, accounts []record.Account) ([]Presence, error) {
	names := make([]string, len(accounts))
	for i, account := range accounts {
		names[i] = string(account)
	}
	resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_FindPeers{FindPeers: &pb.FindPeers{Accounts: names}}})
	if err != nil {
		return nil, err
	}
	var found []Presence
	for _, p := range resp.GetPeers().GetPeers() {
		presence, err := presenceFromWire(p)
		if err != nil {
			c.log.Warn("a server passed on a presence that does not verify", "err", err)
			continue
		}
		found = append(found, presence)
	}
	return found, nil
}

func presenceFromWire(p *pb.PeerPresence) (Presence, error) {
	account, err := record.ParseAccount(p.GetAccount())
	if err != nil {
		return Presence{}, fmt.Errorf("%w: %w", ErrForged, err)
	}
	var at peer.PeerRecord
	envelope, err := lprecord.ConsumeTypedEnvelope(p.GetRecord(), &at)
	if err != nil {
		return Presence{}, fmt.Errorf("%w: %w", ErrForged, err)
	}
	if !at.PeerID.MatchesPublicKey(envelope.PublicKey) {
		return Presence{}, fmt.Errorf("%w: a peer record signed by another peer", ErrForged)
	}
	return Presence{Account: account, Info: peer.AddrInfo{ID: at.PeerID, Addrs: at.Addrs}, Seq: at.Seq}, nil
}
