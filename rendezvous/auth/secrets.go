package auth

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/cloudflare/circl/group"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/tryst-chat/tryst/rendezvous/terms"
)

// Secrets is what the servers of one cluster share, as a file and never in the
// replicated database: with the database alone a thief has nothing to test
// guesses against. Losing it loses every password of the cluster; whoever has it
// and the database can guess at Argon2id's price.
type Secrets struct {
	redacted
	oprfSeed  []byte       // hashLen bytes: every account's OPRF key
	private   group.Scalar // the servers' long-term key of the 3DH
	fakeKey   []byte       // hashLen bytes: the records of accounts that do not exist
	cookieKey []byte       // seals the state between the login messages
	_         [0]func()    // not comparable with ==
}

// secretsMagic opens a file of secrets, with its version.
const secretsMagic = "tryst opaque secrets 1\n"

// secretsLen is the size of the file: magic || OPRF seed || private key ||
// fake-record key || cookie key || SHA-256 of all before. The hash is there for
// damaged copies, which would look like every user's wrong password.
const secretsLen = len(secretsMagic) + hashLen + scalarLen + hashLen + chacha20poly1305.KeySize + sha256.Size

// NewSecrets makes the secrets of a new cluster.
func NewSecrets() Secrets {
	return Secrets{
		oprfSeed:  randomBytes(hashLen),
		private:   ristretto.RandomNonZeroScalar(nil),
		fakeKey:   randomBytes(hashLen),
		cookieKey: randomBytes(chacha20poly1305.KeySize),
	}
}

// ChallengeKey returns the key under which servers make the challenges of sign-ups, see
// package terms. It is derived from the key of fake records, which no message shows, so
// that a cluster's file of secrets stays as it is.
func (s Secrets) ChallengeKey() (key [terms.KeySize]byte) {
	copy(key[:], expand(s.fakeKey, []byte("tryst/sign-up-challenge-key/1"), "", terms.KeySize))
	return key
}

// Marshal returns the contents of the file. It is the caller's to keep secret.
func (s Secrets) Marshal() []byte {
	b := slices.Concat([]byte(secretsMagic), s.oprfSeed, encodeScalar(s.private), s.fakeKey, s.cookieKey)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// ParseSecrets reads what Marshal wrote. It fails with ErrMalformed, and its
// error shows nothing of the contents.
func ParseSecrets(file []byte) (Secrets, error) {
	fail := func(why string) (Secrets, error) {
		return Secrets{}, fmt.Errorf("parse OPAQUE secrets: %w: %s", ErrMalformed, why)
	}
	if len(file) != secretsLen || string(file[:len(secretsMagic)]) != secretsMagic {
		return fail("not such a file, or cut short")
	}
	body, sum := file[:secretsLen-sha256.Size], file[secretsLen-sha256.Size:]
	if want := sha256.Sum256(body); !equal(want[:], sum) {
		return fail("the checksum does not match")
	}
	body = slices.Clone(body[len(secretsMagic):])
	take := func(n int) []byte {
		part := body[:n:n]
		body = body[n:]
		return part
	}
	s := Secrets{oprfSeed: take(hashLen)}
	private, err := decodeScalar(take(scalarLen))
	if err != nil {
		return fail("the private key is not one")
	}
	s.private = private
	s.fakeKey = take(hashLen)
	s.cookieKey = take(chacha20poly1305.KeySize)
	return s, nil
}
