package group

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const (
	commitmentLabel = "tryst epoch commitment 1"
	topicLabel      = "tryst group topic 1"
	topicSize       = 32 // bytes; nobody guesses or collides it
)

// Commit returns what a statement that starts an epoch says about its secret: a
// hash, which hides 256 random bits and fits no other.
func Commit(secret key.Epoch, id record.GroupID, epoch uint64) record.Hash {
	b := make([]byte, 0, len(commitmentLabel)+len(id)+8+key.Size)
	b = append(b, commitmentLabel...)
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint64(b, epoch)
	return sha256.Sum256(append(b, secret.Bytes()...))
}

// Epoch returns the number of the current epoch, 1 for the first.
func (s State) Epoch() uint64 { return s.chain.Epoch() }

// Waiting tells that this device does not have the current epoch's secret: no
// member has let it in yet.
func (s State) Waiting() bool { return s.secretEpoch == 0 }

// Topic returns the name of the current epoch's topic, 64 hexadecimal characters,
// or false while Waiting. It is a secret among the members.
func (s State) Topic() (string, bool) {
	if s.Waiting() {
		return "", false
	}
	id := s.chain.ID()
	b, err := hkdf.Key(sha256.New, s.secret.Bytes(), id[:], topicLabel, topicSize)
	if err != nil {
		return "", false // only for an output of more than 8,160 bytes
	}
	return hex.EncodeToString(b), true
}

// AcceptSecret takes the secret of the current epoch, whoever sent it: the chain
// says whether it is the one. It returns ErrBehind, ErrOver or ErrCommitment.
func (s State) AcceptSecret(epoch uint64, secret key.Epoch) (State, error) {
	switch {
	case epoch > s.chain.Epoch():
		return s, ErrBehind
	case epoch < s.chain.Epoch():
		return s, ErrOver
	}
	got, want := Commit(secret, s.chain.ID(), epoch), s.chain.Commitment()
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return s, ErrCommitment
	}
	s.secret, s.secretEpoch = secret, epoch
	return s, nil
}

// SecretFor returns the current epoch's secret for a device that asks for it,
// which acts for an account: the caller has checked that. It returns ErrNotMember,
// ErrBehind, ErrOver or ErrNoSecret.
func (s State) SecretFor(epoch uint64, requester record.Account) (key.Epoch, error) {
	switch {
	case !s.chain.Member(requester):
		return key.Epoch{}, ErrNotMember
	case epoch > s.chain.Epoch():
		return key.Epoch{}, ErrBehind
	case epoch < s.chain.Epoch():
		return key.Epoch{}, ErrOver
	case s.Waiting():
		return key.Epoch{}, ErrNoSecret
	}
	return s.secret, nil
}

// Rekey starts an epoch with a fresh secret: the state after it, the statement to
// append at the servers, and the secret to send to all member devices. If the
// servers refuse the statement, somebody else's came first: forget all three.
func (s State) Rekey(self Self, now time.Time) (State, []byte, key.Epoch, error) {
	secret, epoch := key.NewEpoch(), s.chain.Epoch()+1
	next := s.chain.Next(record.Rekey, self.Account, self.Device, now)
	next.Commitment = Commit(secret, s.chain.ID(), epoch)
	statement := next.Sign(self.Signer)
	after, _, err := s.Extend([][]byte{statement}, self.acts)
	if err != nil {
		return s, nil, key.Epoch{}, fmt.Errorf("group: rekey: %w", err)
	}
	after.secret, after.secretEpoch = secret, epoch
	return after, statement, secret, nil
}
