package group

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// A member may pass on to a newcomer what was said before, if the group is one that
// gives it (record.Settings): each message as it was sealed, with its Opening. What a
// History opens is its author's, word for word, since the author's device has signed
// the message with a key that it has certified. A member can leave messages out, and
// can say something now for a time when they were a member already; nothing else.

// ErrOpening means bytes that are no Opening.
var ErrOpening = errors.New("group: malformed opening")

// Opening is what opens one sealed message for somebody who does not have its
// sender's chain, and shows whose it is. It is a secret.
type Opening struct {
	senderkey.Opening
	From        Member
	Epoch       uint64
	Chain       [senderkey.ChainIDSize]byte
	certificate certificate
}

const openingVersion = 1

// MarshalBinary returns the opening for storage under seal, and for the pairwise
// sessions:
//
//	version 1 || member || u64 epoch || chain ID[16] || u32 iteration || signing key[32] || certificate[64] || message key[32]
func (o Opening) MarshalBinary() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint8(openingVersion)
	o.From.marshal(&b)
	b.AddUint64(o.Epoch)
	b.AddBytes(o.Chain[:])
	b.AddUint32(o.Iteration)
	b.AddBytes(o.Signing[:])
	b.AddBytes(o.certificate[:])
	b.AddBytes(o.Key.Bytes())
	return b.Bytes()
}

// ParseOpening undoes MarshalBinary; what it accepts encodes to the same bytes. It
// returns ErrOpening.
func ParseOpening(b []byte) (Opening, error) {
	var o Opening
	var version uint8
	var raw [key.Size]byte
	in := cryptobyte.String(b)
	if !in.ReadUint8(&version) || version != openingVersion {
		return Opening{}, ErrOpening
	}
	var ok bool
	if o.From, ok = readMember(&in); !ok || !in.ReadUint64(&o.Epoch) || !in.CopyBytes(o.Chain[:]) ||
		!in.ReadUint32(&o.Iteration) || !in.CopyBytes(o.Signing[:]) || !in.CopyBytes(o.certificate[:]) ||
		!in.CopyBytes(raw[:]) || !in.Empty() {
		return Opening{}, ErrOpening
	}
	o.Key = key.MessageFrom(raw)
	return o, nil
}

// History judges messages that were said before this device came. It is made of a
// state's chain and good for that.
type History struct {
	s      State
	acts   Acts
	heads  []record.Hash // by length: the chain's head then, and its epoch
	epochs []uint64
	stays  map[record.Account][]stay // in order
}

// stay is a membership, from a length of the chain on and up to, not including, another.
type stay struct{ from, to uint64 }

const stillHere = ^uint64(0)

// History returns what judges messages that are passed on.
func (s State) History(acts Acts) (*History, error) {
	h := &History{
		s: s, acts: acts, heads: []record.Hash{{}}, epochs: []uint64{0}, stays: make(map[record.Account][]stay),
	}
	for _, raw := range s.statements {
		statement, err := record.ParseStatement(raw)
		if err != nil {
			return nil, fmt.Errorf("group: history: %w", err)
		}
		length, epoch := uint64(len(h.heads)), h.epochs[len(h.epochs)-1]
		switch statement.Op {
		case record.CreateGroup, record.Rekey:
			epoch++
		}
		switch statement.Op {
		case record.CreateGroup, record.JoinGroup:
			h.stays[statement.Actor] = append(h.stays[statement.Actor], stay{length, stillHere})
		case record.LeaveGroup:
			h.end(statement.Actor, length)
		case record.RemoveMember:
			h.end(statement.Subject, length)
		}
		h.heads, h.epochs = append(h.heads, record.HashOf(raw)), append(h.epochs, epoch)
	}
	return h, nil
}

// end ends a membership, if there is one: an invitation may have been withdrawn.
func (h *History) end(a record.Account, length uint64) {
	if stays := h.stays[a]; len(stays) > 0 && stays[len(stays)-1].to == stillHere {
		stays[len(stays)-1].to = length
	}
}

// Past is a message that was passed on.
type Past struct {
	Delivered
	Said wire.GroupContent // Delivered.Content
	// Certain: the chain and the author's device log bear it out that the message is
	// From's, a member when it was sent. Otherwise nobody vouches for that but who
	// passed it on.
	Certain bool
}

// Open judges a message and an encoded Opening that a member has passed on. It returns
// ErrMessage or ErrOpening for what no device of any member can have sent so.
func (h *History) Open(message, opening []byte) (Past, error) {
	o, err := ParseOpening(opening)
	if err != nil {
		return Past{}, err
	}
	m, err := h.s.parseMessage(message)
	if err != nil {
		return Past{}, err
	}
	id := h.s.chain.ID()
	if m.chain != o.Chain || m.GetEpoch() != o.Epoch || !o.certificate.verify(o.From, id, o.Epoch, o.Chain, o.Signing[:]) {
		return Past{}, fmt.Errorf("%w: its chain is not certified", ErrMessage)
	}
	content, err := senderkey.Open(id, o.Epoch, o.Opening, associatedData(o.From), m.GetSealed())
	if err != nil {
		return Past{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	said, err := wire.ParseGroupContent(content)
	if err != nil {
		return Past{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return Past{
		Delivered: Delivered{
			From: o.From, Epoch: o.Epoch, Content: content, Opening: o,
			Sealed: Sealed{Chain: o.Chain, Iteration: o.Iteration, Message: message},
		},
		Said:    said,
		Certain: h.acts(o.From.Account, o.From.Device) && h.attended(o.From.Account, o.Epoch, said.ChainLength, said.ChainHead),
	}, nil
}

// attended tells whether an account was a member when the chain had a length, a head
// and an epoch, as messages name the first two.
func (h *History) attended(a record.Account, epoch, length uint64, head record.Hash) bool {
	if length == 0 || length >= uint64(len(h.heads)) || h.heads[length] != head || h.epochs[length] != epoch {
		return false
	}
	for _, s := range h.stays[a] {
		if s.from <= length && length < s.to {
			return true
		}
	}
	return false
}

// Behind reports whether a message names a longer chain than the history is made of:
// with the rest of the chain it may become certain.
func (h *History) Behind(p Past) bool { return p.Said.ChainLength >= uint64(len(h.heads)) }
