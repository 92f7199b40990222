package wire

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const (
	// HistoryPartSize is how many bytes of messages a part holds at most, unless it
	// holds one only: a part is sealed as a whole.
	HistoryPartSize = 48 << 10
	// MaxPastMessage is the longest message that is passed on with its opening, in
	// bytes of both: a text of MaxText, padded and sealed, and room. The part that it
	// makes is still below MaxEnvelope when it is sealed.
	MaxPastMessage = 76 << 10
)

// RequestID tells requests for history apart.
type RequestID [16]byte

// Place is a message's place in its sender's chain; the zero Place is nowhere.
type Place struct {
	Chain     [16]byte
	Iteration uint32
}

const placeSize = 16 + 4

// HistoryRequest asks another member's device for the messages of a group that follow
// one.
type HistoryRequest struct {
	Group   record.GroupID
	Request RequestID
	After   Place
}

// HistoryPart answers it.
type HistoryPart struct {
	Group    record.GroupID
	Request  RequestID
	Messages []PastMessage // oldest first
	Last     bool          // there are no more
}

// PastMessage is a message that is passed on: as it was sealed, and with what package
// group opens it.
type PastMessage struct{ Message, Opening []byte }

func (r HistoryRequest) toWire() *pb.GroupHistory {
	var after []byte
	if r.After != (Place{}) {
		after = binary.BigEndian.AppendUint32(bytes.Clone(r.After.Chain[:]), r.After.Iteration)
	}
	return &pb.GroupHistory{
		Group: r.Group[:], Request: r.Request[:], Kind: &pb.GroupHistory_Ask{Ask: &pb.HistoryRequest{After: after}},
	}
}

func (h HistoryPart) toWire() *pb.GroupHistory {
	part := &pb.HistoryPart{Last: h.Last}
	for _, m := range h.Messages {
		part.Messages = append(part.Messages, &pb.PastMessage{Message: m.Message, Opening: m.Opening})
	}
	return &pb.GroupHistory{Group: h.Group[:], Request: h.Request[:], Kind: &pb.GroupHistory_Part{Part: part}}
}

func (p *parser) history(m *pb.GroupHistory) Body {
	var request RequestID
	p.fixed(request[:], m.GetRequest())
	id := p.group(m.GetGroup())
	switch k := m.GetKind().(type) {
	case *pb.GroupHistory_Ask:
		return HistoryRequest{Group: id, Request: request, After: p.place(k.Ask.GetAfter())}
	case *pb.GroupHistory_Part:
		part := HistoryPart{Group: id, Request: request, Last: k.Part.GetLast()}
		for _, m := range k.Part.GetMessages() {
			if len(m.GetMessage()) == 0 || len(m.GetMessage())+len(m.GetOpening()) > MaxPastMessage {
				p.fail(errors.New("a past message has the wrong length"))
			}
			part.Messages = append(part.Messages, PastMessage{m.GetMessage(), m.GetOpening()})
		}
		return part
	default:
		p.fail(errors.New("an unknown kind of history"))
		return nil
	}
}

func (p *parser) place(b []byte) (at Place) {
	if len(b) == 0 {
		return at
	}
	if len(b) != placeSize || bytes.Equal(b, make([]byte, placeSize)) {
		p.fail(errors.New("a place has the wrong form"))
		return at
	}
	copy(at.Chain[:], b)
	at.Iteration = binary.BigEndian.Uint32(b[len(at.Chain):])
	return at
}
