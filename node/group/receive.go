package group

import (
	"bytes"
	"errors"
	"fmt"
	"maps"

	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/node/wire/pb"
)

var (
	// ErrMessage means bytes that are not a message of this group, or do not open.
	ErrMessage = errors.New("group: message does not open")
	// ErrSenderKey means a sender key that is malformed, of another group or epoch
	// than it was sent for, or another device's.
	ErrSenderKey = errors.New("group: wrong sender key")
)

// Delivered is a message that has opened. It must be stored together with the
// state that came with it.
type Delivered struct {
	From    Member
	Epoch   uint64
	Content []byte
	Sealed  Sealed
	Opening Opening // opens Sealed, and nothing else
}

// Effect is what a received message makes the caller do.
type Effect struct {
	// NeedChain: the message waits for statements that are not here. Fetch them.
	NeedChain bool
	// NeedSecret: this device waits for the epoch's secret. Ask a member device.
	NeedSecret bool
	// NeedSenderKey: the message waits for its sender's key, which is on its way or
	// lost.
	NeedSenderKey bool
	// Duplicate: the message was here before. There is nothing to do.
	Duplicate bool
	// Gap: messages that the same device sent before this one have not come.
	Gap bool
	// Dropped is how many waiting messages had to go to make room, the oldest of
	// whoever had the most. They are lost here unless they are fetched again.
	Dropped int
}

// Receive takes a message that a device of an account has sent, as the transport
// vouches for it and the account's device log for both; by whatever way it came,
// and as often as it does. It opens it, or keeps it until its key comes. An
// error, ErrNotMember or ErrMessage, means that the message was not taken.
func (s State) Receive(from Member, message []byte) (State, []Delivered, Effect, error) {
	m, err := s.parseMessage(message)
	if err != nil {
		return s, nil, Effect{}, err
	}
	if !s.chain.Member(from.Account) {
		return s, nil, Effect{NeedChain: true}, ErrNotMember
	}
	if from.Device == s.self.Device {
		return s, nil, Effect{Duplicate: true}, nil // our own, come around
	}
	effect := Effect{NeedSecret: s.Waiting(), NeedChain: m.GetEpoch() > s.chain.Epoch()}
	r, known := s.receivers[m.chain]
	if !known {
		effect.NeedSenderKey = !effect.NeedChain
		next, fits := s.buffer(bufferedMessage{from, m.chain, bytes.Clone(message)}, &effect)
		if !fits {
			return s, nil, Effect{Duplicate: true}, nil
		}
		return next, nil, effect, nil
	}
	opened, after, err := r.open(from, m)
	switch {
	case errors.Is(err, senderkey.ErrDuplicate):
		return s, nil, Effect{Duplicate: true}, nil
	case err != nil:
		return s, nil, Effect{}, err
	}
	effect.Gap = len(after.chain.Missing()) > 0
	return s.withReceiver(m.chain, after), []Delivered{opened}, effect, nil
}

// groupMessage is a parsed message of this group.
type groupMessage struct {
	*pb.GroupMessage
	chain chainID
	raw   []byte
}

