package group

import (
	"bytes"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// bufferedMessage is a message whose sender's chain is not here yet.
type bufferedMessage struct {
	from    Member
	chain   chainID
	message []byte // as it came
}

// buffer keeps a message. It returns false for one that waits already.
func (s State) buffer(m bufferedMessage, effect *Effect) (State, bool) {
	for _, b := range s.buffered {
		if b.from == m.from && bytes.Equal(b.message, m.message) {
			return s, false
		}
	}
	kept := append(slices.Clip(s.buffered), m) // copies
	for len(kept) > MaxBuffered || bufferedBytes(kept) > MaxBufferedBytes {
		kept = dropFairly(kept)
		effect.Dropped++
	}
	s.buffered = kept
	return s, true
}

func bufferedBytes(messages []bufferedMessage) (n int) {
	for _, m := range messages {
		n += len(m.message)
	}
	return n
}

// dropFairly removes the oldest message of the device that has the most bytes
// waiting, so that nobody can push out what others sent.
func dropFairly(messages []bufferedMessage) []bufferedMessage {
	held := make(map[peer.ID]int)
	for _, m := range messages {
		held[m.from.Device] += len(m.message)
	}
	victim := 0
	for i, m := range messages {
		if held[m.from.Device] > held[messages[victim].from.Device] {
			victim = i
		}
	}
	return slices.Delete(messages, victim, victim+1)
}

// smallest returns the least of some IDs, so that the choice does not depend on
// the order of a map.
func smallest(ids []chainID) chainID {
	return slices.MinFunc(ids, func(a, b chainID) int { return bytes.Compare(a[:], b[:]) })
}
