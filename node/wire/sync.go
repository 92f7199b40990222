package wire

import (
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const (
	// MaxHaves bounds the chains that one SyncRequest names: every device of a full
	// group with some to spare. Those of the newest epochs go first.
	MaxHaves = 1024
	// MaxMissing bounds the single messages that it names, of all chains together.
	MaxMissing = 4096
	// MaxSyncRequest is above every SyncRequest: 28 bytes and a few for each chain, up
	// to 5 for each message.
	MaxSyncRequest = 64 << 10
	// MaxSyncMessages and MaxSyncBytes bound what one answer brings: as much as one
	// transaction of the asking side takes. It then asks again.
	MaxSyncMessages = 256
	MaxSyncBytes    = 512 << 10
)

// ErrSync is returned for a SyncRequest that is not valid.
var ErrSync = errors.New("wire: the request for group messages is not valid")

// Have is how far a device has got in the sender chain of another: it lacks the
// messages from Next on, and those in Missing, which are below Next and ascending.
type Have struct {
	Chain   [16]byte // senderkey's chain ID
	Next    uint32
	Missing []uint32
}

// SyncRequest asks a member device for group messages.
type SyncRequest struct {
	Group record.GroupID
	Have  []Have
}

// ToWire returns the request's message; what is beyond MaxHaves and MaxMissing is
// left out, from the end.
func (r SyncRequest) ToWire() *pb.SyncRequest {
	m := &pb.SyncRequest{Group: r.Group[:]}
	room := MaxMissing
	for _, h := range r.Have[:min(len(r.Have), MaxHaves)] {
		missing := h.Missing[:min(len(h.Missing), room)]
		room -= len(missing)
		m.Have = append(m.Have, &pb.Have{Chain: h.Chain[:], Next: h.Next, Missing: missing})
	}
	return m
}

// ParseSyncRequest validates a request. It returns ErrSync.
func ParseSyncRequest(m *pb.SyncRequest) (SyncRequest, error) {
	var r SyncRequest
	if len(m.GetGroup()) != len(r.Group) {
		return SyncRequest{}, fmt.Errorf("%w: group", ErrSync)
	}
	copy(r.Group[:], m.GetGroup())
	if len(m.GetHave()) > MaxHaves {
		return SyncRequest{}, fmt.Errorf("%w: too many chains", ErrSync)
	}
	room := MaxMissing
	for _, h := range m.GetHave() {
		have := Have{Next: h.GetNext(), Missing: h.GetMissing()}
		if room -= len(have.Missing); room < 0 {
			return SyncRequest{}, fmt.Errorf("%w: too many messages", ErrSync)
		}
		if len(h.GetChain()) != len(have.Chain) {
			return SyncRequest{}, fmt.Errorf("%w: chain", ErrSync)
		}
		copy(have.Chain[:], h.GetChain())
		if !ascendingBelow(have.Missing, have.Next) {
			return SyncRequest{}, fmt.Errorf("%w: messages out of order", ErrSync)
		}
		r.Have = append(r.Have, have)
	}
	return r, nil
}

func ascendingBelow(numbers []uint32, end uint32) bool {
	for i, n := range numbers {
		if n >= end || i > 0 && n <= numbers[i-1] {
			return false
		}
	}
	return true
}
