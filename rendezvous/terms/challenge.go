package terms

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// What can be wrong with work. In both cases the same device may ask for another
// challenge and begin again.
var (
	// ErrStale: the challenge is none of this cluster's for this device, or too old.
	ErrStale = errors.New("the work is for no challenge that stands")
	// ErrUndone: it is not the work that was asked for.
	ErrUndone = errors.New("the work is missing")
)

// Mint makes challenges and checks what comes back. It never changes, so that all
// goroutines may share one; every server's accepts another's challenges.
type Mint struct{ key [KeySize]byte }

// NewMint makes a mint from a key that only the cluster's servers have.
func NewMint(key [KeySize]byte) *Mint { return &Mint{key} }

// Format implements fmt.Formatter: a mint does not print its key.
func (*Mint) Format(s fmt.State, _ rune) { fmt.Fprint(s, "[redacted]") }

// Challenge makes a challenge for a device (the bytes of its peer ID), of
// ChallengeSize bytes: the time in milliseconds and a MAC.
func (m *Mint) Challenge(device []byte, now time.Time) []byte {
	at := binary.BigEndian.AppendUint64(make([]byte, 0, ChallengeSize), uint64(now.UnixMilli()))
	return append(at, m.mac(at, device)...)
}

// mac is HMAC-SHA-256, cut to macSize. The label and the time have one length each, so
// that the device needs none.
func (m *Mint) mac(at, device []byte) []byte {
	h := hmac.New(sha256.New, m.key[:])
	h.Write([]byte("tryst/sign-up-challenge/1"))
	h.Write(at)
	h.Write(device)
	return h.Sum(nil)[:macSize]
}

// Check returns nil for a proof of that many bits for a challenge that stands, by a
// device for an account; else ErrStale or ErrUndone. It costs at most Parts+3 hashes.
func (m *Mint) Check(challenge, proof, device []byte, account string, bits int, now time.Time) error {
	if len(challenge) == 0 && len(proof) == 0 {
		return ErrUndone
	}
	if len(challenge) != ChallengeSize {
		return fmt.Errorf("%w: a challenge of %d bytes", ErrStale, len(challenge))
	}
	if !hmac.Equal(m.mac(challenge[:timeSize], device), challenge[timeSize:]) {
		return fmt.Errorf("%w: it was made for another device, or elsewhere", ErrStale)
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(challenge)))
	if age := now.Sub(made); age > ChallengeLifetime || age < -skew {
		return fmt.Errorf("%w: it was made %v ago", ErrStale, age.Round(time.Second))
	}
	if !NewPuzzle(challenge, device, account).Solved(proof, bits) {
		return ErrUndone
	}
	return nil
}