func (s State) parseMessage(b []byte) (groupMessage, error) {
	if len(b) > wire.MaxEnvelope {
		return groupMessage{}, ErrMessage
	}
	m := groupMessage{GroupMessage: new(pb.GroupMessage), raw: b}
	if err := proto.Unmarshal(b, m.GroupMessage); err != nil {
		return groupMessage{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if id := s.chain.ID(); !bytes.Equal(m.GetGroup(), id[:]) || m.GetEpoch() == 0 {
		return groupMessage{}, fmt.Errorf("%w: of another group", ErrMessage)
	}
	var err error
	if m.chain, err = senderkey.ChainOf(m.GetSealed()); err != nil {
		return groupMessage{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return m, nil
}

// open decrypts a message on a copy of the chain, which it returns. The error is
// senderkey.ErrDuplicate or wraps ErrMessage.
func (r receiver) open(from Member, m groupMessage) (Delivered, receiver, error) {
	if from != r.from || m.GetEpoch() != r.chain.Epoch() {
		return Delivered{}, r, fmt.Errorf("%w: of another sender's chain", ErrMessage)
	}
	after := receiver{r.from, r.certificate, r.chain.Clone()}
	content, with, err := after.chain.Decrypt(associatedData(from), m.GetSealed())
	if errors.Is(err, senderkey.ErrDuplicate) {
		return Delivered{}, r, err
	}
	if err != nil {
		return Delivered{}, r, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return Delivered{
		From: from, Epoch: m.GetEpoch(), Content: content,
		Sealed:  Sealed{Chain: m.chain, Iteration: with.Iteration, Message: m.raw},
		Opening: Opening{with, from, m.GetEpoch(), m.chain, r.certificate},
	}, after, nil
}

func (s State) withReceiver(id chainID, r receiver) State {
	all := make(map[chainID]receiver, len(s.receivers)+1)
	maps.Copy(all, s.receivers)
	all[id] = r
	s.receivers = all
	return s
}

// AcceptSenderKey takes a device's chain, which came over the session with that
// device, and returns the messages that it opens among those that waited. A chain
// that is known already changes nothing. It returns ErrNotMember, ErrBehind or
// ErrSenderKey.
func (s State) AcceptSenderKey(from Member, epoch uint64, handed []byte) (State, []Delivered, error) {
	r, err := parseHanded(from, handed)
	if err != nil {
		return s, nil, err
	}
	chain := r.chain
	if chain.GroupID() != s.chain.ID() || chain.Epoch() != epoch || epoch == 0 {
		return s, nil, fmt.Errorf("%w: of another group or epoch", ErrSenderKey)
	}
	if !s.chain.Member(from.Account) {
		return s, nil, ErrNotMember
	}
	if epoch > s.chain.Epoch() {
		return s, nil, ErrBehind
	}
	if !r.certificate.verify(from, chain.GroupID(), epoch, chain.ChainID(), chain.SigningKey()) {
		return s, nil, fmt.Errorf("%w: not certified by its device", ErrSenderKey)
	}
	if old, known := s.receivers[chain.ChainID()]; known {
		if old.from != from {
			return s, nil, fmt.Errorf("%w: of another device", ErrSenderKey)
		}
		return s, nil, nil
	}
	next, delivered := s.makeRoom(from, epoch).release(chain.ChainID(), r)
	return next, delivered, nil
}

// release adds a chain and opens, in order, what waited for it. What does not open
// was not made by that device and goes.
func (s State) release(id chainID, r receiver) (State, []Delivered) {
	next := s
	next.buffered = nil
	var delivered []Delivered
	for _, b := range s.buffered {
		if b.chain != id {
			next.buffered = append(next.buffered, b)
			continue
		}
		m, err := s.parseMessage(b.message)
		if err != nil {
			continue
		}
		opened, after, err := r.open(b.from, m)
		if err != nil {
			continue
		}
		r = after
		delivered = append(delivered, opened)
	}
	return next.withReceiver(id, r), delivered
}

// makeRoom drops the chains that one more of a device would leave no room for: one
// of the device's own in that epoch, and one of the oldest epoch.
func (s State) makeRoom(from Member, epoch uint64) State {
	var own, oldest []chainID
	lowest := epoch
	for id, r := range s.receivers {
		if r.from == from && r.chain.Epoch() == epoch {
			own = append(own, id)
		}
		switch e := r.chain.Epoch(); {
		case e < lowest:
			lowest, oldest = e, []chainID{id}
		case e == lowest:
			oldest = append(oldest, id)
		}
	}
	var drop []chainID
	if len(own) >= MaxChains {
		drop = append(drop, smallest(own))
	} else if len(s.receivers) >= MaxReceivers && len(oldest) > 0 {
		drop = append(drop, smallest(oldest))
	}
	if len(drop) == 0 {
		return s
	}
	s.receivers = maps.Clone(s.receivers)
	for _, id := range drop {
		delete(s.receivers, id)
	}
	return s
}
