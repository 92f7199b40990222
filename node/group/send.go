package group

import (
	"fmt"
	"maps"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
	"github.com/tryst-chat/tryst/node/wire/pb"
)

// Outgoing is what Send wants sent.
type Outgoing struct {
	// Sealed holds the message for the topic, the same for everybody.
	Sealed Sealed
	// SenderKeys are for the devices that lack this device's chain: a distribution and
	// the chain's certificate for each, to be sent over the session with it, before or
	// after Message.
	SenderKeys map[peer.ID][]byte
	// Opening opens Message, and nothing else.
	Opening Opening
}

// Send seals content, at most senderkey.MaxPlaintext bytes, for the group.
// devices are all devices of all members, as far as known, this account's others
// included; those of accounts that are not members are left out. The state, and the
// sender keys in the outbox, must be stored before the message leaves: a device
// counts as having the key from here on (see Forget).
func (s State) Send(self Self, content []byte, devices []Member) (State, Outgoing, error) {
	next, _, err := s.Next(self)
	if err != nil {
		return s, Outgoing{}, err
	}
	next.sender = next.sender.Clone()
	// Taken before the message, so that whoever gets it can read this message.
	distribution := append(next.sender.Distribution(), next.certificate[:]...)
	sealed, with, err := next.sender.Encrypt(associatedData(s.self), content)
	if err != nil {
		return s, Outgoing{}, fmt.Errorf("group: send: %w", err)
	}
	id := s.chain.ID()
	message, err := proto.Marshal(&pb.GroupMessage{Group: id[:], Epoch: s.chain.Epoch(), Sealed: sealed})
	if err != nil {
		return s, Outgoing{}, fmt.Errorf("group: send: %w", err)
	}
	out := Outgoing{
		Sealed:     Sealed{Chain: next.sender.ChainID(), Iteration: with.Iteration, Message: message},
		SenderKeys: next.lacking(devices, distribution),
		Opening:    Opening{with, s.self, s.chain.Epoch(), next.sender.ChainID(), next.certificate},
	}
	next.handed = withKeys(next.handed, out.SenderKeys)
	return next, out, nil
}

// Next returns the place that the next message will have. The state that it returns is
// the one to send it from: a chain of this device's own may begin with it.
func (s State) Next(self Self) (State, Place, error) {
	if s.sender == nil {
		fresh, err := senderkey.NewSender(s.chain.ID(), s.chain.Epoch())
		if err != nil {
			return s, Place{}, fmt.Errorf("group: send: %w", err)
		}
		s.sender, s.certificate, s.handed = fresh, certify(self, fresh), nil
	}
	return s, Place{s.sender.ChainID(), s.sender.Next()}, nil
}

// Lacking reports whether some of the devices have nothing of this device's chain yet.
func (s State) Lacking(devices []Member) bool { return len(s.lacking(devices, nil)) > 0 }

// lacking returns the distribution for each member device without it.
func (s State) lacking(devices []Member, distribution []byte) map[peer.ID][]byte {
	keys := make(map[peer.ID][]byte)
	for _, d := range devices {
		_, has := s.handed[d.Device]
		if !has && d.Device != s.self.Device && s.chain.Member(d.Account) {
			keys[d.Device] = distribution
		}
	}
	return keys
}

func withKeys(handed map[peer.ID]struct{}, keys map[peer.ID][]byte) map[peer.ID]struct{} {
	if len(keys) == 0 {
		return handed
	}
	all := make(map[peer.ID]struct{}, len(handed)+len(keys))
	maps.Copy(all, handed)
	for d := range keys {
		all[d] = struct{}{}
	}
	return all
}

// Forget notes that a device does not have this device's chain after all, so that
// the next Send hands it out again: it has lost its home, or never took the key.
func (s State) Forget(device peer.ID) State {
	if _, has := s.handed[device]; has {
		s.handed = maps.Clone(s.handed)
		delete(s.handed, device)
	}
	return s
}

// Renew drops this device's own chain, so that the next Send begins another one and
// hands it out to everybody: this state may be an older one, and others have seen
// more of the chain than it knows. What came in the chains of others stays readable,
// and so does what the lost state said in this one: members pass it on (see Repair).
func (s State) Renew() State {
	if s.sender != nil {
		if own, err := senderkey.NewReceiver(s.sender.Distribution()); err == nil {
			s = s.makeRoom(s.self, own.Epoch()).withReceiver(own.ChainID(), receiver{s.self, s.certificate, own})
		}
	}
	s.sender, s.handed = nil, nil
	return s
}

// SenderChain returns the ID of this device's own chain, or false if it has none.
func (s State) SenderChain() (id [16]byte, ok bool) {
	if s.sender == nil {
		return id, false
	}
	return s.sender.ChainID(), true
}

const adLabel = "tryst group message 1"

// associatedData binds a message to its sender. Group and epoch are bound by
// package senderkey. Names and peer IDs have fewer than 256 bytes.
func associatedData(from Member) []byte {
	b := make([]byte, 0, len(adLabel)+2+len(from.Account)+len(from.Device))
	return appendMember(append(b, adLabel...), from)
}

func appendMember(b []byte, m Member) []byte {
	b = append(b, byte(len(m.Account)))
	b = append(b, m.Account...)
	b = append(b, byte(len(m.Device)))
	return append(b, m.Device...)
}
