package session

import (
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/tryst-chat/tryst/node/crypto/ratchet"
	"github.com/tryst-chat/tryst/node/key"
)

var (
	// ErrNoSession means that there is no session to encrypt in: Begin one.
	ErrNoSession = errors.New("session: none with this device")
	// ErrTooLong means a plaintext above ratchet.MaxPlaintext, or an envelope
	// above wire.MaxEnvelope.
	ErrTooLong = errors.New("session: too long")
	// ErrIdentity means keys that are not the peer's: of another account or
	// device, or another identity key than before, which a device never changes.
	ErrIdentity = errors.New("session: not the peer's identity")
	// ErrSuite means that the peer opens no seal suite that this node makes.
	ErrSuite = errors.New("session: peer does not know seal suite 1")
	// ErrDuplicate means an envelope whose key has been used before, or was given
	// up. If the caller knows the message's ID, it has the message and need only
	// acknowledge it again. If not, another message has used the key (the peer
	// restored an older copy of its state), and it is as for ErrOpen.
	ErrDuplicate = errors.New("session: message key used before")
	// ErrOpen means an envelope that no session opens: it was changed, or one
	// side has lost its state. The sender is asked to begin a new session.
	ErrOpen = errors.New("session: message does not open")
	// ErrNoPrekey means a prekey message to keys that are used up or too old.
	// The sender is asked to begin a new session with fresh ones.
	ErrNoPrekey = errors.New("session: prekey is gone")
	// ErrRecord means bytes that are not an encoded Record.
	ErrRecord = errors.New("session: malformed record")
)

// Record is what a device knows of its sessions with one peer device. It is a
// value: no call changes one. The zero value has no session.
type Record struct {
	key.Redacted
	peer     key.DHPublic // zero until the first session
	sessions []session    // active first, then by last use; at most MaxSessions
	ended    []digest     // Initials of dropped sessions, oldest first; at most MaxEnded
}

// session is one Double Ratchet and how it began.
type session struct {
	initiator bool           // we began it
	began     digest         // of its Initial
	initial   []byte         // goes along with each message until an answer came; initiator only
	state     *ratchet.State // shared between Records: clone before changing
}

// digest names an Initial: SHA-256 over its bytes.
type digest [sha256.Size]byte

// Ready tells whether Encrypt has a session to encrypt in.
func (r Record) Ready() bool { return len(r.sessions) > 0 }

// Established tells whether there is a session that both sides are known to have had.
func (r Record) Established() bool {
	return slices.ContainsFunc(r.sessions, func(s session) bool { return s.initial == nil })
}

// Prepare does ahead of time what the next Encrypt will need (see
// ratchet.State.Prepare). The result need not be stored, only used.
func (r Record) Prepare() (Record, error) {
	if !r.Ready() {
		return r, nil
	}
	s := r.sessions[0]
	s.state = s.state.Clone()
	if err := s.state.Prepare(); err != nil {
		return r, err
	}
	return r.replaced(0, s), nil
}

// replaced returns the record with s in the place of session i, as the active
// one.
func (r Record) replaced(i int, s session) Record {
	next := make([]session, 0, len(r.sessions))
	next = append(next, s)
	next = append(next, r.sessions[:i]...)
	r.sessions = append(next, r.sessions[i+1:]...)
	return r
}

// added returns the record with one session more, as the active one, less the
// least recently used beyond MaxSessions.
func (r Record) added(s session) Record {
	kept := r.sessions
	if len(kept) == MaxSessions {
		dropped := kept[MaxSessions-1]
		kept = kept[:MaxSessions-1]
		r.ended = append(slices.Clone(r.ended), dropped.began)
		r.ended = r.ended[max(0, len(r.ended)-MaxEnded):]
	}
	r.sessions = append([]session{s}, kept...)
	return r
}

// find returns the index of the session that began with an Initial, or -1.
func (r Record) find(d digest) int {
	return slices.IndexFunc(r.sessions, func(s session) bool { return s.began == d })
}
