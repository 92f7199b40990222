package testnet_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	libp2ptcp "github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// A stranger says nonsense in every protocol that a server, the balancer and a
// node speak. All of them keep running and keep working.
func TestNonsenseInEveryProtocol(t *testing.T) {
	t.Parallel()
	tn := suite.testnet(t)
	port := harness.Port(t)
	victim, friend := enter(t, tn, "quiet", "1", "--listen", fmt.Sprint(port)), enter(t, tn, "loyal", "1")
	device := victim.do("whoami", testnet.Event{Event: "whoami"}).Device

	targets := map[string]string{
		"a node":       fmt.Sprintf("/ip4/127.0.0.1/tcp/%d/p2p/%s", port, device),
		"the balancer": tn.Balancer,
	}
	for _, s := range tn.Servers {
		targets[s.Name] = s.Addresses()[0]
	}
	for name, address := range targets {
		attack(t, name, address)
	}
	for _, m := range append(tn.Servers, tn.Front) {
		if !m.Running() {
			t.Errorf("%s has ended", m.Name)
		}
	}
	friend.tells(victim, "all well?")
	victim.do("create fortress", testnet.Event{Event: "created", Group: "fortress"})
}

// attack says nonsense in every protocol that a peer names.
func attack(t *testing.T, name, address string) {
	t.Helper()
	target, err := multiaddr.NewMultiaddr(address)
	if err != nil {
		t.Fatal(err)
	}
	info, err := peer.AddrInfoFromP2pAddr(target)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := libp2p.New(libp2p.NoListenAddrs, libp2p.Transport(libp2ptcp.NewTCPTransport))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if err := stranger.Connect(t.Context(), *info); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	spoken, err := stranger.Peerstore().GetProtocols(info.ID)
	if err != nil || len(spoken) == 0 {
		t.Fatalf("%s names no protocols: %v", name, err)
	}
	opened := 0
	for _, id := range spoken {
		for _, payload := range nonsense() {
			if say(t.Context(), stranger, *info, id, payload) {
				opened++
			}
		}
	}
	if opened == 0 {
		t.Errorf("%s took no stream at all: nothing was tried", name)
	}
	t.Logf("%s: %d protocols, %d streams", name, len(spoken), opened)
}

// nonsense are openings that no peer should choke on: noise, a length that
// promises too much, a frame that is no message, half a frame, nothing.
func nonsense() [][]byte {
	noise := make([]byte, 4096)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(noise)
	return [][]byte{
		noise,
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		append([]byte{0x80, 0x20}, noise...),
		{0x7f, 0x0a},
		bytes.Repeat([]byte{0xff}, 64),
		append([]byte{0x80, 0x80, 0x80, 0x01}, bytes.Repeat(noise, 64)...), // 2 MiB promised, 256 KiB given
		{},
	}
}

// say opens a stream, says something and listens a little for the answer. It
// reports whether the stream could be opened; connecting again is part of it,
// since peers may hang up on a stranger.
func say(ctx context.Context, stranger host.Host, to peer.AddrInfo, id protocol.ID, payload []byte) bool {
	const patience = 200 * time.Millisecond // a peer that waits for more is left waiting
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stranger.Peerstore().AddAddrs(to.ID, to.Addrs, peerstore.PermanentAddrTTL)
	stream, err := stranger.NewStream(network.WithAllowLimitedConn(ctx, "nonsense"), to.ID, id)
	if err != nil {
		return false
	}
	defer stream.Reset()
	_ = stream.SetDeadline(time.Now().Add(patience))
	if _, err := stream.Write(payload); err != nil {
		return true
	}
	_ = stream.CloseWrite()
	_, _ = stream.Read(make([]byte, 1024))
	return true
}
