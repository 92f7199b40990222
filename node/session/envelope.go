package session

import (
	"crypto/sha256"
	"fmt"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/wire"
)

const (
	envelopeVersion = 1
	// kindMessage and kindPrekey are the second byte of an envelope.
	kindMessage = 1
	kindPrekey  = 2

	headSize = 2 // version || kind
)

// envelope is a parsed envelope. Its slices share the envelope's bytes.
type envelope struct {
	head    []byte         // all that comes before the ratchet message
	initial *pqxdh.Initial // nil in a kindMessage
	began   digest         // of the initial; zero without
	message []byte
}

// head returns what goes before the ratchet message of a session with that
// Initial still to be sent, or nil.
func head(initial []byte) []byte {
	if initial == nil {
		return []byte{envelopeVersion, kindMessage}
	}
	return append([]byte{envelopeVersion, kindPrekey}, initial...)
}

// parseEnvelope returns ErrOpen for whatever is not an envelope: to the sender
// it makes no difference.
func parseEnvelope(b []byte) (envelope, error) {
	if len(b) < headSize || len(b) > wire.MaxEnvelope || b[0] != envelopeVersion {
		return envelope{}, ErrOpen
	}
	switch kind := b[1]; {
	case kind == kindMessage:
		return envelope{head: b[:headSize], message: b[headSize:]}, nil
	case kind == kindPrekey && len(b) >= headSize+pqxdh.InitialSize:
		raw := b[headSize : headSize+pqxdh.InitialSize]
		initial, err := pqxdh.ParseInitial(raw)
		if err != nil {
			return envelope{}, fmt.Errorf("%w: %w", ErrOpen, err)
		}
		n := headSize + pqxdh.InitialSize
		return envelope{head: b[:n], initial: &initial, began: sha256.Sum256(raw), message: b[n:]}, nil
	default:
		return envelope{}, ErrOpen
	}
}
