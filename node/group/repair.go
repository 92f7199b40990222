package group

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
	"github.com/tryst-chat/tryst/node/wire"
)

// Sealed is a message as it travels, and its place in its sender's chain, by which
// member devices ask each other for what they lack.
type Sealed struct {
	Chain     [16]byte // senderkey's chain ID
	Iteration uint32   // its number in that chain
	Message   []byte   // a pb.GroupMessage
}

// Have returns how far this device is in every chain: its own, all of which it has,
// and those that it can open, the newest epoch's first, and within an epoch by ID.
func (s State) Have() []wire.Have {
	ids := slices.SortedFunc(maps.Keys(s.receivers), func(a, b chainID) int {
		return cmp.Or(
			cmp.Compare(s.receivers[b].chain.Epoch(), s.receivers[a].chain.Epoch()),
			bytes.Compare(a[:], b[:]),
		)
	})
	var have []wire.Have
	if s.sender != nil {
		have = append(have, wire.Have{Chain: s.sender.ChainID(), Next: s.sender.Next()})
	}
	for _, id := range ids {
		chain := s.receivers[id].chain
		have = append(have, wire.Have{Chain: id, Next: chain.Next(), Missing: chain.Missing()})
	}
	return have
}

// Outstanding returns the number of the first message of a chain that this device does
// not have and may still get.
func (s State) Outstanding(chain [16]byte) uint32 {
	r, known := s.receivers[chain]
	if !known {
		return 1<<32 - 1
	}
	if missing := r.chain.Missing(); len(missing) > 0 {
		return missing[0]
	}
	return r.chain.Next()
}

// Author returns who speaks in a chain that this device can open.
func (s State) Author(chain [16]byte) (Member, bool) {
	if s.sender != nil && s.sender.ChainID() == chain {
		return s.self, true
	}
	r, known := s.receivers[chain]
	return r.from, known
}

// Lacks reports whether a device that has so much has something of a chain that
// this one can open and has not got so far in.
func (s State) Lacks(have []wire.Have) bool {
	return slices.ContainsFunc(have, func(h wire.Have) bool {
		r, known := s.receivers[h.Chain]
		return known && h.Next > r.chain.Next()
	})
}

// LacksKey reports whether a device that was given this device's chain does not have
// it, going by the chains that it says it has: its home may have been restored from a
// copy that is older, or the key is still under way to it.
func (s State) LacksKey(device peer.ID, have []wire.Have) bool {
	if _, handed := s.handed[device]; !handed || s.sender == nil || len(have) >= wire.MaxHaves { // some may be left out
		return false
	}
	return !slices.ContainsFunc(have, func(h wire.Have) bool { return h.Chain == s.sender.ChainID() })
}

// Repair takes a message that another member device has passed on, whoever that
// is: the chain's key says who sent it. It takes only what opens at once, and
// returns ErrMessage for anything else and nothing for what is here already.
//
// What is passed on may be of this device's own chain, and new to it: then its home
// was replaced by an old copy of itself. The chain is given up, since the numbers
// that follow have been used, and the next Send begins another; what this device
// sent before comes back as Delivered, from itself.
func (s State) Repair(message []byte) (State, []Delivered, error) {
	m, err := s.parseMessage(message)
	if err != nil {
		return s, nil, err
	}
	r, known := s.receivers[m.chain]
	switch {
	case known && r.from.Device != s.self.Device:
		next, delivered, _, err := s.Receive(r.from, message)
		return next, delivered, err
	case known:
		return s.repairOwn(r, m)
	case s.sender != nil && m.chain == s.sender.ChainID():
		chain, err := senderkey.NewReceiver(s.sender.Distribution())
		if err != nil {
			return s, nil, fmt.Errorf("group: own chain: %w", err)
		}
		return s.repairOwn(receiver{s.self, s.certificate, chain}, m)
	default:
		return s, nil, fmt.Errorf("%w: of a chain that is not here", ErrMessage)
	}
}

// repairOwn takes a message that this device sent and does not know of. r is what
// reads its own chain from where it thinks that it stands.
func (s State) repairOwn(r receiver, m groupMessage) (State, []Delivered, error) {
	opened, after, err := r.open(s.self, m)
	switch {
	case errors.Is(err, senderkey.ErrBefore), errors.Is(err, senderkey.ErrDuplicate):
		return s, nil, nil
	case err != nil:
		return s, nil, err
	}
	if s.sender != nil && s.sender.ChainID() == m.chain {
		s.sender, s.handed = nil, nil
	}
	return s.withReceiver(m.chain, after), []Delivered{opened}, nil
}
